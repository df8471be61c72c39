"""A tokenizer as data: what every id stands for, and how strings fall into its pieces."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

# What special tokens are for, under the names that tokenizer_config.json uses (less "_token").
ROLES = ("bos", "eos", "unk", "pad", "mask", "sep", "cls")


class Pieces(NamedTuple):
    """The pieces of T tokens, one after another."""

    ids_N: np.ndarray
    """int32, ids of the tokenizer that decomposed."""

    start_T: np.ndarray
    """int64 [T + 1]; token t has the pieces ids_N[start_T[t] : start_T[t + 1]]."""

    @property
    def counts_T(self) -> np.ndarray:
        """Pieces of each token, int64 [T]."""
        return np.diff(self.start_T)

    def take(self, tokens_M: np.ndarray) -> "Pieces":
        """The pieces of some of the tokens, in the order given."""
        tokens_M = np.asarray(tokens_M, np.int64)
        counts_M = self.counts_T[tokens_M]
        start_M = np.concatenate([[0], np.cumsum(counts_M)])
        offset_N = np.arange(start_M[-1]) - np.repeat(start_M[:-1], counts_M)
        ids_N = self.ids_N[np.repeat(self.start_T[tokens_M], counts_M) + offset_N]
        return Pieces(ids_N, start_M)

    def only(self, ordinary_V: np.ndarray) -> "Pieces":
        """Without the ids where bool [V] `ordinary_V` is False."""
        kept_N = np.asarray(ordinary_V, bool)[self.ids_N]
        kept_before = np.concatenate([[0], np.cumsum(kept_N)])
        return Pieces(self.ids_N[kept_N], kept_before[self.start_T].astype(np.int64))

    @classmethod
    def of(cls, rows: Sequence[Sequence[int] | np.ndarray]) -> "Pieces":
        """From one sequence of ids for each token."""
        start_T = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)])
        parts = [np.asarray(row, np.int32) for row in rows if len(row)]
        ids_N = np.concatenate(parts) if parts else np.zeros(0, np.int32)
        return cls(ids_N, start_T)


class Tokenizer(Protocol):
    """Text <-> ids, and the entries behind the ids."""

    name: str
    """Short, printable."""

    vocab_size: int
    """V, all ids, special ones and ids that no token has included."""

    lossless: bool
    """True if decode(encode(x)) == x for every byte string x."""

    special_V: np.ndarray
    """bool [V], special tokens and ids that no token has: they stand for no text."""

    roles: Mapping[str, int]
    """Ids of special tokens by what they are for; some of `ROLES`."""

    @property
    def special_names(self) -> Mapping[int, str]:
        """How special tokens are written, by id; empty where nothing says it."""
        ...

    @property
    def files(self) -> Mapping[str, bytes]:
        """What to write next to a checkpoint so that other tools open the same tokenizer; empty
        for one that did not come from a file.

        Raises:
          FreevocabError: the file has no exact counterpart in the format they read.
        """
        ...

    def encode(self, texts: Sequence[bytes | str]) -> list[np.ndarray]:
        """One int32 array of ids per text; special tokens are never among them."""
        ...

    def decode(self, ids: Sequence[np.ndarray]) -> list[bytes]:
        """One byte string per id array."""
        ...

    def token_bytes(self) -> list[bytes]:
        """The byte string of each id; b"" where special_V."""
        ...

    def match_bytes(self) -> list[bytes]:
        """What to compare entries of two tokenizers by: `token_bytes`, with a space put before
        those that start a word where the tokenizer itself drops spaces."""
        ...

    def decompose(self, tokens: Sequence[bytes]) -> Pieces:
        """Ids that the tokenizer's model makes of each string (as of `match_bytes`), taken whole:
        no normaliser, no pre-tokenizer. What no entry covers is the unknown token; where there is
        none it has no piece, and neither has b""."""
        ...

    def fingerprint(self) -> str:
        """Hex digest of everything that ids depend on."""
        ...
