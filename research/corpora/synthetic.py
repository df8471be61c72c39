"""`synthetic[:BYTES]`: made-up text with something to learn, the same on every machine.

Words are made of syllables and drawn by rank (Zipf); each word prefers a few followers, so
there is structure over bytes, within words and between words. Some words carry letters
outside ASCII. Only `random.Random.random` is used: Python promises its values for a seed.
"""

import bisect
import dataclasses
import functools
import hashlib
import itertools
import random
from collections.abc import Iterator
from typing import Any

from research.corpora.corpus import SPLITS, Source
from research.errors import UsageError

DEFAULT_BYTES = 1_000_000
_NUM_WORDS = 2000
_DOCUMENT_BYTES = 2000
_ONSETS = "b c d f g h l m n p r s t v w br ch dr fl gr pl sh st th tr".split() + [""]
_VOWELS = "a e i o u ai ea ou é ü".split()
_CODAS = "n r s t l d m nd st".split() + ["", "", ""]


def source(argument: str) -> "Synthetic":
    """`synthetic` or `synthetic:BYTES`."""
    if argument and not (argument.isascii() and argument.isdigit() and int(argument) >= 1000):
        raise UsageError(
            f"synthetic:{argument} is not a size: give a number of bytes, at least 1000"
        )
    return Synthetic(num_bytes=int(argument or DEFAULT_BYTES))


@dataclasses.dataclass(frozen=True)
class Synthetic(Source):
    """About `num_bytes` of text in documents; of twenty, one is valid and one test."""

    num_bytes: int = DEFAULT_BYTES
    seed: int = 0

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return f"synthetic:{self.num_bytes}"

    def documents(self, split: str) -> Iterator[bytes]:
        size = min(_DOCUMENT_BYTES, self.num_bytes // 40)  # small corpora have all splits too
        for i in range(self.num_bytes // size):
            if {9: "valid", 19: "test"}.get(i % 20, "train") == split:
                yield self._document(i, size)

    def _document(self, index: int, size: int) -> bytes:
        draw = random.Random(f"freevocab document {self.seed} {index}").random
        parts, length, word = [], 0, 0
        while length < size:
            sentence = []
            for _ in range(4 + int(10 * draw())):
                word = self._next_word(word, draw)
                sentence.append(self._words[word])
            text = " ".join(sentence)
            end = "?\n" if draw() < 0.1 else (".\n\n" if draw() < 0.1 else ". ")
            parts.append(text[0].upper() + text[1:] + end)
            length += len(parts[-1].encode("utf-8"))
        return ("".join(parts).rstrip() + "\n").encode("utf-8")

    def _next_word(self, word: int, draw) -> int:
        if draw() < 0.6:  # one of the word's own four followers
            return (word * 7919 + 104729 * (1 + int(4 * draw()))) % 97 * (1 + word % 5)
        return bisect.bisect_left(self._cumulative, draw() * self._cumulative[-1])

    @functools.cached_property
    def _words(self) -> list[str]:
        draw = random.Random(f"freevocab words {self.seed}").random

        def pick(choices):
            return choices[int(len(choices) * draw())]

        words: dict[str, None] = {}
        while len(words) < _NUM_WORDS:
            count = 1 + int(3 * draw() * min(1.0, 0.3 + len(words) / 200))  # frequent: short
            syllables = (pick(_ONSETS) + pick(_VOWELS) + pick(_CODAS) for _ in range(count))
            words["".join(syllables)] = None
        return list(words)

    @functools.cached_property
    def _cumulative(self) -> list[float]:
        return list(itertools.accumulate(1 / (rank + 2) for rank in range(_NUM_WORDS)))

    def digest(self) -> str:
        state = hashlib.blake2b(self.name.encode(), digest_size=16)
        for split in SPLITS:
            for document in self.documents(split):
                state.update(document)
        return state.hexdigest()

    def details(self) -> dict[str, Any]:
        return {"seed": self.seed}
