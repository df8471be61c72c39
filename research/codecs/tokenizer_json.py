"""What a tokenizer.json (of the `tokenizers` library) says about the bytes behind its ids."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from research.errors import FreevocabError

SPACE = "\u2581"


def byte_alphabet() -> dict[str, int]:
    """GPT-2's printable character for every byte: visible Latin-1 stands for itself."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in visible]
    alphabet = {chr(byte): byte for byte in visible}
    return alphabet | {chr(256 + rank): byte for rank, byte in enumerate(others)}


@dataclasses.dataclass(frozen=True)
class Strings:
    """The byte strings of a tokenizer's ids, and whether text comes back from them.

    Attributes:
      tokens: bytes of each id; b"" for special tokens and for ids that no token has.
      byte_ids: the id of each single byte, None where there is none.
      reserved: characters that the tokenizer takes for something else.
      prefix: a space is put before each text.
      lossless: joined, the strings of a text's ids are the text.
    """

    tokens: list[bytes]
    byte_ids: list[int | None]
    reserved: str
    prefix: bool
    lossless: bool


def strings(spec: Mapping[str, Any]) -> Strings:
    """Reads a parsed tokenizer.json.

    Exact for byte-level tokenizers, and for byte fallback with Metaspace or a plain exchange of
    spaces; of any other the strings are the tokens as written, and it is lossy.

    Raises:
      FreevocabError: a model whose vocabulary is not a mapping from token to id.
    """
    model = spec["model"]
    vocabulary = model.get("vocab")
    if not isinstance(vocabulary, dict):
        raise FreevocabError(f"a {model.get('type')} tokenizer.json cannot be used here, only BPE")
    alphabet = byte_alphabet()
    level = any(step["type"] == "ByteLevel" for step in _steps(spec, "decoder"))
    fallback = bool(model.get("byte_fallback"))
    added = {token["id"]: token for token in spec.get("added_tokens") or ()}
    tokens = [b""] * (max([*vocabulary.values(), *added], default=-1) + 1)
    byte_ids: list[int | None] = [None] * 256
    for token, id_ in vocabulary.items():
        if id_ in added:
            continue
        if level and all(character in alphabet for character in token):
            tokens[id_] = bytes(alphabet[character] for character in token)
            is_byte = len(tokens[id_]) == 1
        elif fallback and len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
            tokens[id_] = bytes.fromhex(token[3:5])
            is_byte = True
        else:
            tokens[id_] = (token if level else token.replace(SPACE, " ")).encode()
            is_byte = False
        if is_byte:
            byte_ids[tokens[id_][0]] = id_
    for id_, token in added.items():
        tokens[id_] = b"" if token["special"] else token["content"].encode()
    prefix = _has_prefix(spec)
    plain = (
        model.get("type") == "BPE"
        and not model.get("dropout")
        and not model.get("continuing_subword_prefix")
        and not model.get("end_of_word_suffix")
        and not any(token["lstrip"] or token["rstrip"] for token in added.values())
        and not prefix
        and None not in byte_ids
    )
    keeps = _keeps_byte_level(spec) if level else fallback and _keeps_metaspace(spec)
    reserved = "" if level else SPACE
    return Strings(tokens, byte_ids, reserved, prefix, plain and keeps)


def _steps(spec: Mapping[str, Any], part: str) -> Iterator[Mapping[str, Any]]:
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
    normalizers = [*_steps(spec, "normalizer")]
    if any(step["type"] == "Prepend" for step in normalizers):
        return True
    for step in _steps(spec, "pre_tokenizer"):
        if step["type"] == "ByteLevel" and step.get("add_prefix_space"):
            return True
        if step["type"] == "Metaspace" and step.get("prepend_scheme", "always") != "never":
            return True
    return False


def _keeps_byte_level(spec: Mapping[str, Any]) -> bool:
    if any(True for _ in _steps(spec, "normalizer")):
        return False
    steps = [*_steps(spec, "pre_tokenizer")]
    return bool(steps) and steps[-1]["type"] == "ByteLevel" and _only_split(steps[:-1])


def _keeps_metaspace(spec: Mapping[str, Any]) -> bool:
    for step in _steps(spec, "normalizer"):
        exchange = step.get("pattern") == {"String": " "} and step.get("content") == SPACE
        if step["type"] != "Replace" or not exchange:
            return False
    steps = [*_steps(spec, "pre_tokenizer")]
    spaced = [step for step in steps if step["type"] == "Metaspace"]
    exchanged = bool(spaced) or any(True for _ in _steps(spec, "normalizer"))
    others = [step for step in steps if step["type"] != "Metaspace"]
    return (
        exchanged
        and all(step.get("replacement") == SPACE for step in spaced)
        and _only_split(others)
    )


def _only_split(steps: list[Mapping[str, Any]]) -> bool:
    """True if these pre-tokenizers cut the text and take nothing away."""
    for step in steps:
        if step["type"] not in ("Split", "Digits", "Punctuation", "ByteLevel", "UnicodeScripts"):
            return False
        if step.get("behavior") == "Removed":
            return False
    return sum(step["type"] == "ByteLevel" for step in steps) == 0
