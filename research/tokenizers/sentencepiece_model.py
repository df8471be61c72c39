"""Reads what decides about loss out of a serialised sentencepiece model (a protocol buffer).

Field numbers are those of sentencepiece_model.proto. Reading them here spares a dependency on
protobuf's runtime, whose versions clash easily.
"""

import dataclasses
import struct
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

from research.errors import FreevocabError
from research.tokenizers.tokenizer_json import SPACE, Strings

UNIGRAM, BPE = 1, 2
NORMAL, UNKNOWN, CONTROL, USER_DEFINED = 1, 2, 3, 4  # of those of the .proto


@dataclasses.dataclass(frozen=True)
class Normalization:
    """What a model does to text before it cuts it (defaults as in the .proto)."""

    model_type: int = UNIGRAM
    byte_fallback: bool = False
    character_map: bytes = b""
    """Compiled; empty if it maps nothing."""
    add_dummy_prefix: bool = True
    remove_extra_whitespaces: bool = True
    escape_whitespaces: bool = True

    @property
    def is_identity(self) -> bool:
        """True if the pieces, joined, are the text (with byte ids for what no piece covers)."""
        return (
            self.model_type in (UNIGRAM, BPE)
            and self.byte_fallback
            and self.escape_whitespaces
            and not (self.character_map or self.add_dummy_prefix or self.remove_extra_whitespaces)
        )


def normalization(model: bytes) -> Normalization:
    """Parses a .model file's bytes.

    Raises:
      FreevocabError: not a serialised sentencepiece model.
    """
    fields: dict[str, Any] = {}
    for number, value in _fields(model):
        if number == 2:
            for inner, setting in _fields(_message(value)):
                if inner == 3:
                    fields["model_type"] = int(setting)
                elif inner == 35:
                    fields["byte_fallback"] = bool(setting)
        elif number == 3:
            names = {3: "add_dummy_prefix", 4: "remove_extra_whitespaces", 5: "escape_whitespaces"}
            for inner, setting in _fields(_message(value)):
                if inner == 2:
                    fields["character_map"] = _message(setting)
                elif inner in names:
                    fields[names[inner]] = bool(setting)
    return Normalization(**fields)


class Piece(NamedTuple):
    """As written (U+2581 for a space), its log probability or minus its rank, its kind."""

    text: str
    score: float
    kind: int


def pieces(model: bytes) -> list[Piece]:
    """Every entry of a .model file's bytes, by id.

    Raises:
      FreevocabError: not a serialised sentencepiece model.
    """
    read = []
    for number, value in _fields(model):
        if number == 1:
            fields = {2: 0.0, 3: NORMAL} | dict(_fields(_message(value), floats=True))
            try:
                text = _message(fields.get(1, b"")).decode()
            except UnicodeDecodeError as error:
                raise damaged() from error
            read.append(Piece(text, float(fields[2]), int(fields[3])))
    return read


def _message(value: int | float | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise damaged()
    return value


def _fields(data: bytes, floats: bool = False) -> Iterator[tuple[int, int | float | bytes]]:
    """(field number, value) pairs; of fixed-width numbers only floats, and those if asked for."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        wire = key & 7
        if wire == 0:
            value, position = _varint(data, position)
            yield key >> 3, value
        elif wire == 2:
            length, position = _varint(data, position)
            if position + length > len(data):
                raise damaged()
            yield key >> 3, data[position : position + length]
            position += length
        elif wire in (1, 5):
            width = 8 if wire == 1 else 4
            if floats and wire == 5 and position + width <= len(data):
                yield key >> 3, struct.unpack_from("<f", data, position)[0]
            position += width
        else:
            raise damaged()


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data):
        byte = data[position]
        value |= (byte & 127) << shift
        position += 1
        if byte < 128:
            return value, position
        shift += 7
    raise damaged()


def damaged() -> FreevocabError:
    """The error for bytes that are not a model."""
    return FreevocabError("not a sentencepiece model, or a damaged one")


def library():
    """The package, without its warnings."""
    with warnings.catch_warnings():
        # Its SWIG types have no __module__, which Python 3.12 remarks upon.
        warnings.simplefilter("ignore", DeprecationWarning)
        import sentencepiece
    return sentencepiece


def processor(model: bytes):
    """sentencepiece's own object for a serialised model.

    Raises:
      FreevocabError: not a sentencepiece model.
    """
    try:
        opened = library().SentencePieceProcessor(model_proto=model)
    except RuntimeError as error:
        raise damaged() from error
    if not model or not opened.vocab_size():
        raise damaged()
    return opened


def token_bytes(processor, id_: int) -> bytes:
    """What a piece stands for; nothing if it is a control piece or the unknown one."""
    piece = processor.id_to_piece(id_)
    if processor.is_control(id_) or processor.is_unknown(id_):
        return b""
    if processor.is_byte(id_):
        return bytes([int(piece[1:-1], 16)])
    return piece.replace(SPACE, " ").encode()


def entries(model: bytes, processor: Any) -> Strings:
    """The pieces of a serialised model, and of its `processor`, as bytes."""
    rules = normalization(model)
    ids = range(processor.vocab_size())
    tokens = [token_bytes(processor, id_) for id_ in ids]
    byte_ids: list[int | None] = [None] * 256
    for id_ in ids:
        if processor.is_byte(id_):
            byte_ids[tokens[id_][0]] = id_
    return Strings(
        tokens=tokens,
        special=[not token for token in tokens],
        starts_word=[token.startswith(b" ") for token in tokens],
        byte_ids=byte_ids,
        reserved=SPACE,
        byte_level=False,
        prefix=rules.add_dummy_prefix,
        drops_spaces=False,
        exact=rules.escape_whitespaces
        and not (rules.character_map or rules.remove_extra_whitespaces),
        lossless=rules.is_identity and None not in byte_ids,
    )
