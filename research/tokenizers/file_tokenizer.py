"""A tokenizer read from a file, and byte strings into its pieces, each string once."""

import functools
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from research.tokenizers.json_engine import JsonEngine
from research.tokenizers.protocol import Pieces
from research.tokenizers.sentencepiece_engine import SentencePieceEngine
from research.tokenizers.static_vocabulary import StaticVocabulary, checked_row
from research.tokenizers.text_spans import cut, each_as_bytes, spans
from research.tokenizers.tokenizer_json import SPACE, Strings, byte_characters

# The library that knows a file's format.
Engine = JsonEngine | SentencePieceEngine
Split = Callable[..., list[list[int]]]

# Characters of a text that are cut into pretokens at once.
_PART = 1 << 14
# Strings remembered; a training step brings some tens of thousands, most of them known.
_REMEMBERED = 1 << 20
_BYTE_LEVEL = dict(enumerate(byte_characters()))


class FileTokenizer(StaticVocabulary):
    """The `Tokenizer` of a file; `research.tokenizers.load` makes it.

    Beyond the protocol:

      exact: wherever no unknown id occurs, `token_bytes` of a text's ids, joined, are the text
        (after one space where the tokenizer puts one in front). Else they are the entries as
        decoded, and normalisation or spaces are lost.
      starts_word_V: bool [V], words start with the entry.

    `encode` gives the ids of the file's own library for every valid text without special tokens,
    whose names are text here. Only a lossless tokenizer differs, on what it could not give back:
    bytes that are not UTF-8, and U+2581 where that means a space, go by byte ids.
    """

    def __init__(
        self,
        engine: Engine,
        entries: Strings,
        *,
        name: str,
        roles: Mapping[str, int],
        special_names: Mapping[int, str],
        spaced: bool,
        files: Callable[[], dict[str, bytes]],
        digest: str,
    ):
        super().__init__(entries.tokens)
        self.name = name
        self.lossless, self.exact = entries.lossless, entries.exact
        self.special_V = np.array(entries.special, bool)
        self.starts_word_V = np.array(entries.starts_word, bool)
        self.roles: Mapping[str, int] = dict(roles)
        self.special_names = dict(special_names)
        self._engine, self._entries = engine, entries
        self._digest, self._files = digest, functools.cache(files)
        self._byte_ids = entries.byte_ids_256()
        self._decompose = Decomposer(engine.split, entries, self.roles.get("unk"), spaced=spaced)

    def encode(self, texts: Sequence[bytes | str]) -> list[np.ndarray]:
        plans = [self._spans(text) for text in each_as_bytes(texts)]
        strings = [span for plan in plans for span in plan if isinstance(span, str)]
        encoded = iter(self._engine.encode(strings))
        out = []
        for plan in plans:
            parts = [
                np.array(next(encoded), np.int32)
                if isinstance(span, str)
                else self._byte_ids[np.frombuffer(span, np.uint8)]
                for span in plan
            ]
            out.append(np.concatenate(parts) if parts else np.zeros(0, np.int32))
        return out

    def decode(self, ids: Sequence[np.ndarray]) -> list[bytes]:
        """One byte string per id array; a space that the tokenizer puts in front is removed."""
        if self._entries.drops_spaces:
            rows = [checked_row(one, self.vocab_size).tolist() for one in ids]
            return [text.encode() for text in self._engine.decode(rows)]
        texts = super().decode(ids)
        return [text.removeprefix(b" ") for text in texts] if self._entries.prefix else texts

    def match_bytes(self) -> list[bytes]:
        """`token_bytes`; where the tokenizer drops spaces, with one before what starts a word."""
        if not self._entries.drops_spaces:
            return self.token_bytes()
        pairs = zip(self._tokens, self.starts_word_V.tolist(), strict=True)
        return [b" " + token if starts else token for token, starts in pairs]

    def decompose(self, tokens: Sequence[bytes]) -> Pieces:
        """Pieces by the model alone; see the protocol. Strings met before are remembered.

        A BPE's entry is its own piece if its merges lead to it, a WordPiece's always, a
        Unigram's unless others cover it with a better score. For an exact tokenizer with all
        byte ids the pieces' bytes, joined, are the string; elsewhere what no entry covers is the
        unknown token, or nothing where there is none. WordLevel models match the longest entry
        from the left.
        """
        return self._decompose(tokens)

    def pretokens(self, texts: Iterable[bytes | str]) -> tuple[Pieces, np.ndarray]:
        """The different strings that the model is given for texts, as its pieces.

        Returns:
          (pieces of each string, its count int64 [N]), the most frequent first.
        """
        count = Counter(
            word
            for text in each_as_bytes(texts)
            for part in cut(text.decode("utf-8", "replace"), _PART)
            for word in self._engine.words(part)
        )
        words = sorted(count, key=lambda word: (-count[word], word))
        pieces = Pieces.of(self._engine.split(words))
        return pieces, np.array([count[word] for word in words], np.int64)

    @property
    def spec(self) -> Mapping[str, Any]:
        """A parsed tokenizer.json with the same ids."""
        return self._engine.spec

    @property
    def files(self) -> dict[str, bytes]:
        """As the protocol says; made once."""
        return self._files()

    def fingerprint(self) -> str:
        """Hex digest of the file's content."""
        return self._digest

    def _spans(self, data: bytes) -> list[str | bytes]:
        if self.lossless:
            return list(spans(data, self._entries.reserved))
        return [data.decode("utf-8", "replace")] if data else []


class Decomposer:
    """Pieces of byte strings by a tokenizer's model alone, remembered from call to call.

    Args:
      split: strings in the tokenizer's own characters -> ids of each; with `continued=True` the
        strings go on within a word.
      entries: what the tokenizer's entries are.
      unknown: the id for what no entry covers; None: it has no piece.
      spaced: U+2581 stands for a space.

    What is not text goes by byte ids where the tokenizer has all of them, else it is unknown.
    """

    def __init__(self, split: Split, entries: Strings, unknown: int | None, *, spaced: bool):
        self._split, self._entries = split, entries
        self._unknown = [] if unknown is None else [unknown]
        self._space = SPACE if spaced else " "
        self._byte_ids = [id_ for id_ in entries.byte_ids if id_ is not None]
        self._by_bytes = len(self._byte_ids) == 256
        self._forget()

    def __call__(self, tokens: Sequence[bytes]) -> Pieces:
        """The pieces of each string; none for b"" and for what nothing covers."""
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
        rows = [row or self._unknown for row in rows]
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
        plan = [list(self._parts(token, reserved)) for token in tokens]
        words: dict[bool, list[str]] = {False: [], True: []}
        for part, continued in itertools.chain.from_iterable(plan):
            if isinstance(part, str):
                words[continued].append(part)
        ids = {kind: iter(self._split(words[kind], continued=kind) if words[kind] else [])
               for kind in words}  # fmt: skip
        rows = []
        for parts in plan:
            of_parts = [next(ids[kind]) if isinstance(part, str) else part for part, kind in parts]
            rows.append([*itertools.chain.from_iterable(of_parts)])
        return rows

    def _parts(self, token: bytes, reserved: str) -> Iterator[tuple[str | list[int], bool]]:
        """Strings for the model, whether each goes on within a word, and ids of other bytes."""
        for span in spans(token, reserved):
            if isinstance(span, bytes):
                known = self._by_bytes
                yield [self._byte_ids[b] for b in span] if known else self._unknown, False
            elif self._entries.drops_spaces:
                for number, word in enumerate(span.split()):
                    yield word, number == 0 and not span[0].isspace()
            else:
                yield span.replace(" ", self._space), False
