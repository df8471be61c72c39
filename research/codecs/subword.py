"""BPE and Unigram vocabularies: trained here without loss, or opened from a file.

    BPECodec             a tokenizer.json, by `tokenizers`; trained here it is byte-level
    SentencePieceCodec   a .model, by `sentencepiece`; trained here it is Unigram (Kudo, 2018) with
                         byte fallback, the identity as normaliser and no prefix

Both libraries take text only. What they cannot take goes around them, by the ids of single bytes:
bytes that are not UTF-8 and, where it means a space inside the library, U+2581.
"""

import abc
import hashlib
import io
import itertools
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from research.codecs import saved
from research.errors import MALFORMED, FreevocabError, UsageError
from research.files import reading
from research.tokenizers import FileTokenizer, sentencepiece_model, tokenizer_json
from research.tokenizers.json_library import JsonLibrary
from research.tokenizers.load import of_json, of_sentencepiece
from research.tokenizers.static_vocabulary import StaticVocabulary
from research.tokenizers.text_spans import cut, each_as_bytes, encode_spans, training_pieces
from research.tokenizers.tokenizer_json import SPACE, Strings

# Characters per call of a library, in training and after it. A vocabulary trained on such pieces
# has no entry that crosses their ends, so that cutting a text the same way costs nothing and
# bounds the work: without pre-tokenization a text is one word.
PIECE = 4096
# sentencepiece's trainer passes over a sentence that holds its mark for unknown characters.
_UNKNOWN = "\u2585"
# Its sums depend on the number of threads: fixed, so that a text gives one model.
_TRAINING_THREADS = 2


class SubwordCodec(StaticVocabulary, abc.ABC):
    """What the two have in common.

    Args:
      content: the tokenizer's file.
      name: for tables; by default the kind and the vocabulary's size.
      piece: characters that the library sees at once; None hands over each text whole.

    `lossless` is True where the file's entries, joined, are the text; of any other codec
    `research.evaluation.per_byte` measures the loss. Special tokens decode to nothing; their
    names in a text are text.
    """

    kind: ClassVar[str]
    file: ClassVar[str]
    """Name of the tokenizer's file in a saved codec's folder."""
    def __init__(self, content: bytes, *, name: str | None = None, piece: int | None = None):
        entries = self._open(content)
        super().__init__(entries.tokens)
        self.content = content
        self.lossless = entries.lossless
        self._entries, self._byte_ids = entries, entries.byte_ids_256()
        self.name = name or f"{self.kind}-{self.vocab_size}"
        if piece is not None and (isinstance(piece, bool) or piece < 1):
            raise UsageError(f"piece is {piece!r}: characters at once, at least 1, or None")
        self._piece = piece

    @classmethod
    def from_file(cls, file: str | os.PathLike, *, name: str | None = None) -> Self:
        """Opens a tokenizer's file; ids are the library's own on every valid text.

        Raises:
          FreevocabError: missing, damaged, or not a file that this class reads.
        """
        with reading(file):
            content = Path(file).read_bytes()
        try:
            return cls(content, name=name)
        except FreevocabError as error:
            raise FreevocabError(f"{file}: {error}") from error
        except MALFORMED as error:
            problem = " ".join(f"{type(error).__name__} {error}".split())
            raise FreevocabError(f"{file}: the tokenizer is damaged ({problem})") from error

    def encode(self, texts: Sequence[bytes | str]) -> list[np.ndarray]:
        return [self._encode(text) for text in each_as_bytes(texts)]

    def decode(self, ids: Sequence[np.ndarray]) -> list[bytes]:
        """One byte string per id array; the space that a lossy tokenizer prepends is removed."""
        texts = super().decode(ids)
        return [text.removeprefix(b" ") for text in texts] if self._entries.prefix else texts

    def fingerprint(self) -> str:
        """Hex digest of the file and of how texts are cut for it."""
        head = f"freevocab {self.kind} {self._piece} ".encode()
        return hashlib.sha256(head + self.content).hexdigest()

    def save(self, directory: str | os.PathLike) -> None:
        options = {"name": self.name, "piece": self._piece}
        saved.write(directory, self.kind, options, {self.file: self.content})

    @classmethod
    def from_directory(cls, directory: Path, meta: Mapping[str, Any]) -> Self:
        content = saved.read_file(directory, meta, cls.file)
        piece = meta["piece"]
        if piece is not None and (type(piece) is not int or piece < 1):
            raise FreevocabError(
                f"{directory} is damaged (piece is {piece!r}, not a number from 1 or null): "
                "get another copy"
            )
        return cls(content, name=meta["name"], piece=piece)

    def _encode(self, data: bytes) -> np.ndarray:
        if self.lossless:
            return encode_spans(data, self._entries.reserved, self._encode_text, self._byte_ids)
        parts = self._encode_text(data.decode("utf-8", "replace"))
        return np.concatenate(parts) if parts else np.zeros(0, np.int32)

    def _encode_text(self, text: str) -> list[np.ndarray]:
        pieces = [text] if self._piece is None else [*cut(text, self._piece)]
        return [np.array(ids, np.int32) for ids in self._ids(pieces)]

    @abc.abstractmethod
    def _open(self, content: bytes) -> Strings:
        """Opens the library; the file's entries."""

    @abc.abstractmethod
    def tokenizer(self) -> FileTokenizer:
        """The file as a `Tokenizer`."""

    @abc.abstractmethod
    def _ids(self, pieces: list[str]) -> list[list[int]]:
        """The library's ids of each piece."""


class BPECodec(SubwordCodec):
    """Ids of a tokenizer.json, special tokens never among those that `encode` gives.

    `lossless` is True for byte-level tokenizers (GPT-2, Llama 3, those trained here), and for
    byte fallback where nothing but spaces is exchanged and no prefix is added.
    """

    kind, file = "bpe", "tokenizer.json"

    def _open(self, content: bytes) -> Strings:
        tokenizer_json.check_ids(content)
        self._library = JsonLibrary(content)
        try:
            # As the library writes it: older files leave out what it fills in.
            spec = self._library.spec()
            if not isinstance(spec["model"]["vocab"], dict):
                model = spec["model"]["type"]
                raise FreevocabError(f"a {model} tokenizer.json cannot be used here, only BPE")
            return tokenizer_json.strings(spec)
        except MALFORMED as error:
            raise FreevocabError(f"the tokenizer.json lacks a part ({error})") from error

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
          max_bytes: how many bytes of `texts` are used, from the first on; None for all.

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

    def tokenizer(self) -> FileTokenizer:
        """The tokenizer.json as a `Tokenizer`."""
        return of_json(self.content, name=self.name)

    def _ids(self, pieces: list[str]) -> list[list[int]]:
        return self._library.encode(pieces)


class SentencePieceCodec(SubwordCodec):
    """Ids of a sentencepiece model.

    `lossless` is True if the model has byte fallback and changes nothing; T5's changes spaces.
    Control pieces and <unk> decode to nothing.
    """

    kind, file = "sentencepiece", "sentencepiece.model"

    def _open(self, content: bytes) -> Strings:
        self._processor = sentencepiece_model.processor(content)
        return sentencepiece_model.entries(content, self._processor)

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
          max_bytes: how many bytes of `texts` are used, from the first on; None for all.

        Runs of spaces may be pieces. Same texts and versions, same model. Measured on 2 cores,
        5 MB, 8,000 pieces: 14 s.

        Raises:
          UsageError: vocab_size cannot hold the bytes.
          FreevocabError: too little text for so many pieces.
        """
        if vocab_size < 300:
            raise UsageError(f"a lossless sentencepiece needs vocab_size >= 300, not {vocab_size}")
        model = io.BytesIO()
        pieces = training_pieces(texts, size=PIECE, max_bytes=max_bytes, reserved=SPACE + _UNKNOWN)
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
                num_threads=_TRAINING_THREADS,
                minloglevel=3,
            )
        except RuntimeError as error:
            raise FreevocabError(f"sentencepiece cannot train: {_reason(error)}") from error
        return cls(model.getvalue(), name=name, piece=PIECE)

    def tokenizer(self) -> FileTokenizer:
        """The model as a `Tokenizer`."""
        return of_sentencepiece(self.content, name=self.name)

    def _ids(self, pieces: list[str]) -> list[list[int]]:
        return [self._processor.encode(piece) for piece in pieces]


def _reason(error: Exception) -> str:
    """sentencepiece's message without its source positions, on one line."""
    return re.sub(r"^\w+: (\S+\(\d+\) )?(\[[^]]*\] )?", "", " ".join(str(error).split()))
