"""SentencePiece's Unigram model (Kudo, 2018): trained here without loss, or loaded from a .model.

A model trained here has byte fallback, the identity as normaliser and no prefix, so its pieces,
joined, are the text. What sentencepiece cannot take goes around it, by the ids of its byte
pieces: bytes that are not UTF-8, and U+2581, which inside sentencepiece means a space.
"""

import hashlib
import io
import itertools
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from research.codecs import saved
from research.codecs.unrecoverable import unrecoverable_share
from research.errors import FreevocabError, UsageError
from research.tokenizers import sentencepiece_model
from research.tokenizers.static_vocabulary import StaticVocabulary
from research.tokenizers.text_spans import cut, each_as_bytes, encode_spans, training_pieces

# The trainer passes over a sentence that holds its mark for unknown characters.
UNKNOWN = "\u2585"
MODEL_FILE = "sentencepiece.model"
# Characters per call, in training and after it. A model trained on such pieces has no piece that
# crosses their ends, so that cutting a text the same way costs nothing and bounds the work.
PIECE = 4096
# The trainer's sums depend on the number of threads: fixed, so that a text gives one model.
TRAINING_THREADS = 2


class SentencePieceCodec(StaticVocabulary):
    """Ids of a sentencepiece model.

    Args:
      model: a serialised model (the bytes of a .model file).
      name: for tables; by default "sentencepiece-" and the vocabulary's size.
      piece: characters per call of sentencepiece; None hands over each text whole, as is usual.

    `lossless` is True if the model has byte fallback and changes nothing; else (T5's, for one)
    see `unrecoverable_share`. Control pieces and <unk> decode to nothing.
    """

    def __init__(self, model: bytes, *, name: str | None = None, piece: int | None = None):
        self._model = model
        self._piece = piece
        rules = sentencepiece_model.normalization(model)
        self._processor = sentencepiece_model.processor(model)
        pieces = range(self._processor.vocab_size())
        super().__init__([sentencepiece_model.token_bytes(self._processor, id_) for id_ in pieces])
        byte_ids = {self._tokens[id_]: id_ for id_ in pieces if self._processor.is_byte(id_)}
        self.lossless = rules.is_identity and len(byte_ids) == 256
        self._prefix = rules.add_dummy_prefix
        self._byte_ids = np.array([id_ for _, id_ in sorted(byte_ids.items())], np.int32)
        self.name = name or f"sentencepiece-{self.vocab_size}"

    @classmethod
    def train(
        cls,
        texts: Iterable[bytes | str],
        vocab_size: int,
        *,
        pre_tokenize: bool = True,
        max_bytes: int | None = 20_000_000,
        name: str | None = None,
    ) -> "SentencePieceCodec":
        """A lossless Unigram model of `vocab_size` pieces: <unk>, 256 bytes, the rest learned.

        Args:
          texts: documents, of any length; newlines are kept.
          pre_tokenize: pieces stay inside words, scripts and numbers (sentencepiece's default);
            False lets them cross, which trains about five times slower.
          max_bytes: the first so many bytes of `texts` are used; None for all.

        Runs of spaces may be pieces. Same texts and versions, same model. Measured on 2 cores,
        5 MB, 8,000 pieces: 14 s.

        Raises:
          UsageError: vocab_size cannot hold the bytes.
          FreevocabError: too little text for so many pieces.
        """
        if vocab_size < 300:
            raise UsageError(f"a lossless sentencepiece needs vocab_size >= 300, not {vocab_size}")
        model = io.BytesIO()
        pieces = training_pieces(
            texts, size=PIECE, max_bytes=max_bytes, reserved=sentencepiece_model.SPACE + UNKNOWN
        )
        first = next(pieces, None)
        if first is None:
            raise FreevocabError("sentencepiece cannot train: the texts are empty")
        try:
            sentencepiece_model.library().SentencePieceTrainer.train(
                sentence_iterator=itertools.chain([first], pieces),
                model_writer=model,
                model_type="unigram",
                vocab_size=vocab_size,
                byte_fallback=True,
                normalization_rule_name="identity",
                add_dummy_prefix=False,
                remove_extra_whitespaces=False,
                # Else every space of a run but the last is a token: 41 % of the tokens of code.
                allow_whitespace_only_pieces=True,
                split_by_whitespace=pre_tokenize,
                split_by_unicode_script=pre_tokenize,
                split_by_number=pre_tokenize,
                max_sentence_length=1 << 30,
                bos_id=-1,
                eos_id=-1,
                unk_id=0,
                num_threads=TRAINING_THREADS,
                minloglevel=3,
            )
        except RuntimeError as error:
            raise FreevocabError(f"sentencepiece cannot train: {_reason(error)}") from error
        return cls(model.getvalue(), name=name, piece=PIECE)

    @classmethod
    def from_model(
        cls, file: str | os.PathLike, *, name: str | None = None
    ) -> "SentencePieceCodec":
        """Opens a .model file; its ids are sentencepiece's own on every valid text."""
        try:
            return cls(Path(file).read_bytes(), name=name)
        except OSError as error:
            raise FreevocabError(f"cannot read {file}: {error.strerror}") from error
        except FreevocabError as error:
            raise FreevocabError(f"{file}: {error}") from error

    def encode(self, texts: Sequence[bytes | str]) -> list[np.ndarray]:
        """One int32 array of ids per text."""
        return [self._encode(text) for text in each_as_bytes(texts)]

    def decode(self, ids: Sequence[np.ndarray]) -> list[bytes]:
        """One byte string per id array; the space that a lossy model puts in front is removed."""
        texts = super().decode(ids)
        return [text.removeprefix(b" ") for text in texts] if self._prefix else texts

    @property
    def content(self) -> bytes:
        """The serialised model."""
        return self._model

    def unrecoverable_share(self, texts: Iterable[bytes | str]) -> float:
        """Share of the bytes of `texts` that decoding does not give back; 0 if lossless."""
        return unrecoverable_share(self, texts)

    def fingerprint(self) -> str:
        """Hex digest of the model and of how texts are cut for it."""
        head = f"freevocab sentencepiece {self._piece} ".encode()
        return hashlib.sha256(head + self._model).hexdigest()

    def save(self, directory: str | os.PathLike) -> None:
        """Writes codec.json and the model."""
        options = {"name": self.name, "piece": self._piece}
        saved.write(directory, "sentencepiece", options, {MODEL_FILE: self._model})

    @classmethod
    def from_directory(cls, directory: Path, meta: Mapping[str, Any]) -> "SentencePieceCodec":
        """Opens what `save` wrote."""
        model = saved.read_file(directory, meta, MODEL_FILE)
        return cls(model, name=meta["name"], piece=meta["piece"])

    def _encode(self, data: bytes) -> np.ndarray:
        if not self.lossless:
            ids = self._processor.encode(data.decode("utf-8", "replace"))
            return np.array(ids, np.int32)
        return encode_spans(data, sentencepiece_model.SPACE, self._encode_text, self._byte_ids)

    def _encode_text(self, text: str) -> list[np.ndarray]:
        pieces = [text] if self._piece is None else cut(text, self._piece)
        return [np.array(self._processor.encode(piece), np.int32) for piece in pieces]


def _reason(error: Exception) -> str:
    """sentencepiece's message without its source positions, on one line."""
    return re.sub(r"^\w+: (\S+\(\d+\) )?(\[[^]]*\] )?", "", " ".join(str(error).split()))
