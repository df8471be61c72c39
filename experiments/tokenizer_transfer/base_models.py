"""The model whose tokenizer is exchanged: trained here, or a Hugging Face checkpoint; and what it
costs in bits with any table."""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from configs.shared import ModelConfig, TextConfig
from configs.tokenizer_transfer.presets import TokenizerConfig, TransferConfig
from experiments.shared import language_models, weights
from experiments.shared.tables import Log
from experiments.tokenizer_transfer import target_tokenizers
from research.codecs import lm_folder
from research.codecs.codec_tokenizer import CodecTokenizer
from research.codecs.protocol import Codec
from research.corpora import Corpus
from research.evaluation import continuations
from research.evaluation.continuations import Item
from research.models.language_model import LanguageModelConfig
from research.training import parallelism
from research.training.data import token_store
from research.training.data.token_store import TokenStore
from research.training.lm import LM
from research.training.step import EvalTotals
from research.transfer import source_model
from research.vocabularies import learned
from research.vocabularies.protocol import EmbeddingTable

BEGINNING_BYTES = 40_000
# Rows of padded tables: a table takes the next number, so that few shapes are compiled.
ROWS = (512, 4224, 8448, 16_896, 33_792, 50_816, 66_048)


class Base(NamedTuple):
    """A trained model and what it was trained on."""

    params: Any
    config: LanguageModelConfig
    codec: Codec
    """Text to ids."""
    tokenizer: CodecTokenizer
    """The same with BOS and EOS."""
    table: EmbeddingTable
    """Numpy rows of real ids, one for each of the tokenizer's."""
    corpus: Corpus
    text: TextConfig
    """What it read."""
    model: ModelConfig
    """How it was trained."""


def trained(config: TransferConfig, seed: int, workdir: Path, log: Log) -> Base:
    """The base model of a table, trained by the first table that needs it, or a checkpoint.

    Raises:
      UsageError: if the config names a checkpoint that is not there, or has no tokenizer.
    """
    corpus = language_models.load_corpus(config.text)
    if config.checkpoint:
        return _checkpoint(config, corpus)
    name = "base" if seed == config.seeds[0] else f"base-{seed}"
    model = stored(config, config.model, config.tokenizer, name, seed, workdir, log)
    return Base(
        params=model.params,
        config=model.config,
        codec=model.codec,
        tokenizer=CodecTokenizer(model.codec),
        table=real_rows(learned.table(model.params["vocabulary"]), model.config.vocab_size),
        corpus=corpus,
        text=config.text,
        model=config.model,
    )


class StoredModel(NamedTuple):
    """A language model of a table."""

    params: Any
    config: LanguageModelConfig
    codec: Codec
    """Text to ids."""


def stored(
    config: TransferConfig,
    model: ModelConfig,
    tokenizer: TokenizerConfig,
    name: str,
    seed: int,
    workdir: Path,
    log: Log,
) -> StoredModel:
    """A model on the setting's text: from the weights of that name, or trained; see
    `experiments.shared.weights`.

    Args:
      tokenizer: whose ids it reads.
    """
    corpus = language_models.load_corpus(config.text)

    def train():
        codec = target_tokenizers.build(tokenizer, corpus, workdir, log)
        trained_model = language_models.trained(
            model, config.text, seed=seed, workdir=workdir, log=log, codec=codec
        )
        ids = model.steps * model.batch_size * model.length
        facts = {"seconds": trained_model.seconds, "ids": ids}
        return StoredModel(trained_model.params, trained_model.config, codec), facts

    def save(directory: Path, lm: StoredModel) -> None:
        lm_folder.save(directory, *lm, dtype="bfloat16")

    def load(directory: Path) -> StoredModel:
        return StoredModel(*lm_folder.load(directory)[:3])

    def figures(lm: StoredModel) -> dict[str, float]:
        return beginning(config, model, lm, workdir) if config.weights else {}

    settings = {
        "model": language_models.settings_of(model),
        "tokenizer": dataclasses.asdict(tokenizer),
        "corpus": corpus.digest,
        "train_bytes": config.text.train_bytes,
        "seed": seed,
    }
    place = weights.Place("tokenizer_transfer", name, "zero_shot", config.weights, workdir)
    form = weights.Format(save, load)
    return weights.obtain(place, settings, form, train, figures, log)[0]


def beginning(
    config: TransferConfig, model: ModelConfig, lm: StoredModel, workdir: Path
) -> dict[str, float]:
    """Bits/byte of so little validation text that a test can compare it with a record."""
    corpus = language_models.load_corpus(config.text)
    store = token_store.build(
        corpus, "valid", lm.codec, workdir / "tokens", max_bytes=BEGINNING_BYTES
    )
    sums = language_models.lm(model, lm.config).evaluate_store(
        lm.params, store, batch_size=language_models.EVALUATION_ROWS, length=model.length
    )
    return {"bits_per_byte of the beginning": sums.bits_per_byte}


def _checkpoint(config: TransferConfig, corpus: Corpus) -> Base:
    """A Hugging Face folder. Its tokenizer's BOS and EOS rows are had twice: where it has them, and
    as the last two ids, where every text here begins and ends."""
    model = source_model.load(config.checkpoint)
    codec, size = model.tokenizer, model.tokenizer.vocab_size
    ends = [
        next(codec.roles[role] for role in like if role in codec.roles)
        for like in (("bos", "cls", "eos"), ("eos", "sep", "bos"))
    ]
    rows_V = np.concatenate([np.arange(size), ends])
    table = jax.tree.map(lambda part: np.asarray(part)[rows_V], model.table)
    whole = dataclasses.replace(
        model.config, vocab_size=size + 2, padded_vocab_size=None, bos=None, eos=None
    )
    return Base(
        params=with_table(model.params, table, whole.rows),
        config=whole,
        # Only texts go through it: what a codec has beyond a tokenizer is not needed.
        codec=codec,  # pyright: ignore[reportArgumentType]
        tokenizer=CodecTokenizer(codec),  # pyright: ignore[reportArgumentType]
        table=table,
        corpus=corpus,
        text=config.text,
        model=config.model,
    )


def config_for(base: Base, vocab_size: int, rows: int | None = None) -> LanguageModelConfig:
    """The base model's config for another number of ids."""
    return dataclasses.replace(base.config, vocab_size=vocab_size, padded_vocab_size=rows)


def real_rows(table: EmbeddingTable, vocab_size: int) -> EmbeddingTable:
    """The rows of real ids as numpy arrays: what heuristics and checkpoints take."""
    return jax.tree.map(lambda part: np.asarray(part)[:vocab_size], table)


def with_table(params: Any, table: EmbeddingTable, rows: int) -> Any:
    """The parameters with another table, padded with zeros to `rows`."""

    def padded(part: Any) -> np.ndarray:
        widths = [(0, rows - len(part))] + [(0, 0)] * (part.ndim - 1)
        return np.pad(np.asarray(part, np.float32), widths)

    vocabulary = {name: padded(part) for name, part in table._asdict().items() if part is not None}
    return {**params, "vocabulary": vocabulary}


def valid_store(base: Base, codec: Codec, workdir: Path) -> TokenStore:
    """The validation text in the ids of any codec."""
    return token_store.build(
        base.corpus, "valid", codec, workdir / "tokens", max_bytes=base.text.valid_bytes
    )


def evaluate(base: Base, params: Any, table: EmbeddingTable, store: TokenStore) -> EvalTotals:
    """Exact sums of the model with another table, over a store of that table's ids.

    Args:
      params: the model's, its own table ignored.
    """
    rows = next(count for count in ROWS if count >= store.vocab_size)
    model, config = base.model, config_for(base, rows, rows)
    mesh = parallelism.make_mesh(model.parallelism)
    lm = LM(config, mesh, model.parallelism, any_vocab_size=True)
    moved = with_table(params, table, config.rows)
    return lm.evaluate_store(
        moved, store, batch_size=language_models.EVALUATION_ROWS, length=model.length
    )


def right_answers(
    base: Base, params: Any, table: EmbeddingTable, codec: Codec, items: list[Item]
) -> np.ndarray:
    """Which questions the model gets right with a table for the ids of `codec`, bool [items]."""
    rows = next(count for count in ROWS if count >= codec.vocab_size + 2)
    config = config_for(base, codec.vocab_size + 2, rows)
    return continuations.right(with_table(params, table, config.rows), config, codec, items)


def own_bits(base: Base, workdir: Path) -> EvalTotals:
    """Exact sums of the model with its own tokenizer on its validation text."""
    return evaluate(base, base.params, base.table, valid_store(base, base.codec, workdir))
