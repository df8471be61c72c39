"""What a tokenizer.json (of the `tokenizers` library) says about the bytes behind its ids."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from research.errors import FreevocabError

SPACE = "\u2581"
# Ids from here on are refused: lists as long as the largest id are made of them.
MAX_ID = 1 << 24
# Pre-tokenizers that take white space away instead of writing it into the tokens.
_REMOVING = ("Whitespace", "WhitespaceSplit", "BertPreTokenizer", "CharDelimiterSplit")


def byte_characters() -> list[str]:
    """GPT-2's printable character for every byte: visible Latin-1 stands for itself."""
    visible = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(byte if byte in visible else next(others)) for byte in range(256)]


def byte_alphabet() -> dict[str, int]:
    """The byte of each of `byte_characters`."""
    return {character: byte for byte, character in enumerate(byte_characters())}


@dataclasses.dataclass(frozen=True)
class Strings:
    """The byte strings of a tokenizer's ids, and whether text comes back from them."""

    tokens: list[bytes]
    """Bytes of each id; b"" for special tokens and for ids that no token has. The mark of a
    continued word ("##") is not part of them."""

    special: list[bool]
    """For each id, whether it is a special token, the unknown one, or nothing at all."""

    starts_word: list[bool]
    """For each id, whether words start with it: after a space that is its own first byte, or that
    the tokenizer takes away."""

    byte_ids: list[int | None]
    """The id of each single byte, None where there is none."""

    reserved: str
    """Characters that the tokenizer takes for something else."""

    byte_level: bool
    """Tokens are written in `byte_alphabet`."""

    prefix: bool
    """A space is put before each text."""

    drops_spaces: bool
    """Spaces between words are in no token."""

    exact: bool
    """Wherever all of a text is known, the strings of its ids, joined, are the text (after one
    space if `prefix`)."""

    lossless: bool
    """Joined, the strings of any text's ids are the text."""

    def byte_ids_256(self) -> np.ndarray:
        """`byte_ids` as int32 [256], -1 where there is none."""
        return np.array([-1 if id_ is None else id_ for id_ in self.byte_ids], np.int32)


class AddedTexts(NamedTuple):
    """What added tokens that are no special ones stand for."""

    bytes_of: Mapping[int, bytes]
    """The text, by id."""
    ambiguous: bool
    """One of them stands for two texts, so that ids do not say which it was."""


def strings(spec: Mapping[str, Any], added_texts: AddedTexts | None = None) -> Strings:
    """Reads a parsed tokenizer.json, as the library writes it (older files leave parts out).

    Exact for byte-level tokenizers, and where nothing but spaces is exchanged (Metaspace, or a
    plain replacement); of any other the strings are the tokens as decoded.

    Args:
      added_texts: what added tokens stand for; None: what is written.

    Raises:
      FreevocabError: a model without a vocabulary, or an empty one.
    """
    model = spec["model"]
    if not isinstance(model.get("vocab"), dict | list):
        raise FreevocabError(f"the {model.get('type')} model of the tokenizer.json has no entries")
    level = is_byte_level(spec)
    spaced = exchanges_spaces(spec)
    fallback = bool(model.get("byte_fallback"))
    continued = continuing_prefix(spec)
    suffix = model.get("end_of_word_suffix") or ""
    drops = _drops_spaces(spec)
    added = {token["id"]: token for token in spec.get("added_tokens") or ()}
    texts = {} if added_texts is None else added_texts.bytes_of
    unknown = unknown_id(spec)
    entries = [entry for entry in vocabulary(spec) if entry[1] not in added]
    size = max([*added, *(id_ for _, id_ in entries)], default=-1) + 1
    if not size:
        raise FreevocabError("the tokenizer.json has no entries")
    tokens, special, starts = [b""] * size, [True] * size, [False] * size
    byte_ids: list[int | None] = [None] * 256
    alphabet = byte_alphabet()
    for token, id_ in entries:
        if id_ == unknown:
            continue
        inner = bool(continued) and token.startswith(continued)
        plain = token.removeprefix(continued).removesuffix(suffix) or token
        if level and all(character in alphabet for character in plain):
            tokens[id_] = bytes(alphabet[character] for character in plain)
            is_byte = len(tokens[id_]) == 1
        elif fallback and len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
            tokens[id_] = bytes.fromhex(token[3:5])
            is_byte = True
        else:
            tokens[id_] = (plain.replace(SPACE, " ") if spaced else plain).encode()
            is_byte = False
        if is_byte and not inner:
            byte_ids[tokens[id_][0]] = id_
        special[id_] = not tokens[id_]
        said = bool(continued) or model.get("type") == "WordLevel"
        starts[id_] = tokens[id_].startswith(b" ") or (drops and said and not inner)
    for id_, token in added.items():
        special[id_] = bool(token["special"])
        tokens[id_] = b"" if token["special"] else texts.get(id_, token["content"].encode())
        starts[id_] = tokens[id_].startswith(b" ")
    prefix = _has_prefix(spec)
    keeps = _keeps_byte_level(spec) if level else _keeps_metaspace(spec)
    exact = (
        keeps
        and not continued
        and not suffix
        and not (added_texts is not None and added_texts.ambiguous)
        and not any(
            token["lstrip"] or token["rstrip"] for token in added.values() if not token["special"]
        )
    )
    # A Unigram with byte fallback takes the text "<0x41>" for the byte.
    whole = model.get("type") == "BPE" or (model.get("type") == "Unigram" and level)
    known = whole and None not in byte_ids
    return Strings(
        tokens=tokens,
        special=special,
        starts_word=starts,
        byte_ids=byte_ids,
        reserved="" if level else SPACE,
        byte_level=level,
        prefix=prefix,
        drops_spaces=drops,
        exact=exact,
        lossless=exact and known and not prefix,
    )


def check_ids(content: bytes) -> None:
    """Refuses a tokenizer.json with ids from `MAX_ID` on, or with one id for two entries.

    Content that is not of that form is left to the library, which says what is wrong with it.

    Raises:
      FreevocabError: names the entry.
    """
    try:
        spec = json.loads(content)
        entries = spec["model"]["vocab"]
        model = list(entries.items()) if isinstance(entries, dict) else []
        added = [(token["content"], token["id"]) for token in spec.get("added_tokens") or ()]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return
    token_of: dict[int, str] = {}
    for token, id_ in [*model, *added]:
        if not isinstance(id_, int):
            continue
        if id_ >= MAX_ID:
            raise FreevocabError(
                f"the entry {token!r} of the tokenizer.json has id {id_}: ids are below {MAX_ID:,}"
            )
        if token_of.setdefault(id_, token) != token:
            raise FreevocabError(
                f"the entries {token_of[id_]!r} and {token!r} of the tokenizer.json both have id "
                f"{id_}: give each its own"
            )


def vocabulary(spec: Mapping[str, Any]) -> list[tuple[str, int]]:
    """(token, id) of every entry of the model, in the order of the file."""
    entries = spec["model"]["vocab"]
    if isinstance(entries, dict):
        return [*entries.items()]
    return [(token, id_) for id_, (token, _) in enumerate(entries)]


def unknown_id(spec: Mapping[str, Any]) -> int | None:
    """The id that the model gives to what it does not know, if it has one."""
    model = spec["model"]
    if isinstance(model["vocab"], list):
        return model.get("unk_id")
    return model["vocab"].get(model.get("unk_token"))


def roles(spec: Mapping[str, Any]) -> dict[str, int]:
    """Roles that a tokenizer.json states: sep and cls of BERT-like ones, unk of the model."""
    out: dict[str, int] = {}
    unknown = unknown_id(spec)
    if unknown is not None:
        out["unk"] = unknown
    step = spec.get("post_processor") or {}
    if step.get("type") in ("BertProcessing", "RobertaProcessing"):
        out |= {role: step[role][1] for role in ("sep", "cls")}
    return out


def continuing_prefix(spec: Mapping[str, Any]) -> str:
    """What marks an entry that goes on within a word ("##"); "" if nothing does."""
    return spec["model"].get("continuing_subword_prefix") or ""


def is_byte_level(spec: Mapping[str, Any]) -> bool:
    """True if tokens are written in `byte_alphabet`."""
    parts = ("normalizer", "pre_tokenizer", "decoder")
    return any(step["type"] == "ByteLevel" for part in parts for step in steps(spec, part))


def exchanges_spaces(spec: Mapping[str, Any]) -> bool:
    """True if U+2581 in a token stands for a space."""
    for part in ("normalizer", "pre_tokenizer", "decoder"):
        for step in steps(spec, part):
            if step["type"] == "Metaspace" and step.get("replacement") == SPACE:
                return True
            pair = [(step.get("pattern") or {}).get("String"), step.get("content")]
            if step["type"] == "Replace" and sorted(map(str, pair)) == [" ", SPACE]:
                return True
    return False


def steps(spec: Mapping[str, Any], part: str) -> Iterator[Mapping[str, Any]]:
    """The steps of a normalizer, pre_tokenizer or decoder, sequences laid flat."""
    pending = [spec.get(part)]
    while pending:
        step = pending.pop(0)
        if step is None:
            continue
        if step["type"] == "Sequence":
            inner = {"normalizer": "normalizers", "pre_tokenizer": "pretokenizers"}
            pending = [*step[inner.get(part, "decoders")], *pending]
        else:
            yield step


def _has_prefix(spec: Mapping[str, Any]) -> bool:
    if any(step["type"] == "Prepend" for step in steps(spec, "normalizer")):
        return True
    return any(
        (step["type"] == "ByteLevel" and bool(step.get("add_prefix_space")))
        or (step["type"] == "Metaspace" and step.get("prepend_scheme", "always") != "never")
        for step in steps(spec, "pre_tokenizer")
    )


def _drops_spaces(spec: Mapping[str, Any]) -> bool:
    taken = written = False
    for step in steps(spec, "pre_tokenizer"):
        taken |= step["type"] in _REMOVING or step.get("behavior") == "Removed"
        written |= step["type"] == "Metaspace" or bool(step.get("add_prefix_space"))
    return taken and not written


def _keeps_byte_level(spec: Mapping[str, Any]) -> bool:
    normalizers = [step["type"] for step in steps(spec, "normalizer")]
    cutters = [*steps(spec, "pre_tokenizer")]
    others = [step for step in cutters if step["type"] != "ByteLevel"]
    once = normalizers + [step["type"] for step in cutters if step["type"] == "ByteLevel"]
    return once == ["ByteLevel"] and _only_split(others)


def _keeps_metaspace(spec: Mapping[str, Any]) -> bool:
    if not exchanges_spaces(spec):
        return False
    exchanged = False
    for step in steps(spec, "normalizer"):
        if step["type"] == "Prepend" and step.get("prepend") in (" ", SPACE):
            continue
        exchange = step.get("pattern") == {"String": " "} and step.get("content") == SPACE
        if step["type"] != "Replace" or not exchange:
            return False
        exchanged = True
    cutters = [*steps(spec, "pre_tokenizer")]
    spaced = [step for step in cutters if step["type"] == "Metaspace"]
    others = [step for step in cutters if step["type"] != "Metaspace"]
    return (
        (exchanged or bool(spaced))
        and all(step.get("replacement") == SPACE for step in spaced)
        and _only_split(others)
    )


def _only_split(cutters: list[Mapping[str, Any]]) -> bool:
    """True if these pre-tokenizers cut the text and take nothing away."""
    cutting = ("Split", "Digits", "Punctuation", "UnicodeScripts", "FixedLength")
    return all(step["type"] in cutting and step.get("behavior") != "Removed" for step in cutters)
