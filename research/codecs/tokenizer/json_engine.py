"""A tokenizer.json at work: the ids of texts, and what its model alone makes of strings."""

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any

from research.codecs import tokenizer_json
from research.codecs.tokenizer_json import Strings

# A word longer than this is unknown to WordPiece; entries to decompose are far shorter.
_LONGEST_WORD = 1 << 16


class JsonEngine:
    """The `tokenizers` library behind a tokenizer.json.

    Args:
      spec: a parsed tokenizer.json, as the library writes it.
      entries: `tokenizer_json.strings(spec)`.
    """

    def __init__(self, spec: Mapping[str, Any], entries: Strings):
        self._spec = without_specials(spec, entries)
        self._library = tokenizer_json.library(json.dumps(self._spec).encode())
        self._original = tokenizer_json.library(json.dumps(spec).encode())
        self._models: tuple[Any, Any] | None = None

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The file's own ids; special tokens are never among them."""
        encoded = self._library.encode_batch_fast(list(texts), add_special_tokens=False)
        return [one.ids for one in encoded]

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """The library's text of ids, special tokens left out."""
        return self._original.decode_batch([list(one) for one in ids], skip_special_tokens=True)

    def split(self, words: Sequence[str], continued: bool = False) -> list[list[int]]:
        """What the model makes of each string: no normalizer, no pre-tokenizer, no added tokens.

        Args:
          continued: the strings go on within a word (WordPiece alone tells these apart).
        """
        if self._models is None:
            self._models = _models(self._spec)
        encoded = self._models[continued].encode_batch_fast(list(words), add_special_tokens=False)
        return [one.ids for one in encoded]


def without_specials(spec: Mapping[str, Any], entries: Strings) -> dict[str, Any]:
    """`spec` with special tokens named so that no text leads to them; ids stay as they are.

    Unigram and WordLevel models hold their special tokens among the entries, where the text "<s>"
    would find them although the library was told to take special tokens for text.
    """
    spec = copy.copy(dict(spec))
    model = dict(spec["model"])
    added = [dict(token) for token in spec.get("added_tokens") or ()]
    hidden = {
        token: f"\U0010fffe{id_}\U0010ffff"  # two code points that are no characters
        for token, id_ in tokenizer_json.vocabulary(spec)
        if entries.special[id_] and token
    }
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
    return spec | {"model": model, "added_tokens": added, "post_processor": None}


def _models(spec: Mapping[str, Any]) -> tuple[Any, Any]:
    """Tokenizers of nothing but the model: for strings that start a word, and for those within."""
    model = dict(spec["model"])
    if model["type"] == "BPE":
        model["dropout"] = None
    if model["type"] == "WordLevel":
        # Longest match from the left, where the model itself would only know whole words.
        model = {"type": "WordPiece", "vocab": model["vocab"], "unk_token": model["unk_token"]}
        model["continuing_subword_prefix"] = ""
    if model["type"] != "WordPiece":
        return (_bare(model),) * 2
    unknown, prefix = model["unk_token"], model["continuing_subword_prefix"]
    model["max_input_chars_per_word"] = _LONGEST_WORD
    if unknown not in model["vocab"]:
        free = max(model["vocab"].values(), default=-1) + 1
        model["vocab"] = model["vocab"] | {unknown: free}
    if not prefix:
        return (_bare(model),) * 2
    # Each "##x" under its own name and under "x": a string then begins with either kind.
    inner = {token: id_ for token, id_ in model["vocab"].items() if token.startswith(prefix)}
    plain = {token.removeprefix(prefix): id_ for token, id_ in inner.items()}
    last = {unknown: model["vocab"][unknown]}
    return _bare(model), _bare(model | {"vocab": plain | inner | last})


def _bare(model: Mapping[str, Any]):
    parts = ("normalizer", "pre_tokenizer", "post_processor", "decoder", "truncation", "padding")
    spec = {"version": "1.0", "added_tokens": [], "model": model} | dict.fromkeys(parts)
    return tokenizer_json.library(json.dumps(spec).encode())
