"""What a command does around its work: chooses its folder, encodes text."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from research import codecs, files
from research.codecs.protocol import Codec
from research.corpora import Corpus
from research.errors import UsageError, flag
from research.files import shown
from research.training import processes
from research.training.data import sharded_store, token_store
from research.training.data.token_store import TokenStore
from research.units import counted, quantity

Log = Callable[[str], None]


def workdir_of(options: Any, inputs: Sequence[str], mark: str) -> Path:
    """The folder for what a command's training keeps on its way, by default OUT.work.

    Also makes sure that the result can be written to --out: better now than after the training.

    Args:
      options: arguments with `out`, `workdir` and the inputs.
      inputs: names of those that are a file, folder or shipped codec which the training reads.
      mark: a file that every folder with such a result has.

    Raises:
      UsageError: --out must not be replaced, or holds the workdir or an input.
      FreevocabError: --out cannot be written.
    """
    workdir = Path(options.workdir or f"{Path(options.out)}.work")
    if shown(workdir) != os.fspath(workdir):
        raise UsageError(f"checkpoints cannot go to {shown(workdir)}, a name that is no UTF-8: "
                         f"choose another --{'workdir' if options.workdir else 'out'}")  # fmt: skip
    paths = {flag(name): getattr(options, name) for name in inputs}
    read = [(name, None if path in codecs.names() else path) for name, path in paths.items()]
    files.check_out(options.out, [("--workdir", workdir), *read], mark=mark)
    return workdir


def store_builder(
    corpus: Corpus, workdir: Path, max_bytes: int | None, valid_bytes: int | None, log: Log
) -> Callable[[str, Codec], TokenStore]:
    """(split, codec) -> its store under `workdir`, announced by a line."""

    def build(split: str, codec: Codec) -> TokenStore:
        with processes.process_zero_first(f"store {split} {codec.fingerprint()}"):
            store = token_store.build(
                corpus,
                split,
                codec,
                workdir / "stores",
                max_bytes=max_bytes if split == "train" else valid_bytes,
                progress=progress_of(split, codec.name, log),
            )
        log(_described(split, store))
        return store

    return build


def store_opener(
    directory: str, max_bytes: int | None, valid_bytes: int | None, log: Log
) -> Callable[[str, Codec], TokenStore]:
    """(split, codec) -> its store out of a folder that `freevocab prepare` wrote.

    Calling it raises:
      UsageError: the folder is another one, has no such split, or is of another codec.
      FreevocabError: a shard is missing or damaged.
    """

    def build(split: str, codec: Codec) -> TokenStore:
        most = max_bytes if split == "train" else valid_bytes
        store = sharded_store.open_split(directory, split, max_bytes=most)
        if store.meta["source"]["codec"] != codec.fingerprint():
            raise UsageError(
                f"{directory} holds ids of {store.meta['codec_name']}, not of this {codec.name}: "
                "give the --codec that it was prepared with"
            )
        log(_described(split, store))
        return store

    return build


def _described(split: str, store: TokenStore) -> str:
    return (
        f"{split}: {quantity(store.num_bytes, 'B')} of {store.meta['corpus_name']} in "
        f"{counted(store.num_documents, 'document')}, {quantity(store.num_tokens)} ids of "
        f"{store.meta['codec_name']}"
    )


def progress_of(split: str, codec_name: str, log: Log) -> token_store.Progress:
    """Says how far the encoding of a split is."""

    def progress(done: int, rate: float) -> None:
        log(f"encoding {split} with {codec_name}: {quantity(done, 'B')}, {quantity(rate, 'B')}/s")

    return progress
