"""A sentencepiece .model as a tokenizer.json with the same ids, for tools that read only that."""

import base64
from typing import Any

from research.errors import FreevocabError
from research.tokenizers import sentencepiece_model
from research.tokenizers.sentencepiece_model import (
    BPE,
    CONTROL,
    NORMAL,
    UNIGRAM,
    UNKNOWN,
    USER_DEFINED,
    Piece,
)

SPACE = "\u2581"
_OWN_LOOKED_AT = 5  # symbols of the user's own; there may be thousands, all alike
_LOOKS = [
    "", " ", "a", " a", "a  b ", "\n a\tb\r\n", "The year 1984: \u201cone\u201d, two \u2026 #3!",
    "na\u00efve \u00bd \ufb01 \uff21 e\u0301 \u00df \u0130", "\u4e2d\u6587 \u0440\u0443 \u05d0 "
    "\u0928\u092e\u0938\u094d\u0924\u0947", "\U0001f98a\u200d\u2764\ufe0f!", "aaaaaaa  aaaa",
    "\u2581x\u2581 y", "\x00\x01 \u00a0 \u3000z",
]  # fmt: skip


def tokenizer_json(model: bytes) -> dict[str, Any]:
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
    found = _unigram if rules.model_type == UNIGRAM else _bpe
    inner = any(SPACE in entry.text[1:] for entry in entries)
    space = {"replacement": SPACE, "prepend_scheme": "never", "split": not inner}
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
        "added_tokens": _added(entries, rules.model_type),
        "normalizer": {"type": "Sequence", "normalizers": _normalizers(model, rules)},
        # Without pieces that go on after a space it changes no ids, and is many times faster.
        "pre_tokenizer": {"type": "Metaspace"} | space,
        "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": decoders},
        "model": found(entries, rules.byte_fallback),
    }


def looks(model: bytes) -> list[str]:
    """Texts on which to compare the two: all entries, and what normalisers trip over."""
    entries = sentencepiece_model.pieces(model)
    words = [e.text.replace(SPACE, " ") for e in entries if e.kind == NORMAL]
    # Neighbours by a stride that mixes common entries with rare ones.
    mixed = words[::2] + words[1::2]
    own = [e.text.replace(SPACE, " ") for e in entries if e.kind == USER_DEFINED][:_OWN_LOOKED_AT]
    lines = ["".join(mixed[i : i + 40]) for i in range(0, len(mixed), 40)]
    return [*_LOOKS, *(f"x {text}y{text} z" for text in own), *lines]


def _normalizers(model: bytes, rules: sentencepiece_model.Normalization) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    characters = sentencepiece_model.character_map(model)
    if characters:
        encoded = base64.b64encode(characters).decode()
        # The reader maps character clusters by their first character, and this pair is one.
        steps.append({"type": "Replace", "pattern": {"String": "\r\n"}, "content": "\n\n"})
        steps.append({"type": "Precompiled", "precompiled_charsmap": encoded})
    if rules.remove_extra_whitespaces:
        steps.append({"type": "Strip", "strip_left": True, "strip_right": True})
        steps.append({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "})
    if rules.add_dummy_prefix:
        steps.append({"type": "Prepend", "prepend": SPACE})
    return [*steps, {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}]


def _added(entries: list[Piece], model_type: int) -> list[dict[str, Any]]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    special = (UNKNOWN, CONTROL)
    kinds = special if model_type == UNIGRAM else (*special, USER_DEFINED)
    return [
        {"id": id_, "content": entry.text, "special": entry.kind in special} | flags
        for id_, entry in enumerate(entries)
        if entry.kind in kinds
    ]


def _unknown(entries: list[Piece]) -> int:
    return next(i for i, e in enumerate(entries) if e.kind == UNKNOWN)


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
        "ignore_merges": False,
        "vocab": {entry.text: id_ for id_, entry in enumerate(entries)},
        "merges": [parts for _, _, parts in sorted(merges)],
    }
