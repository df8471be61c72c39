"""Byte-pair encoding trained on the queue's text by `tokenizers`, and WordPiece's rule on it."""

import json
from collections.abc import Iterable

import numpy as np

from research.tokenizers.tokenizer_json import byte_alphabet
from research.transfer.sampling import pretokens
from research.transfer.sampling.config import Pretokens
from research.transfer.sampling.segmenters import BYTES, LongestMatch, Merges


def bpe(texts: Iterable[bytes], cut: Pretokens, pieces: int) -> tuple[list[bytes], Merges]:
    """Entries (the bytes, then what was merged, in order) and the merges.

    Bytes that are not UTF-8 are left out of training; fewer entries if the texts run out.

    Args:
      pieces: entries wanted.
    """
    learned = model(texts, cut, pieces)
    of_byte = byte_alphabet()
    strings = {
        token: bytes(of_byte[character] for character in token) for token in learned["vocab"]
    }
    tokens = list(BYTES)
    ids = {strings[token]: strings[token][0] for token in strings if len(token) == 1}
    left_M, right_M, merged_M = [], [], []
    for left, right in learned["merges"]:
        merged = strings[left] + strings[right]
        if merged not in ids:  # another pair may have made the same string before
            ids[merged] = len(tokens)
            tokens.append(merged)
        left_M.append(ids[strings[left]])
        right_M.append(ids[strings[right]])
        merged_M.append(ids[merged])
    merges = (np.array(part, np.int32) for part in (left_M, right_M, merged_M))
    return tokens, Merges(*merges)


def wordpiece(texts: Iterable[bytes], cut: Pretokens, pieces: int):
    """Entries of `bpe`, and the longest match in them.

    WordPiece's trainer in `tokenizers` is that of BPE; here an entry stands for the same bytes
    at a word's start and inside it.
    """
    tokens, _ = bpe(texts, cut, pieces)
    return tokens, LongestMatch(tokens)


def model(texts: Iterable[bytes], cut: Pretokens, pieces: int) -> dict:
    """What `tokenizers` learned: the model part of a tokenizer.json."""
    from tokenizers import Regex, Tokenizer, models, trainers
    from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split

    tokenizer = Tokenizer(models.BPE())
    split = Split(Regex(pretokens.pattern(cut)), "isolated")
    tokenizer.pre_tokenizer = Sequence([split, ByteLevel(add_prefix_space=False, use_regex=False)])
    trainer = trainers.BpeTrainer(
        vocab_size=pieces,
        initial_alphabet=sorted(byte_alphabet()),
        special_tokens=[],
        show_progress=False,
    )
    tokenizer.train_from_iterator((text.decode("utf-8", "ignore") for text in texts), trainer)
    return json.loads(tokenizer.to_str())["model"]
