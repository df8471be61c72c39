"""A tiny corpus and a tiny store of ids, for tests and notebooks: no files, no download."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from research.corpora import Corpus, load
from research.corpora.corpus import SPLITS, Source, document_digest
from research.training.data.token_store import TokenStore


@dataclasses.dataclass(frozen=True)
class Listed(Source):
    """A source whose documents are given, by split."""

    contents: Mapping[str, Sequence[bytes]]
    name: str = "listed"

    def documents(self, split: str) -> Iterator[bytes]:
        return iter(self.contents.get(split, ()))

    def digest(self) -> str:
        parts = [b" ".join(map(document_digest, self.documents(s))) for s in SPLITS]
        return document_digest(b"\n".join(parts)).hex()


def corpus_of(**contents: Sequence[bytes]) -> Corpus:
    """A corpus of given documents: corpus_of(train=[b"..."], valid=[b"..."])."""
    return Corpus(Listed(contents))


def tiny_corpus(num_bytes: int = 20_000) -> Corpus:
    """Made-up text with some structure in all three splits, the same on every machine."""
    return load(f"synthetic:{num_bytes}")


def tiny_store(
    num_tokens: int = 1000, *, vocab_size: int = 20, document_tokens: int = 50, seed: int = 0
) -> TokenStore:
    """A store in memory with learnable ids: mostly each id follows the one before it.

    Args:
      num_tokens: EOS included.
      vocab_size: as TokenStore.vocab_size, so BOS and EOS are the last two.
      document_tokens: of each document, EOS included; the last may be shorter.
    """
    rng = np.random.default_rng(seed)
    num_codec_ids = vocab_size - 2
    steps = np.where(rng.random(num_tokens) < 0.9, 1, rng.integers(num_codec_ids, size=num_tokens))
    ids = (np.cumsum(steps) % num_codec_ids).astype(np.int32)
    ends = np.arange(document_tokens, num_tokens, document_tokens)
    offsets = np.concatenate([[0], ends, [num_tokens]]).astype(np.int64)
    ids[offsets[1:] - 1] = vocab_size - 1
    # Each id but EOS stands for one byte.
    return TokenStore(ids, offsets, offsets - np.arange(len(offsets)), vocab_size, meta={})
