"""What every codec offers: text to ids and back."""

import os
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class Codec(Protocol):
    """Text <-> ids. `encode` and `decode` are pure: the same input gives the same output."""

    name: str
    """Short, printable; unique among the rows of a table."""
    lossless: bool
    """True if decode(encode(x)) == x for every byte string x."""
    vocab_size: int
    """Ids are in [0, vocab_size). BOS and EOS are not the codec's business."""

    def encode(self, texts: Sequence[bytes | str]) -> list[np.ndarray]:
        """One int32 array of ids per text; a `str` is taken as UTF-8.

        Raises:
          UsageError: if `texts` is one text instead of a list, or holds something else.
        """
        ...

    def decode(self, ids: Sequence[np.ndarray]) -> list[bytes]:
        """One byte string per id array. Any ids in range decode if the codec is lossless.

        Raises:
          EncodeOnlyError: if the codec cannot be decoded.
          FreevocabError: if an id is out of range or no integer, or an array not 1-d.
        """
        ...

    def token_bytes(self) -> list[bytes] | None:
        """The byte string of each id for a static vocabulary, else None."""
        ...

    def byte_lengths(self, ids: np.ndarray) -> np.ndarray:
        """Bytes that each id stands for, int32, the shape of `ids`; they sum to the text's bytes.

        Where a group of ids (a window, a whole message) only decodes together, its last id
        carries the group's bytes and the others 0.
        """
        ...

    def fingerprint(self) -> str:
        """Hex digest of everything that decoding depends on."""
        ...


@runtime_checkable
class SavableCodec(Codec, Protocol):
    """A codec with a folder format; a tokenizer's file read as a codec has none."""

    def save(self, directory: str | os.PathLike) -> None:
        """Writes a folder that `codecs.load` opens: codec.json and what it names."""


# A codec may also have these five; one written elsewhere need not know of them.


def decode_at_most(
    codec: Codec, ids: Sequence[np.ndarray], most: Sequence[int]
) -> list[bytes]:
    """`codec.decode_at_most`: as `decode`, by a codec whose ids may stand for very long texts; of
    one that is longer than it should be it need not make all."""
    limited = getattr(codec, "decode_at_most", None)
    return codec.decode(ids) if limited is None else limited(ids, most)


def block_bytes(codec: Codec) -> int | None:
    """`codec.block_bytes`: bytes of text that a compressed file should encode at once; None: no
    preference."""
    return getattr(codec, "block_bytes", None)


def needs_whole_text(codec: Codec) -> bool:
    """`codec.needs_whole_text`: whether the first ids of a text depend on all of it."""
    return getattr(codec, "needs_whole_text", False)


def any_machine(codec: Codec) -> bool:
    """`codec.any_machine`: whether its ids decode on every machine; they do unless it says no."""
    return getattr(codec, "any_machine", True)


def on_host(codec: Codec) -> Codec:
    """`codec.on_host()`: the same codec run by numpy alone; one without does as it is."""
    host = getattr(codec, "on_host", None)
    return codec if host is None else host()
