"""A tiny codec, corpus, token store and language model, for tests and notebooks: no files."""

import dataclasses
import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from research.codecs import saved
from research.corpora import Corpus, load
from research.corpora.corpus import SPLITS, Source, document_digest
from research.models import language_model
from research.models.language_model import LanguageModelConfig
from research.models.sizes import TrunkConfig
from research.tokenizers.static_vocabulary import StaticVocabulary
from research.tokenizers.text_spans import each_as_bytes
from research.training.data.token_store import TokenStore
from research.vocabularies.learned import LearnedEmbedding
from research.vocabularies.protocol import Vocabulary

STRINGS = (b"the ", b"and ", b"ing", b"th", b"er", b"in", b"e ", b", ")


class TinyCodec(StaticVocabulary):
    """Ids 0 to 255 are the bytes, the next ones `strings`; the longest that fits wins. Lossless.

    Args:
      strings: distinct, not empty; vocab_size = 256 + len(strings).
    """

    lossless = True

    def __init__(self, strings: Sequence[bytes] = STRINGS):
        self._strings = tuple(strings)
        super().__init__([*(bytes([byte]) for byte in range(256)), *self._strings])
        self.name = f"tiny-{self.vocab_size}"
        self._ids = {token: id_ for id_, token in enumerate(self._tokens)}
        longest_first = sorted(self._strings, key=len, reverse=True)
        choices = b"|".join([*map(re.escape, longest_first), b"."])
        self._pattern = re.compile(choices, re.DOTALL)

    def encode(self, texts: Sequence[bytes | str]) -> list[np.ndarray]:
        return [
            np.array([self._ids[part] for part in self._pattern.findall(text)], np.int32)
            for text in each_as_bytes(texts)
        ]

    def fingerprint(self) -> str:
        """Hex digest of the strings."""
        return hashlib.sha256(repr(self._strings).encode()).hexdigest()

    def save(self, directory: str | os.PathLike) -> None:
        """Writes codec.json; its kind is this class's import path."""
        strings = [string.hex() for string in self._strings]
        saved.write(directory, "research.testing.tiny:TinyCodec", {"strings": strings})

    @classmethod
    def from_directory(cls, directory: Path, meta: Mapping[str, Any]) -> "TinyCodec":
        return cls([bytes.fromhex(string) for string in meta["strings"]])


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


def tiny_trunk_config(**changes: Any) -> TrunkConfig:
    """Two layers of width 16; `changes` replace fields."""
    config = TrunkConfig(d_model=16, num_heads=2, head_dim=8, num_layers=2, mlp_dim=32)
    return dataclasses.replace(config, **changes)


def tiny_config(
    vocab_size: int = 34, tied: bool = False, vocabulary: Vocabulary | None = None, **changes: Any
) -> LanguageModelConfig:
    """A language model of `vocab_size` ids (BOS and EOS among them) on a tiny trunk.

    Its vocabulary is learned, tied or not, unless another is given.
    """
    rows = -(-vocab_size // 8) * 8
    vocabulary = LearnedEmbedding(tied) if vocabulary is None else vocabulary
    return LanguageModelConfig(tiny_trunk_config(**changes), vocab_size, rows, vocabulary)


def tiny_model(seed: int = 0, **changes: Any) -> tuple[dict[str, Any], LanguageModelConfig]:
    """Fresh parameters and config; `changes` as for `tiny_config`."""
    config = tiny_config(**changes)
    init = jax.jit(language_model.init, static_argnums=1)
    return init(jax.random.key(seed), config), config
