"""A tokenizer.json at work: the ids of texts, and what its model alone makes of strings."""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from research.tokenizers import tokenizer_json
from research.tokenizers.json_library import JsonLibrary
from research.tokenizers.tokenizer_json import SPACE, Strings

_AT_SPACES = re.compile(f"{SPACE}*[^{SPACE}]+|{SPACE}+")
_CROSSING = re.compile(f"[^{SPACE}]{SPACE}")
# A word longer than this is unknown to WordPiece; entries to decompose are far shorter.
_LONGEST_WORD = 1 << 16


class JsonEngine:
    """The `tokenizers` library behind a tokenizer.json.

    Args:
      spec: a parsed tokenizer.json, as the library writes it.
      entries: `tokenizer_json.strings(spec)`.
      library: the library's object for just that, if it is at hand.
    """

    def __init__(
        self, spec: Mapping[str, Any], entries: Strings, library: JsonLibrary | None = None
    ):
        self._original = library or JsonLibrary.of(spec)
        self._hidden = hidden(spec, entries)
        self._spec = without(spec, self._hidden)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The file's own ids; special tokens are never among them."""
        return self._library.encode(texts)

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """The library's text of ids, special tokens left out."""
        return self._original.decode(ids)

    def split(self, words: Sequence[str], continued: bool = False) -> list[list[int]]:
        """What the model makes of each string: no normalizer, no pre-tokenizer, no added tokens.

        Args:
          continued: the strings go on within a word (WordPiece alone tells these apart).
        """
        return self._models[continued].encode(words)

    def words(self, text: str) -> list[str]:
        """The strings that the model is given for a text: normalised, cut, in its own characters.

        Where there is no pre-tokenizer and no entry goes on over a space, cut before spaces: the
        pieces are the same.
        """
        words = self._library.words(text)
        if words is None:
            text = self._library.normalized(text)
            words = [text] if text else []
        if self._crosses:
            return words
        return [part for word in words for part in _AT_SPACES.findall(word)]

    @cached_property
    def spec(self) -> Mapping[str, Any]:
        """The tokenizer.json, parsed, as the library writes it."""
        return self._original.spec()

    @cached_property
    def _crosses(self) -> bool:
        if not tokenizer_json.exchanges_spaces(self._spec):
            return True
        entries = tokenizer_json.vocabulary(self._spec)
        return any(_CROSSING.search(token) for token, _ in entries)

    @cached_property
    def _library(self) -> JsonLibrary:
        return JsonLibrary.of(self._spec) if self._hidden else self._original

    @cached_property
    def _models(self) -> tuple[JsonLibrary, JsonLibrary]:
        return _models(self._spec)


def hidden(spec: Mapping[str, Any], entries: Strings) -> dict[str, str]:
    """Another name, which no text leads to, for each special token that a text might lead to.

    Unigram and WordLevel models hold their special tokens among the entries, where the text "<s>"
    would find them although the library was told to take special tokens for text. A BPE finds
    only what its merges make.
    """
    model = spec["model"]
    merged = None
    if model["type"] == "BPE" and not model.get("ignore_merges"):
        merged = {"".join(pair) for pair in model["merges"]}
    return {
        token: f"\U0010fffe{id_}\U0010ffff"  # two code points that are not characters
        for token, id_ in tokenizer_json.vocabulary(spec)
        if token and entries.special[id_] and (merged is None or token in merged or len(token) == 1)
    }


def without(spec: Mapping[str, Any], hidden: Mapping[str, str]) -> dict[str, Any]:
    """`spec` with those tokens renamed and out of the merges; ids stay as they are."""
    model = dict(spec["model"])
    added = [dict(token) for token in spec.get("added_tokens") or ()]
    entry = model["vocab"]
    if isinstance(entry, dict):
        model["vocab"] = {hidden.get(token, token): id_ for token, id_ in entry.items()}
    else:
        model["vocab"] = [[hidden.get(token, token), score] for token, score in entry]
    if "merges" in model:
        model["merges"] = [
            pair for pair in model["merges"] if not {*pair, "".join(pair)} & hidden.keys()
        ]
    if model.get("unk_token") in hidden:
        model["unk_token"] = hidden[model["unk_token"]]
    for token in added:
        token["content"] = hidden.get(token["content"], token["content"])
    return dict(spec) | {"model": model, "added_tokens": added, "post_processor": None}


def _models(spec: Mapping[str, Any]) -> tuple[JsonLibrary, JsonLibrary]:
    """Tokenizers of nothing but the model: for strings that start a word, and for those within."""
    model = dict(spec["model"])
    if model["type"] == "BPE":
        model["dropout"] = None
    if model["type"] == "WordLevel":
        # Longest match from the left, where the model itself would only know whole words.
        model = {"type": "WordPiece", "vocab": model["vocab"], "unk_token": model["unk_token"]}
        model["continuing_subword_prefix"] = ""
    if model["type"] != "WordPiece":
        bare = _bare(model)
        return bare, bare
    unknown, prefix = model["unk_token"], model["continuing_subword_prefix"]
    model["max_input_chars_per_word"] = _LONGEST_WORD
    if unknown not in model["vocab"]:
        free = max(model["vocab"].values(), default=-1) + 1
        model["vocab"] = model["vocab"] | {unknown: free}
    if not prefix:
        bare = _bare(model)
        return bare, bare
    # Each "##x" under its own name and under "x": a string then begins with either kind.
    inner = {token: id_ for token, id_ in model["vocab"].items() if token.startswith(prefix)}
    plain = {token.removeprefix(prefix): id_ for token, id_ in inner.items()}
    last = {unknown: model["vocab"][unknown]}
    return _bare(model), _bare(model | {"vocab": plain | inner | last})


def _bare(model: Mapping[str, Any]) -> JsonLibrary:
    parts = ("normalizer", "pre_tokenizer", "post_processor", "decoder", "truncation", "padding")
    spec = {"version": "1.0", "added_tokens": [], "model": model} | dict.fromkeys(parts)
    return JsonLibrary.of(spec)
