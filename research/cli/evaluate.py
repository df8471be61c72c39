"""`freevocab evaluate`: bits per byte of a model's folder on a text."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from research.errors import UsageError
from research.training.config import (
    DistributedConfig,
    ParallelismConfig,
    check_counts,
    check_least,
)

if TYPE_CHECKING:
    from research.corpora import Corpus
    from research.training.model_folders import FolderTotals
    from research.training.step import EvalTotals


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """Bits per byte of a saved model on a corpus, over every byte of the text."""

    model: str
    """A folder that `train m2`, `train lexinvariant` or `reproduce` wrote, or a Hugging Face
    folder (config.json and safetensors) of a model that predicts the next token."""
    corpus: str = "builtin"
    """builtin, text:GLOB[;valid=GLOB], tfds:NAME or synthetic."""
    split: Literal["train", "valid", "test"] = "valid"
    """Which part of it."""
    text: str | None = None
    """A file to evaluate on as a whole, instead of a corpus."""
    tokenizer: str | None = None
    """For a Hugging Face folder: another tokenizer than its own (a file or a folder)."""
    max_bytes: int | None = None
    """Only the first so many bytes."""
    batch_size: int = 16
    """Sequences at once."""
    length: int | None = None
    """Ids in a sequence; default: what the model was trained with, else 512; of a Hugging Face
    folder its context, at most 2048."""
    stores: str = "runs/stores"
    """Folder for the text as ids, kept for the next time."""
    parallelism: ParallelismConfig = ParallelismConfig()
    """Devices."""
    distributed: DistributedConfig = DistributedConfig()
    """Several processes."""

    def __post_init__(self):
        check_least(self, max_bytes=1, batch_size=1, length=1)
        check_counts(self, "batch_size", "length")


def run(options: Evaluate, log: Callable[[str], None] = print) -> "EvalTotals":
    """Measures, says how it was measured, and returns the exact sums.

    Raises:
      UsageError: for arguments that do not go together, or a masked language model.
    """
    from research.training import model_folders, processes, runtime
    from research.training.data import token_store

    log = processes.join(options, log)

    def build_store(codec):
        corpus, split = _corpus(options)
        progress = runtime.progress_of(split, codec.name, log)
        with processes.process_zero_first("store"):
            return token_store.build(
                corpus, split, codec, options.stores, max_bytes=options.max_bytes, progress=progress
            )

    measured = model_folders.evaluate(
        options.model,
        build_store,
        tokenizer=options.tokenizer,
        batch_size=options.batch_size,
        length=options.length,
        config=options.parallelism,
    )
    for line in _report(options, measured):
        log(line)
    return measured.totals


def _corpus(options: Evaluate) -> "tuple[Corpus, str]":
    """The text, and which of its splits to measure on."""
    from research import corpora
    from research.corpora import Corpus, text

    if options.text is None:
        return corpora.load(options.corpus), options.split
    if not Path(options.text).is_file():
        raise UsageError(f"--text {options.text}: there is no such file")
    return Corpus(text.whole(Path(options.text))), "valid"


def _report(options: Evaluate, measured: "FolderTotals") -> Iterator[str]:
    """The lines for people."""
    from research.evaluation.per_byte import with_lost_bytes
    from research.units import counted

    totals, store, codec = measured.totals, measured.store, measured.codec
    nats_per_token = totals.nats / totals.tokens
    name = options.text or f"{options.split} of {store.meta['corpus_name']}"
    documents = counted(store.num_documents, "document")
    yield f"model       {options.model} ({codec.name}, {measured.ids})"
    yield f"text        {name}: {store.num_bytes:,} bytes, {documents}"
    yield f"tokens      {totals.tokens:,}, {measured.specials}"
    yield f"ratio       {totals.bytes_per_token:.4f} bytes/token"
    yield f"tokens/byte {totals.tokens / totals.bytes:.6f}"
    yield f"loss        {nats_per_token:.4f} nats/token, {totals.nats:.2f} nats in all"
    yield f"bits/byte   {totals.bits_per_byte:.4f}"
    if not codec.lossless and (lost := _lost_share(options, codec)):
        adjusted = with_lost_bytes(totals.bits_per_byte, lost)
        yield f"lost bytes  {lost:.4%}; with 8 bits for each {adjusted:.4f} bits/byte"
    uniform = float(np.log2(codec.vocab_size)) / totals.bytes_per_token
    yield f"uniform     {uniform:.4f} bits/byte for a model that knows nothing"
    yield f"kept        the text's ids, in {options.stores}"
    if measured.foreign:
        yield f"windows     {measured.length} tokens, none sees another"


def _lost_share(options: Evaluate, codec) -> float:
    """Of the text's bytes, what the codec cannot give back."""
    from research.evaluation.per_byte import unrecoverable_share
    from research.training.data import token_store

    corpus, split = _corpus(options)
    return unrecoverable_share(
        codec, token_store.first_bytes(corpus.documents(split), options.max_bytes)
    )
