"""A sentencepiece .model at work, and as a tokenizer.json with the same ids."""

import base64
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from research.errors import FreevocabError
from research.tokenizers import sentencepiece_model, tokenizer_json
from research.tokenizers.json_engine import JsonEngine
from research.tokenizers.json_library import JsonLibrary
from research.tokenizers.sentencepiece_model import (
    BPE,
    CONTROL,
    NORMAL,
    UNIGRAM,
    UNKNOWN,
    USER_DEFINED,
    Piece,
)
from research.tokenizers.tokenizer_json import SPACE, Strings

# A normalizer_spec that changes nothing. Appended to a serialised model its fields overrule those
# of the model: no character map, no dummy prefix, all white space kept, spaces written as U+2581.
_IDENTITY = bytes([0x12, 0, 0x18, 0, 0x20, 0, 0x28, 1])
_OWN = ("bos", "eos", "unk", "pad")
_OWN_LOOKED_AT = 5  # symbols of the user's own; there may be thousands, all alike
_LOOKS = [
    "", " ", "a", " a", "a  b ", "\n a\tb\r\n", "The year 1984: \u201cone\u201d, two \u2026 #3!",
    "na\u00efve \u00bd \ufb01 \uff21 e\u0301 \u00df \u0130", "\u4e2d\u6587 \u0440\u0443 \u05d0 "
    "\u0928\u092e\u0938\u094d\u0924\u0947", "\U0001f98a\u200d\u2764\ufe0f!", "aaaaaaa  aaaa",
    "\u2581x\u2581 y", "\x00\x01 \u00a0 \u3000z",
]  # fmt: skip


class SentencePieceEngine:
    """`sentencepiece` behind a .model.

    Raises:
      FreevocabError: not a sentencepiece model.
    """

    def __init__(self, model: bytes):
        self._processor = sentencepiece_model.processor(model)
        self._model = model

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The model's own ids."""
        return self._processor.encode(list(texts))

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """The library's text of ids."""
        return self._processor.decode([list(one) for one in ids])

    def split(self, words: Sequence[str], continued: bool = False) -> list[list[int]]:
        """What the model makes of each string, without its normaliser."""
        return self._bare.encode(list(words))

    @cached_property
    def _bare(self):
        bare = self._model + bytes([0x1A, len(_IDENTITY)]) + _IDENTITY
        return sentencepiece_model.processor(bare)

    def words(self, text: str) -> list[str]:
        """The strings that the model is given for a text, as the equal tokenizer.json has them."""
        return self._twin.words(text)

    @property
    def spec(self) -> Mapping[str, Any]:
        """The equal tokenizer.json, parsed."""
        return self._twin.spec

    @cached_property
    def _twin(self) -> JsonEngine:
        spec = exact_tokenizer_json(self._model)
        return JsonEngine(spec, tokenizer_json.strings(spec))

    def entries(self) -> Strings:
        """The pieces as bytes."""
        return sentencepiece_model.entries(self._model, self._processor)

    def special_names(self) -> dict[int, str]:
        """Control pieces and the unknown one, by id."""
        kinds = (self._processor.is_control, self._processor.is_unknown)
        return {id_: piece for piece, id_ in self.ids().items() if any(is_(id_) for is_ in kinds)}

    def ids(self) -> dict[str, int]:
        """Every piece by how it is written."""
        return {self._processor.id_to_piece(i): i for i in range(self._processor.vocab_size())}

    def roles(self) -> dict[str, int]:
        """The pieces that the model itself names."""
        named = {role: getattr(self._processor, f"{role}_id")() for role in _OWN}
        return {role: id_ for role, id_ in named.items() if id_ >= 0}


def exact_tokenizer_json(model: bytes) -> dict[str, Any]:
    """As `as_tokenizer_json`, checked: it must give the ids that the model gives.

    Raises:
      FreevocabError: as `as_tokenizer_json`; or the ids differ.
    """
    spec = as_tokenizer_json(model)
    unigram = spec["model"]["type"] == "Unigram"
    texts = looks(model)
    theirs = JsonLibrary.of(spec).encode(texts)
    ours = sentencepiece_model.processor(model).encode(texts)
    for text, one, other in zip(texts, ours, theirs, strict=True):
        # The same pieces in another order are a Unigram's tie.
        same = sorted(one) == sorted(other) if unigram else one == other
        if not same:
            raise FreevocabError(
                "this sentencepiece model has no exact tokenizer.json: ids differ for "
                f"{text[:20]!r}"
            )
    return spec


def as_tokenizer_json(model: bytes) -> dict[str, Any]:
    """The parsed tokenizer.json of a Unigram or BPE model.

    A Unigram model takes over its scores. A BPE of sentencepiece joins any two neighbours whose
    joint string is an entry, the best score first: each way to cut an entry in two is a merge
    here, in the order of the scores.

    Where two ways to cut are equally good in exact arithmetic (runs of one character, mostly),
    sentencepiece's single precision and the reader's double may choose differently.

    Raises:
      FreevocabError: another kind of model, or a damaged one.
    """
    rules = sentencepiece_model.normalization(model)
    entries = sentencepiece_model.pieces(model)
    if rules.model_type not in (UNIGRAM, BPE) or not rules.escape_whitespaces:
        raise FreevocabError("a sentencepiece model of this kind has no tokenizer.json")
    model_of = _unigram if rules.model_type == UNIGRAM else _bpe
    decoders: list[dict[str, Any]] = [
        {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ]
    if rules.add_dummy_prefix:
        decoders.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": _added(entries),
        "normalizer": {"type": "Sequence", "normalizers": _normalizers(rules)},
        "pre_tokenizer": _pre_tokenizer(entries, rules.model_type),
        "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": decoders},
        "model": model_of(entries, rules.byte_fallback),
    }


def looks(model: bytes) -> list[str]:
    """Texts on which to compare the two: all entries, and what normalisers trip over."""
    entries = sentencepiece_model.pieces(model)
    words = [e.text.replace(SPACE, " ") for e in entries if e.kind == NORMAL]
    # Neighbours by a stride that mixes common entries with rare ones.
    mixed = words[::2] + words[1::2]
    own = [text.replace(SPACE, " ") for text in _own_symbols(entries)][:_OWN_LOOKED_AT]
    lines = ["".join(mixed[i : i + 40]) for i in range(0, len(mixed), 40)]
    with_own = [f"{start}{text}y{text} z" for text in own for start in ("", "x ")]
    # With such symbols words that are entries are taken whole: is each its own piece?
    alone = [word.strip() for word in words] if own else []
    return [*_LOOKS, *with_own, *alone, *lines]


def _normalizers(rules: sentencepiece_model.Normalization) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    if rules.character_map:
        encoded = base64.b64encode(rules.character_map).decode()
        # The reader maps character clusters by their first character, and this pair is one.
        steps.append({"type": "Replace", "pattern": {"String": "\r\n"}, "content": "\n\n"})
        steps.append({"type": "Precompiled", "precompiled_charsmap": encoded})
    if rules.remove_extra_whitespaces:
        steps.append({"type": "Strip", "strip_left": True, "strip_right": True})
        steps.append({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "})
    if rules.add_dummy_prefix:
        steps.append({"type": "Prepend", "prepend": SPACE})
    return [*steps, {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}]


def _pre_tokenizer(entries: list[Piece], model_type: int) -> dict[str, Any]:
    inner = any(SPACE in entry.text[1:] for entry in entries)
    # Without pieces that go on after a space it changes no ids, and is many times faster.
    space = {"replacement": SPACE, "prepend_scheme": "never", "split": not inner}
    cutter: dict[str, Any] = {"type": "Metaspace"} | space
    own = _own_symbols(entries)
    if model_type == UNIGRAM or not own:
        return cutter
    # A BPE takes symbols of the user's own out of the text before it merges, the longest first.
    longest_first = "|".join(re.escape(text) for text in sorted(own, key=len, reverse=True))
    split = {"type": "Split", "pattern": {"Regex": longest_first}, "behavior": "Isolated"}
    return {"type": "Sequence", "pretokenizers": [split | {"invert": False}, cutter]}


def _own_symbols(entries: list[Piece]) -> list[str]:
    return [entry.text for entry in entries if entry.kind == USER_DEFINED]


def _added(entries: list[Piece]) -> list[dict[str, Any]]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return [
        {"id": id_, "content": entry.text, "special": True} | flags
        for id_, entry in enumerate(entries)
        if entry.kind in (UNKNOWN, CONTROL)
    ]


def _unknown(entries: list[Piece]) -> int:
    ids = [id_ for id_, entry in enumerate(entries) if entry.kind == UNKNOWN]
    if not ids:
        raise FreevocabError("the sentencepiece model has no unknown piece")
    return ids[0]


def _unigram(entries: list[Piece], byte_fallback: bool) -> dict[str, Any]:
    best = max((entry.score for entry in entries if entry.kind == NORMAL), default=0.0)
    # Symbols of the user's own: scored as if each of their bytes were the best entry, less a bit.
    own = {e.text: len(e.text.encode()) * best - 0.1 for e in entries if e.kind == USER_DEFINED}
    return {
        "type": "Unigram",
        "unk_id": _unknown(entries),
        "vocab": [[entry.text, own.get(entry.text, entry.score)] for entry in entries],
        "byte_fallback": byte_fallback,
    }


def _bpe(entries: list[Piece], byte_fallback: bool) -> dict[str, Any]:
    score = {e.text: e.score for e in entries if e.kind == NORMAL}
    single = {character for text in score for character in text}
    merges: list[tuple[float, int, list[str]]] = []  # with their number: equal scores in order
    for text in score:
        for cut in range(len(text) - 1, 0, -1):
            parts = [text[:cut], text[cut:]]
            if all(part in score or part in single for part in parts):
                merges.append((-score[text], len(merges), parts))
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": entries[_unknown(entries)].text,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": True,
        "byte_fallback": byte_fallback,
        # Symbols of the user's own are whole words by then, which no merges lead to.
        "ignore_merges": bool(_own_symbols(entries)),
        "vocab": {entry.text: id_ for id_, entry in enumerate(entries)},
        "merges": [parts for _, _, parts in sorted(merges)],
    }
