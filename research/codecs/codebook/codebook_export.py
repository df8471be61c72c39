"""A codebook as a tokenizer.json, for anything that reads Hugging Face's `tokenizers` format.

    pre-tokenizer  ByteLevel without its regular expression (bytes become printable characters),
                   then a Split on one regular expression: the trie of the strings, nested, so
                   that each step looks at one character and the longest match wins
    model          WordLevel: a piece is an entry; <unk>, which the format asks for, is never met
    decoder        ByteLevel

The ids agree with `CodebookCodec.encode` for every text that is UTF-8 (the format takes no other).
The time is linear in the text. WordPiece would match the longest entry as well, but on a piece
without spaces it takes cubic time.
"""

import json
import os
import re

from research.codecs.codebook import CodebookCodec
from research.files import write_text
from research.tokenizers.tokenizer_json import byte_characters
from research.tokenizers.trie import Trie


def tokenizer_json(codec: CodebookCodec) -> str:
    """The content of a tokenizer.json whose ids are those of `codec`."""
    characters = byte_characters()
    vocabulary = {
        "".join(characters[byte] for byte in string): index
        for index, string in enumerate(codec.token_bytes())
    }
    byte_level = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": False,
        "use_regex": False,
    }
    split = {
        "type": "Split",
        "pattern": {"Regex": trie_pattern(codec.trie, characters)},
        "behavior": "Isolated",
        "invert": False,
    }
    content = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [byte_level, split]},
        "post_processor": None,
        "decoder": byte_level,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"},
    }
    return json.dumps(content, ensure_ascii=False)


def export(codec: CodebookCodec, path: str | os.PathLike) -> None:
    """Writes `tokenizer_json` to `path`, whole or not at all."""
    write_text(path, tokenizer_json(codec))


def trie_pattern(trie: Trie, characters: list[str]) -> str:
    """One regular expression for the longest string of `trie` at the place where it is tried.

    A node is its character, then what may follow: an alternative per child, optional where a
    string ends at the node. Alternatives begin with different characters, so at most one of them
    can match, and an optional group is tried before it is left out: the match is the longest.
    Children that end a string and have no children share a character class.
    """
    children, ends = trie.children(), (trie.ids_S >= 0).tolist()
    labels = [re.escape(characters[label]) for label in trie.labels_S.tolist()]
    below = [""] * len(children)
    for node in range(len(children) - 1, -1, -1):  # preorder: children come after their parent
        leaves = [labels[child] for child in children[node] if not children[child]]
        parts = [labels[child] + below[child] for child in children[node] if children[child]]
        if leaves:
            parts.append(leaves[0] if len(leaves) == 1 else f"[{''.join(leaves)}]")
        if not parts:
            continue
        optional = node > 0 and ends[node]
        if len(parts) == 1 and not optional:
            below[node] = parts[0]
        else:
            below[node] = f"(?:{'|'.join(parts)}){'?' if optional else ''}"
    return below[0]
