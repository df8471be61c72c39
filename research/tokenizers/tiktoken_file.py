"""A tiktoken file (a line for each token: its bytes in base64, its rank) as a tokenizer.json.

The file holds neither the regular expression that cuts text nor the special tokens. The exact
number of ranks says which of the published encodings they belong to, if they belong to one.
"""

import ast
import base64
import binascii
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from research.errors import FreevocabError
from research.tokenizers.tokenizer_json import MAX_ID, byte_characters

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
QWEN = (
    rf"{_SHORT}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}"
    rf"| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{_REST}"
)
_QWEN_ENDS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_QWEN = (*_QWEN_ENDS, *(f"<|extra_{number}|>" for number in range(205)))
# The published encodings, by their exact number of ranks: GPT-2's, Codex's, cl100k, Llama 3's with
# the same expression, Qwen's, o200k.
_PATTERNS = {
    50_256: GPT2,
    50_280: GPT2,
    100_256: CL100K,
    128_000: CL100K,
    151_643: QWEN,
    199_998: O200K,
}
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
    151_643: {name: 151_643 + number for number, name in enumerate(_QWEN)},
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
    if max(rank_of.values(), default=0) >= MAX_ID:
        raise FreevocabError(f"a rank of the tiktoken file is not below {MAX_ID:,}: it is damaged")
    lines = sum(bool(line.strip()) for line in content.splitlines())
    if len(rank_of) < lines or len(set(rank_of.values())) < lines:
        raise FreevocabError("not a tiktoken file: a token or a rank comes twice")
    if any(bytes([byte]) not in rank_of for byte in range(256)):
        raise FreevocabError("the tiktoken file lacks single bytes: it is damaged")
    return rank_of


def known_pattern(rank_of: Mapping[bytes, int]) -> str | None:
    """The expression of the published encoding with exactly that many ranks, if there is one."""
    return _PATTERNS.get(len(rank_of))


def known_specials(rank_of: Mapping[bytes, int]) -> dict[str, int]:
    """The special tokens of the published encoding with exactly that many ranks."""
    return dict(_SPECIALS.get(len(rank_of), {}))


def without_holes(rank_of: Mapping[bytes, int], specials: Mapping[str, int]) -> dict[str, int]:
    """`specials`, and one called <|reserved_token_ID|> for each id below theirs without a token.

    So tokens that are added later do not get ids that are taken.
    """
    taken = {*rank_of.values(), *specials.values()}
    holes = [id_ for id_ in range(max(taken)) if id_ not in taken]
    return dict(specials) | {f"<|reserved_token_{id_}|>": id_ for id_ in holes}


def pattern_beside(file: Path) -> str | None:
    """The expression that lies next to a file of ranks: in NAME.pattern, or as a string called
    pat_str in a Python file, which is read and never run. None if there is none, or several."""
    own = file.with_suffix(".pattern")
    if own.is_file():
        return own.read_text("utf-8").strip("\r\n")
    patterns = set()
    for path in sorted(file.parent.glob("*.py")):
        try:
            tree = ast.parse(path.read_text("utf-8"))
        except (SyntaxError, ValueError, OSError):
            continue
        for node in ast.walk(tree):
            if not isinstance(node, ast.Assign):
                continue
            names = [getattr(t, "id", getattr(t, "attr", "")).lower() for t in node.targets]
            if "pat_str" in names and (pattern := _string(node.value)) is not None:
                patterns.add(pattern)
    return patterns.pop() if len(patterns) == 1 else None


def _string(node: ast.AST) -> str | None:
    """The value of a string, or of "|".join([...]) of strings, in Python's grammar."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        try:
            if node.func.attr != "join":
                return None
            return ast.literal_eval(node.func.value).join(ast.literal_eval(node.args[0]))
        except (ValueError, TypeError, AttributeError):
            return None
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, str) else None


def tokenizer_json(
    rank_of: Mapping[bytes, int], *, pattern: str, specials: Mapping[str, int]
) -> dict[str, Any]:
    """The parsed tokenizer.json with the same ids.

    Args:
      rank_of: the rank of each token, which is its id; all 256 bytes are among them.
      pattern: regular expression whose matches are the words.
      specials: id of each special token.

    tiktoken merges any two neighbours whose joint string has a rank, the lowest first. So every
    way to cut a string into two others is a merge here, in the order of the whole's rank.
    """
    taken = {*rank_of.values()}
    specials = {name: id_ for name, id_ in specials.items() if id_ not in taken}
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
