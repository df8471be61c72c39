"""The model whose tokenizer is exchanged: trained here, or a Hugging Face checkpoint; and what it
costs in bits with any table."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from configs.lexinvariant.parts import ModelConfig
from configs.tokenizer_transfer.parts import Setting, TextConfig
from experiments.compressed_text import second_model
from experiments.lexinvariant import language_models
from experiments.tokenizer_transfer import targets
from research.codecs.protocol import Codec
from research.codecs.tokenizer import CodecTokenizer
from research.corpora import Corpus
from research.models.language_model import LanguageModelConfig
from research.training import batches, evaluation, token_store
from research.training.token_store import TokenStore
from research.transfer import source_model
from research.vocabularies import learned
from research.vocabularies.table import Table

Log = Callable[[str], None]
# Rows of padded tables: a table takes the next number, so that few shapes are compiled.
ROWS = (512, 4224, 8448, 16_896, 33_792, 50_816, 66_048)


class Base(NamedTuple):
    """A trained model and what it was trained on.

    Attributes:
      params, config: of the language model.
      codec, tokenizer: text to ids; the same with BOS and EOS.
      table: numpy rows of real ids, one for each of the tokenizer's.
      corpus, text: what it read.
      model: how it was trained.
      seconds: how long that took.
    """

    params: Any
    config: LanguageModelConfig
    codec: Codec
    tokenizer: CodecTokenizer
    table: Table
    corpus: Corpus
    text: TextConfig
    model: ModelConfig
    seconds: float


def trained(config: Setting, seed: int, workdir: Path, log: Log) -> Base:
    """The base model of a table, trained by the first table that needs it, or a checkpoint.

    Raises:
      UsageError: if the config names a checkpoint that is not there, or has no tokenizer.
    """
    corpus = language_models.load_corpus(config.text)
    if config.checkpoint:
        return _checkpoint(config, corpus)
    codec = targets.build(config.tokenizer, corpus, workdir, log)
    found = language_models.trained(
        config.model, config.text, seed=seed, workdir=workdir, log=log, codec=codec
    )
    return Base(
        params=found.params,
        config=found.config,
        codec=codec,
        tokenizer=CodecTokenizer(codec),
        table=real_rows(learned.table(found.params["vocabulary"]), found.config.vocab_size),
        corpus=corpus,
        text=config.text,
        model=config.model,
        seconds=found.seconds,
    )


def _checkpoint(config: Setting, corpus: Corpus) -> Base:
    """A Hugging Face folder. Its tokenizer's BOS and EOS rows are had twice: where it has them, and
    as the last two ids, where every text here begins and ends."""
    model = source_model.load(config.checkpoint)
    codec, size = model.tokenizer, model.tokenizer.vocab_size
    ends = [
        next(codec.roles[role] for role in like if role in codec.roles)
        for like in (("bos", "cls", "eos"), ("eos", "sep", "bos"))
    ]
    rows_V = np.concatenate([np.arange(size), ends])
    table = Table(*(None if part is None else np.asarray(part)[rows_V] for part in model.table))
    whole = dataclasses.replace(
        model.config, vocab_size=size + 2, padded_vocab_size=None, bos=None, eos=None
    )
    return Base(
        params=with_table(model.params, table, whole.rows),
        config=whole,
        codec=codec,
        tokenizer=CodecTokenizer(codec),
        table=table,
        corpus=corpus,
        text=config.text,
        model=config.model,
        seconds=0.0,
    )


def config_for(base: Base, vocab_size: int, rows: int | None = None) -> LanguageModelConfig:
    """The base model's config for another number of ids."""
    return dataclasses.replace(base.config, vocab_size=vocab_size, padded_vocab_size=rows)


def real_rows(table: Table, vocab_size: int) -> Table:
    """The rows of real ids as numpy arrays: what heuristics and checkpoints take."""
    return Table(*(None if part is None else np.asarray(part)[:vocab_size] for part in table))


def with_table(params: Any, table: Table, rows: int) -> Any:
    """The parameters with another table, padded with zeros to `rows`."""

    def padded(part: np.ndarray) -> np.ndarray:
        widths = [(0, rows - len(part))] + [(0, 0)] * (part.ndim - 1)
        return np.pad(np.asarray(part, np.float32), widths)

    names = ("input_VxD", "output_VxD", "bias_V")
    vocabulary = {
        name: padded(part) for name, part in zip(names, table, strict=True) if part is not None
    }
    return {**params, "vocabulary": vocabulary}


def valid_store(base: Base, codec: Codec, workdir: Path) -> TokenStore:
    """The validation text in the ids of any codec."""
    return token_store.build(
        base.corpus, "valid", codec, workdir / "tokens", max_bytes=base.text.valid_bytes
    )


def evaluate(base: Base, params: Any, table: Table, store: TokenStore) -> evaluation.Sums:
    """Exact sums of the model with another table, over a store of that table's ids.

    Args:
      params: the model's, its own table ignored.
    """
    rows = next(count for count in ROWS if count >= store.vocab_size)
    config = config_for(base, rows, rows)
    stream = _with_vocab_size(base, store)
    moved = with_table(params, table, config.rows)
    return language_models.evaluator(base.model, config)(moved, stream, store.num_bytes)


def own_bits(base: Base, workdir: Path) -> evaluation.Sums:
    """Exact sums of the model with its own tokenizer on its validation text."""
    return evaluate(base, base.params, base.table, valid_store(base, base.codec, workdir))


def _with_vocab_size(base: Base, store: TokenStore) -> Iterator[dict[str, np.ndarray]]:
    for batch in batches.evaluation_batches(store, batch_size=16, length=base.model.length):
        yield second_model.with_vocab_size(batch, store.vocab_size)
