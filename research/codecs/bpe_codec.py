"""Byte-pair encoding by the `tokenizers` library: trained here (byte-level), or a tokenizer.json.

`tokenizers` takes text only. Bytes that are not UTF-8 go around it, by the ids of single bytes, so
a byte-level tokenizer is lossless on everything.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from research.codecs import saved
from research.codecs.unrecoverable import unrecoverable_share
from research.errors import FreevocabError, UsageError
from research.tokenizers import tokenizer_json
from research.tokenizers.static_vocabulary import StaticVocabulary
from research.tokenizers.text_spans import cut, each_as_bytes, encode_spans, training_pieces

TOKENIZER_FILE = "tokenizer.json"
# Without pre-tokenization a text is one word. Lines and parts of lines bound the trainer's work.
PIECE = 4096


class BPECodec(StaticVocabulary):
    """Ids of a tokenizer.json, special tokens never among those that `encode` gives.

    Args:
      content: a tokenizer.json's bytes.
      name: for tables; by default "bpe-" and the vocabulary's size.
      piece: characters that `tokenizers` sees at once; None hands over each text whole.

    `lossless` is True for byte-level tokenizers (GPT-2, Llama 3, those trained here), and for
    byte fallback where nothing but spaces is exchanged and no prefix is added; else see
    `unrecoverable_share`. Special tokens decode to nothing; their names in a text are text.
    """

    def __init__(self, content: bytes, *, name: str | None = None, piece: int | None = None):
        self._content = content
        self._piece = piece
        self._tokenizer = tokenizer_json.library(content)
        try:
            # As the library writes it: older files leave out what it fills in.
            spec = json.loads(self._tokenizer.to_str())
            if not isinstance(spec["model"]["vocab"], dict):
                kind = spec["model"]["type"]
                raise FreevocabError(f"a {kind} tokenizer.json cannot be used here, only BPE")
            self._strings = tokenizer_json.strings(spec)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FreevocabError(f"the tokenizer.json lacks a part ({error})") from error
        super().__init__(self._strings.tokens)
        self.lossless = self._strings.lossless
        byte_ids = [-1 if id_ is None else id_ for id_ in self._strings.byte_ids]
        self._byte_ids = np.array(byte_ids, np.int32)
        self.name = name or f"bpe-{self.vocab_size}"

    @classmethod
    def train(
        cls,
        texts: Iterable[bytes | str],
        vocab_size: int,
        *,
        pre_tokenize: bool = True,
        max_bytes: int | None = 20_000_000,
        name: str | None = None,
    ) -> "BPECodec":
        """A byte-level BPE: 256 bytes and vocab_size - 256 merges (fewer if the texts run out).

        Args:
          pre_tokenize: tokens stay inside the words that GPT-2's regular expression finds; False
            lets them cross, up to a line's length: slower, and about 90 bytes of memory for each
            byte of text.
          max_bytes: the first so many bytes of `texts` are used; None for all.

        Same texts and versions, same ids. Measured on 2 cores, 5 MB, 8,000 tokens: 1.4 s, and
        7 s without pre-tokenization.

        Raises:
          UsageError: vocab_size < 256.
        """
        if vocab_size < 256:
            raise UsageError(f"a byte-level BPE needs vocab_size >= 256, not {vocab_size}")
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(
            add_prefix_space=False, use_regex=pre_tokenize
        )
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            initial_alphabet=sorted(tokenizer_json.byte_alphabet()),
            special_tokens=[],
            show_progress=False,
        )
        pieces = training_pieces(texts, size=PIECE, max_bytes=max_bytes)
        tokenizer.train_from_iterator(pieces, trainer)
        return cls(tokenizer.to_str().encode(), name=name, piece=PIECE)

    @classmethod
    def from_tokenizer_json(
        cls, file: str | os.PathLike, *, name: str | None = None
    ) -> "BPECodec":
        """Opens a tokenizer.json; ids are `tokenizers`' own on every valid text without specials.

        Raises:
          FreevocabError: missing, damaged, or a model other than BPE.
        """
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
        """One byte string per id array; the space that a lossy tokenizer prepends is removed."""
        texts = super().decode(ids)
        return [text.removeprefix(b" ") for text in texts] if self._strings.prefix else texts

    @property
    def content(self) -> bytes:
        """The tokenizer.json."""
        return self._content

    def unrecoverable_share(self, texts: Iterable[bytes | str]) -> float:
        """Share of the bytes of `texts` that decoding does not give back; 0 if lossless."""
        return unrecoverable_share(self, texts)

    def fingerprint(self) -> str:
        """Hex digest of the tokenizer and of how texts are cut for it."""
        head = f"freevocab bpe {self._piece} ".encode()
        return hashlib.sha256(head + self._content).hexdigest()

    def save(self, directory: str | os.PathLike) -> None:
        """Writes codec.json and tokenizer.json."""
        options = {"name": self.name, "piece": self._piece}
        saved.write(directory, "bpe", options, {TOKENIZER_FILE: self._content})

    @classmethod
    def from_directory(cls, directory: Path, meta: Mapping[str, Any]) -> "BPECodec":
        """Opens what `save` wrote."""
        content = saved.read_file(directory, meta, TOKENIZER_FILE)
        return cls(content, name=meta["name"], piece=meta["piece"])

    def _encode(self, data: bytes) -> np.ndarray:
        if not self.lossless:
            parts = self._encode_text(data.decode("utf-8", "replace"))
            return np.concatenate(parts) if parts else np.zeros(0, np.int32)
        return encode_spans(data, self._strings.reserved, self._encode_text, self._byte_ids)

    def _encode_text(self, text: str) -> list[np.ndarray]:
        pieces = [text] if self._piece is None else [*cut(text, self._piece)]
        encoded = self._tokenizer.encode_batch_fast(pieces, add_special_tokens=False)
        return [np.array(one.ids, np.int32) for one in encoded]
