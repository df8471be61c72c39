"""A tiktoken file (a line for each token: its bytes in base64, its rank) as a tokenizer.json.

The file holds neither the regular expression that cuts text nor the special tokens. Unless they
are given, the number of ranks says which of the published encodings they belong to.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from research.errors import FreevocabError
from research.tokenizers.tokenizer_json import byte_characters

GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_REST = r"\s*[\r\n]+|\s+(?!\S)|\s+"
CL100K = (
    rf"{_SHORT}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}"
    rf"| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{_REST}"
)
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_MARK = r"[^\r\n\p{L}\p{N}]?"
O200K = (
    rf"{_MARK}{_UPPER}*{_LOWER}+{_SHORT}?|{_MARK}{_UPPER}+{_LOWER}*{_SHORT}?|\p{{N}}{{1,3}}"
    rf"| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_REST}"
)
# From this many ranks up: GPT-2 and Codex have about 50,000, cl100k 100,256 and Llama 3, with the
# same expression, 128,000; o200k has 199,998.
_BY_SIZE = ((150_000, O200K), (60_000, CL100K), (0, GPT2))
_SPECIALS = {
    50_256: {"<|endoftext|>": 50_256},
    50_280: {"<|endoftext|>": 50_256},
    100_256: {
        "<|endoftext|>": 100_257,
        "<|fim_prefix|>": 100_258,
        "<|fim_middle|>": 100_259,
        "<|fim_suffix|>": 100_260,
        "<|endofprompt|>": 100_276,
    },
    199_998: {"<|endoftext|>": 199_999, "<|endofprompt|>": 200_018},
}
_LINE = re.compile(rb"[A-Za-z0-9+/]+={0,2} \d+\r?$")


def is_tiktoken(content: bytes) -> bool:
    """True if the first line is one of a tiktoken file."""
    return _LINE.match(content[:4096].split(b"\n", 1)[0]) is not None


def ranks(content: bytes) -> dict[bytes, int]:
    """The rank of each token.

    Raises:
      FreevocabError: a line is damaged, a token or a rank comes twice, or a byte is missing.
    """
    rank_of: dict[bytes, int] = {}
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            token, rank = line.split()
            rank_of[base64.b64decode(token, validate=True)] = int(rank)
        except (ValueError, binascii.Error) as error:
            raise FreevocabError(f"not a tiktoken file: line {number} is damaged") from error
    lines = sum(bool(line.strip()) for line in content.splitlines())
    if len(rank_of) < lines or len(set(rank_of.values())) < lines:
        raise FreevocabError("not a tiktoken file: a token or a rank comes twice")
    if any(bytes([byte]) not in rank_of for byte in range(256)):
        raise FreevocabError("the tiktoken file lacks single bytes: it is damaged")
    return rank_of


def tokenizer_json(
    content: bytes, *, pattern: str | None = None, specials: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """The parsed tokenizer.json with the same ids.

    Args:
      pattern: regular expression whose matches are the words; None takes GPT-2's up to 60,000
        ranks, cl100k's up to 150,000, else o200k's.
      specials: id of each special token; None takes those of the published encoding with exactly
        that many ranks, if there is one.

    tiktoken merges any two neighbours whose joint string has a rank, the lowest first. So every
    way to cut a string into two others is a merge here, in the order of the whole's rank.

    Raises:
      FreevocabError: as `ranks`.
    """
    rank_of = ranks(content)
    if pattern is None:
        pattern = next(one for size, one in _BY_SIZE if len(rank_of) >= size)
    if specials is None:
        specials = _SPECIALS.get(len(rank_of), {})
    specials = {name: id_ for name, id_ in specials.items() if id_ not in rank_of.values()}
    letters = dict(enumerate(byte_characters()))
    written = {token: token.decode("latin-1").translate(letters) for token in rank_of}
    merges = []
    for token in sorted(rank_of, key=rank_of.__getitem__):
        # The longest left part first: what tiktoken, from the left, would have merged so far.
        for cut in range(len(token) - 1, 0, -1):
            if token[:cut] in rank_of and token[cut:] in rank_of:
                merges.append([written[token[:cut]], written[token[cut:]]])
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated"}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": id_, "content": name, "special": True} | flags
            for name, id_ in sorted(specials.items(), key=lambda item: item[1])
        ],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [split | {"invert": False}, level | {"use_regex": False}],
        },
        "post_processor": None,
        "decoder": level | {"use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            # A word that is an entry is taken whole, as tiktoken does before it merges.
            "ignore_merges": True,
            # Special tokens too: a reader numbers those that the model lacks by itself.
            "vocab": {written[token]: rank for token, rank in rank_of.items()} | specials,
            "merges": merges,
        },
    }
