"""Byte strings into a tokenizer's pieces, each string once."""

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from research.tokenizers.protocol import Pieces
from research.tokenizers.text_spans import spans
from research.tokenizers.tokenizer_json import SPACE, Strings, byte_alphabet

Split = Callable[..., list[list[int]]]

# Strings remembered; a training step brings some tens of thousands, most of them known.
_REMEMBERED = 1 << 20
_BYTE_LEVEL = {byte: character for character, byte in byte_alphabet().items()}


class Decomposer:
    """Pieces of byte strings by a tokenizer's model alone, remembered from call to call.

    Args:
      split: strings in the tokenizer's own characters -> ids of each; with `continued=True` the
        strings go on within a word.
      entries: what the tokenizer's entries are.
      unknown: the id for what no entry covers.
      spaced: U+2581 stands for a space.

    What is no text goes by byte ids where the tokenizer has all of them, else it is unknown.
    """

    def __init__(self, split: Split, entries: Strings, unknown: int, *, spaced: bool = False):
        self._split, self._entries, self._unknown = split, entries, unknown
        self._space = SPACE if spaced else " "
        self._by_bytes = None not in entries.byte_ids
        self._forget()

    def __call__(self, tokens: Sequence[bytes]) -> Pieces:
        """At least one piece for each string; none for b""."""
        tokens = list(tokens)
        new = [token for token in dict.fromkeys(tokens) if token not in self._index]
        if len(self._index) + len(new) > _REMEMBERED:
            self._forget()
            new = [token for token in dict.fromkeys(tokens) if token]
        if new:
            self._learn(new)
        known = map(self._index.__getitem__, tokens)
        return self._pieces.take(np.fromiter(known, np.int64, len(tokens)))

    def _forget(self) -> None:
        self._index = {b"": 0}
        self._pieces = Pieces.of([[]])

    def _learn(self, tokens: list[bytes]) -> None:
        rows = self._level(tokens) if self._entries.byte_level else self._text(tokens)
        rows = [row or [self._unknown] for row in rows]
        count_T = np.fromiter(map(len, rows), np.int64, len(rows))
        ids_N = np.fromiter(itertools.chain.from_iterable(rows), np.int32, count_T.sum())
        old = self._pieces
        start_T = np.concatenate([old.start_T, old.start_T[-1] + np.cumsum(count_T)])
        self._pieces = Pieces(np.concatenate([old.ids_N, ids_N]), start_T)
        first = len(self._index)
        self._index.update(zip(tokens, range(first, first + len(tokens)), strict=True))

    def _level(self, tokens: list[bytes]) -> list[list[int]]:
        strings = [token.decode("latin-1").translate(_BYTE_LEVEL) for token in tokens]
        return self._split(strings)

    def _text(self, tokens: list[bytes]) -> list[list[int]]:
        """Tokens that are plain text to the model at once, the others in parts."""
        reserved = self._entries.reserved if self._by_bytes else ""
        plain = [self._plain(token, reserved) for token in tokens]
        rows = iter(self._split([string for string in plain if string is not None]))
        others = [token for token, s in zip(tokens, plain, strict=True) if s is None]
        in_parts = iter(self._in_parts(others, reserved))
        return [next(in_parts if string is None else rows) for string in plain]

    def _plain(self, token: bytes, reserved: str) -> str | None:
        try:
            string = token.decode()
        except UnicodeDecodeError:
            return None
        if self._entries.drops_spaces or (reserved and reserved in string):
            return None
        return string.replace(" ", self._space)

    def _in_parts(self, tokens: list[bytes], reserved: str) -> list[list[int]]:
        """Parts of all tokens to the model at once, then put together again."""
        words: dict[bool, list[str]] = {False: [], True: []}
        plan: list[list[tuple[bool, int] | list[int]]] = []
        for token in tokens:
            parts: list[tuple[bool, int] | list[int]] = []
            for part, continued in self._parts(token, reserved):
                if isinstance(part, str):
                    parts.append((continued, len(words[continued])))
                    words[continued].append(part)
                else:
                    parts.append(part)
            plan.append(parts)
        ids = {kind: self._split(words[kind], continued=kind) if words[kind] else []
               for kind in words}  # fmt: skip
        return [
            [id_ for part in parts
             for id_ in (ids[part[0]][part[1]] if isinstance(part, tuple) else part)]
            for parts in plan
        ]  # fmt: skip

    def _parts(self, token: bytes, reserved: str) -> Iterator[tuple[str | list[int], bool]]:
        """Strings for the model, whether each goes on within a word, and ids of other bytes."""
        for span in spans(token, reserved):
            if isinstance(span, bytes):
                byte_ids = self._entries.byte_ids
                yield [byte_ids[b] for b in span] if self._by_bytes else [self._unknown], False
            elif self._entries.drops_spaces:
                for number, word in enumerate(span.split()):
                    yield word, number == 0 and not span[0].isspace()
            else:
                yield span.replace(" ", self._space), False
