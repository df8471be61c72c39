"""Ids to text while they arrive."""

import codecs as text_codecs
import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from research.codecs.protocol import Codec
from research.errors import EncodeOnlyError, UsageError


def encode_prompt(codec: Codec, prompt: bytes | str) -> tuple[list[int], bytes]:
    """The ids that a continuation can follow, and the bytes that they stand for.

    Windows that fill no whole group of ids at the end are left out: their last id would be filled
    up with zeros, and what follows would be read out of step.

    Raises:
      UsageError: if the codec codes each document as one closed message, or only encodes.
    """
    if not prompt:
        return [], b""
    ids = [int(id_) for id_ in codec.encode([prompt])[0]]
    if codec.token_bytes() is None:
        group = _group_size(codec)
        if group is None:
            raise UsageError(
                f"codec {codec.name} codes a document as one closed message, which nothing can "
                "follow: leave out --prompt"
            )
        ids = ids[: len(ids) - len(ids) % group]
    return ids, _decode(codec, ids)


def stream_bytes(codec: Codec, prompt_ids: Sequence[int], ids: Iterable[int]) -> Iterator[bytes]:
    """The bytes that `ids` add to what `prompt_ids` stand for, as soon as they are certain.

    A static vocabulary gives each id's bytes at once. Windows are decoded as soon as their bits
    fill a whole group of ids; ids at the end that fill none are left out. Where an id can change
    the meaning of all that follows (arithmetic coding, gzip, windows whose model is not reset),
    everything comes at the end.

    Raises:
      UsageError: if the codec only encodes.
    """
    strings = codec.token_bytes()
    if strings is not None:
        yield from (strings[id_] for id_ in ids)
        return
    group = _group_size(codec)
    if group is not None and codec.rules.reset == "every":
        waiting: list[int] = []
        for id_ in ids:
            waiting.append(id_)
            if len(waiting) == group:
                yield _decode(codec, waiting)
                waiting = []
        return
    everything = [*prompt_ids, *ids]
    everything = everything[: len(everything) - len(everything) % (group or 1)]
    yield _decode(codec, everything)[len(_decode(codec, prompt_ids)) :]


def _group_size(codec: Codec) -> int | None:
    """Ids whose bits are whole windows; None for a codec without windows."""
    rules = getattr(codec, "rules", None)
    if rules is None:
        return None
    return math.lcm(rules.window_bits, codec.bits_per_token) // codec.bits_per_token


def _decode(codec: Codec, ids: Sequence[int]) -> bytes:
    if not ids:
        return b""
    try:
        return codec.decode([np.asarray(ids, np.int32)])[0]
    except EncodeOnlyError as error:
        raise UsageError(f"codec {codec.name} only encodes: no text can be generated") from error


def as_text(pieces: Iterable[bytes]) -> Iterator[str]:
    """UTF-8 pieces as text; a character split over pieces is kept together, a byte that belongs
    to none becomes a replacement sign."""
    decoder = text_codecs.getincrementaldecoder("utf-8")(errors="replace")
    for piece in pieces:
        yield decoder.decode(piece)
    yield decoder.decode(b"", final=True)
