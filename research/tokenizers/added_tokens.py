"""Tokens that stand next to a tokenizer's model: those that transformers adds when it opens a
folder, and the text behind those that are no special tokens.

What a folder's tokenizer is, transformers decides from all its files: tokens that the tokenizer's
own file lacks get the next free ids. So they are part of the vocabulary, and need rows.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from research.errors import FreevocabError
from research.tokenizers import folder, roles
from research.tokenizers.folder import Files
from research.tokenizers.json_library import JsonLibrary
from research.tokenizers.tokenizer_json import (
    SPACE,
    AddedTexts,
    byte_alphabet,
    exchanges_spaces,
    is_byte_level,
)

# In the order in which transformers goes through them.
_ROLES = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
_LISTS = ("additional_special_tokens", "extra_special_tokens")
_FLAGS = ("lstrip", "rstrip", "single_word")


class Listed(NamedTuple):
    """A token that a file lists."""

    content: str
    special: bool
    flags: Mapping[str, bool]
    """lstrip, rstrip, single_word, where they are said."""
    id_: int | None
    """The id that the file gives it; None where it only names the token."""
    file: str
    """Its name, for messages."""


def listed(beside: Files) -> list[Listed]:
    """Every token that the files next to a tokenizer name, in the order in which transformers (5,
    and 4 from 4.34 on) adds those that the tokenizer lacks.

    First come tokens with ids, by id: "added_tokens_decoder" of tokenizer_config.json, or where
    that has none added_tokens.json. Then the roles, then the lists of further special tokens;
    special_tokens_map.json is only asked where tokenizer_config.json has no added_tokens_decoder.

    Raises:
      FreevocabError: a file is damaged.
    """
    config = folder.parsed(beside, folder.CONFIG) or {}
    config_file, numbered = folder.CONFIG, []
    if "added_tokens_decoder" in config:
        decoder = config["added_tokens_decoder"] or {}
        for id_, token in sorted((int(i), token) for i, token in decoder.items()):
            flags = {name: bool(token.get(name)) for name in _FLAGS}
            special = bool(token.get("special"))
            numbered.append(Listed(token["content"], special, flags, id_, folder.CONFIG))
    else:
        more = folder.parsed(beside, folder.SPECIAL_MAP) or {}
        config_file = folder.CONFIG if not more else f"{folder.CONFIG} or {folder.SPECIAL_MAP}"
        config = config | more
    named = _named(config, config_file)
    if not numbered and "added_tokens_decoder" not in config:
        special = {token.content for token in named}
        added = folder.parsed(beside, folder.ADDED) or {}
        for content, id_ in sorted(added.items(), key=lambda item: item[1]):
            numbered.append(Listed(content, content in special, {}, int(id_), folder.ADDED))
    return [*numbered, *named]


def _named(config: Mapping[str, Any], file: str) -> list[Listed]:
    tokens = [config.get(f"{role}_token") for role in _ROLES]
    for name in _LISTS:
        more = config.get(name) or []
        tokens += list(more.values()) if isinstance(more, Mapping) else list(more)
    out = {}
    for token in tokens:
        content = roles.written(token)
        if content:
            given = token if isinstance(token, Mapping) else {}
            flags = {name: bool(given.get(name)) for name in _FLAGS}
            out.setdefault(content, Listed(content, True, flags, None, file))
    return list(out.values())


def add(library: JsonLibrary, beside: Files) -> bool:
    """Adds what `listed` names and the tokenizer lacks; was there any?

    Raises:
      FreevocabError: a file gives a token another id than it has, or gets.
    """
    size = library.vocab_size()
    for token in listed(beside):
        if library.id_of(token.content) is None:
            library.add(token.content, special=token.special, **token.flags)
        own = library.id_of(token.content)
        if token.id_ is not None and own != token.id_:
            raise FreevocabError(
                f"{token.file} beside it gives {token.content!r} the id {token.id_}, "
                f"the tokenizer {own}"
            )
    return library.vocab_size() != size


def check_ids(given: Mapping[str, Any], library: JsonLibrary) -> None:
    """Raises FreevocabError if a parsed tokenizer.json states ids that its reader does not give."""
    for token in given.get("added_tokens") or ():
        content, id_ = token["content"], token["id"]
        own = library.id_of(content)
        if content and own != id_:
            raise FreevocabError(
                f"the tokenizer.json gives {content!r} the id {id_}, its readers {own}: "
                "save it again with a token for every id"
            )


def texts(library: JsonLibrary, spec: Mapping[str, Any]) -> AddedTexts:
    """The text of each added token of a parsed tokenizer.json that is no special one.

    A token may be written as it stands in texts, or in the model's characters (U+2581 or GPT-2's
    letters): people extend vocabularies with both. Where these differ, it is tried out.
    """
    level, spaced = is_byte_level(spec), exchanges_spaces(spec)
    alphabet = byte_alphabet()
    bytes_of, ambiguous = {}, False
    for token in spec.get("added_tokens") or ():
        content, id_ = token["content"], token["id"]
        if token["special"]:
            continue
        bytes_of[id_] = content.encode()
        if level and all(character in alphabet for character in content):
            inner = bytes(alphabet[character] for character in content)
            if inner != bytes_of[id_] and _leads_to(library, inner, id_):
                ambiguous |= _leads_to(library, bytes_of[id_], id_)
                bytes_of[id_] = inner
        elif spaced and not level:
            # U+2581 in a text means a space wherever spaces are written so.
            bytes_of[id_] = content.replace(SPACE, " ").encode()
    return AddedTexts(bytes_of, ambiguous)


def _leads_to(library: JsonLibrary, text: bytes, id_: int) -> bool:
    try:
        string = text.decode()
    except UnicodeDecodeError:
        return False
    tries = [f"x{string}", f"x {string}", string]
    return any(id_ in ids for ids in library.encode(tries))
