"""A tokenizer that was sampled: V entries, special tokens after them, lossless on any bytes."""

import hashlib
from collections.abc import Sequence

import numpy as np

from research.errors import FreevocabError
from research.tokenizers.protocol import Pieces
from research.tokenizers.static_vocabulary import StaticVocabulary
from research.tokenizers.text_spans import each_as_bytes
from research.transfer.sampling import pretokens
from research.transfer.sampling.config import Pretokens
from research.transfer.sampling.pretokens import Words
from research.transfer.sampling.segmenters import BYTES, NO_LIMIT, Segmenter


class SampledTokenizer(StaticVocabulary):
    """A `research.tokenizers.Tokenizer`.

    Args:
      tokens: the entries; the first 256 are the bytes in order.
      segmenter: finds the entries in pretokens.
      pretokens: how text is cut first.
      pieces: V without special tokens; ids without an entry fill it up (they count as special).
      special: roles of the special tokens, whose ids come last.
      name: what kind it is.

    Raises:
      FreevocabError: more entries than pieces, or not the bytes first.
    """

    lossless = True

    def __init__(
        self,
        tokens: Sequence[bytes],
        segmenter: Segmenter,
        pretokens: Pretokens,
        *,
        pieces: int,
        special: Sequence[str] = ("bos", "eos"),
        name: str = "sampled",
    ):
        if len(tokens) > pieces:
            raise FreevocabError(f"{len(tokens)} entries do not fit a vocabulary of {pieces}")
        if list(tokens[:256]) != BYTES:
            raise FreevocabError("the first 256 entries of a sampled tokenizer are the bytes")
        super().__init__([*tokens, *[b""] * (pieces - len(tokens) + len(special))])
        self.name, self.pretokens, self.segmenter = name, pretokens, segmenter
        self.pieces = pieces
        self.special_V = np.arange(self.vocab_size) >= len(tokens)
        self.roles = {role: pieces + place for place, role in enumerate(special)}

    def encode(self, texts: Sequence[bytes | str]) -> list[np.ndarray]:
        """One int32 array of ids per text; no token goes beyond its pretoken."""
        return self.encode_some(list(each_as_bytes(texts)))

    def encode_some(self, texts: Sequence[bytes], limit: int = NO_LIMIT) -> list[np.ndarray]:
        """`encode`, at most the first `limit` ids of each text."""
        return self._ids(pretokens.split(self.pretokens, texts), limit)

    match_bytes = StaticVocabulary.token_bytes

    def decompose(self, tokens: Sequence[bytes]) -> Pieces:
        """Each string as one pretoken."""
        ids_N, count_T = self.segmenter.segment(pretokens.split(Pretokens(whole=True), tokens))
        start_T = np.concatenate([[0], np.cumsum(count_T)]).astype(np.int64)
        return Pieces(ids_N, start_T)

    def fingerprint(self) -> str:
        """Hex digest of the entries, of what finds them, and of the special tokens."""
        lengths = ",".join(str(len(token)) for token in self._tokens)
        head = f"freevocab sampled {self.pretokens} {self.pieces} {self.roles} {lengths} "
        digest = hashlib.sha256(head.encode() + b"".join(self._tokens))
        digest.update(self.segmenter.state())
        return digest.hexdigest()

    def _ids(self, words: Words, limit: int) -> list[np.ndarray]:
        ids_N, count_T = self.segmenter.segment(words, limit)
        return np.split(ids_N, np.cumsum(count_T)[:-1]) if len(count_T) else []
