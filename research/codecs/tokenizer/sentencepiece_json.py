"""A sentencepiece .model as a tokenizer.json with the same ids, for tools that read only that."""

import base64
import bisect
from typing import Any

from research.codecs import sentencepiece_model
from research.codecs.sentencepiece_model import BPE, UNIGRAM, Piece
from research.errors import FreevocabError

SPACE = "\u2581"
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
        "added_tokens": _added(entries),
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
    words = [e.text.replace(SPACE, " ") for e in entries if e.kind == sentencepiece_model.NORMAL]
    # Neighbours by a stride that mixes common entries with rare ones.
    mixed = words[::2] + words[1::2]
    return [*_LOOKS, *("".join(mixed[i : i + 40]) for i in range(0, len(mixed), 40))]


def _normalizers(model: bytes, rules: sentencepiece_model.Normalization) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    characters = sentencepiece_model.character_map(model)
    if characters:
        encoded = base64.b64encode(characters).decode()
        steps.append({"type": "Precompiled", "precompiled_charsmap": encoded})
    if rules.remove_extra_whitespaces:
        steps.append({"type": "Strip", "strip_left": True, "strip_right": True})
        steps.append({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "})
    if rules.add_dummy_prefix:
        steps.append({"type": "Prepend", "prepend": SPACE})
    return [*steps, {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}]


def _added(entries: list[Piece]) -> list[dict[str, Any]]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    special = (sentencepiece_model.UNKNOWN, sentencepiece_model.CONTROL)
    kinds = (*special, sentencepiece_model.USER_DEFINED)
    return [
        {"id": id_, "content": entry.text, "special": entry.kind in special} | flags
        for id_, entry in enumerate(entries)
        if entry.kind in kinds
    ]


def _unknown(entries: list[Piece]) -> int:
    return next(i for i, e in enumerate(entries) if e.kind == sentencepiece_model.UNKNOWN)


def _unigram(entries: list[Piece], byte_fallback: bool) -> dict[str, Any]:
    return {
        "type": "Unigram",
        "unk_id": _unknown(entries),
        "vocab": [[entry.text, entry.score] for entry in entries],
        "byte_fallback": byte_fallback,
    }


def _bpe(entries: list[Piece], byte_fallback: bool) -> dict[str, Any]:
    score = {e.text: e.score for e in entries if e.kind == sentencepiece_model.NORMAL}
    single = {character for text in score for character in text}
    merges: list[tuple[float, int, list[str]]] = []
    for text in score:
        for cut in range(len(text) - 1, 0, -1):
            parts = [text[:cut], text[cut:]]
            if all(part in score or part in single for part in parts):
                bisect.insort(merges, (-score[text], len(merges), parts))
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
        "merges": [parts for _, _, parts in merges],
    }
