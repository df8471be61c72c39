"""M1 and the codecs of a table, built from their configs once and reopened after that.

`parallel` encodes on several processes, which import this module: it imports little, and no JAX.
"""

import contextlib
import dataclasses
import multiprocessing
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from configs.shared import CodecConfig, M1Config
from experiments.shared.tables import Log, slug
from research import codecs, corpora
from research.codecs import byte_models
from research.codecs.basic import GZipCodec
from research.codecs.byte_models import ByteModel, SteppedByteModel
from research.codecs.byte_models.ngram import NGramModel, UnigramModel
from research.codecs.codebook.build import compile_codebook
from research.codecs.codebook.dictionary import train_dictionary
from research.codecs.protocol import Codec, SavableCodec
from research.codecs.subword import BPECodec, SentencePieceCodec
from research.corpora import Corpus
from research.errors import EncodeOnlyError, UsageError
from research.evaluation.per_byte import unrecoverable_share
from research.reporting import results

TOKENIZER_BYTES = 20_000_000  # of train text that SentencePiece, BPE and the dictionary see
# What compresses is made from one half of the training documents, what is trained on the ids reads
# the other: M1's own text costs it less than any other would.
COMPRESSORS, MODELS = 1, 0
PARALLEL_BYTES = 4_000_000  # below this, starting processes costs more than it saves


def expanded(path: str, unset: str) -> str:
    """A path or corpus in which $FREEVOCAB_DATA may stand for a folder, filled in.

    Raises:
      UsageError: with the message `unset`, if it does and the variable is not set.
    """
    filled = os.path.expandvars(path)
    if "$FREEVOCAB_DATA" in filled:
        raise UsageError(unset)
    return filled


def load_corpus(spec: str) -> Corpus:
    """The corpus of a spec in which $FREEVOCAB_DATA may stand for a folder.

    Raises:
      UsageError: if it does and the variable is not set, or the spec is wrong.
    """
    unset = (
        "this scale reads train* and valid* in the folder $FREEVOCAB_DATA, which is not set:"
        " set it, or give --set 'corpus=text:GLOB;valid=GLOB' (or --set corpus=builtin)"
    )
    return corpora.load(expanded(spec, unset))


def documents(
    corpus: Corpus, split: str, max_bytes: int, half: int | None = None
) -> list[bytes]:
    """Whole documents from the start of a split, the first one always, up to `max_bytes`.

    Args:
      half: COMPRESSORS or MODELS; None: all documents.
    """
    return list(_up_to(corpus.documents(split, half=half), max_bytes))


def _up_to(texts: Iterator[bytes], max_bytes: int) -> Iterator[bytes]:
    total = 0
    for text in texts:
        total += len(text)
        if total > max_bytes and total != len(text):
            return
        yield text


def build_m1(config: M1Config, corpus: Corpus, workdir: Path, log: Log = print) -> ByteModel:
    """The byte model, counted on the train split, or opened.

    Raises:
      UsageError: if a saved model is asked for and its folder is not there.
    """
    if config.kind == "saved":
        if not Path(config.directory).is_dir():
            raise UsageError(
                f"no byte model at '{config.directory}': make one with `freevocab train m1`"
                " and name its folder by --set m1.directory=DIR"
            )
        return byte_models.load(config.directory)
    directory = workdir / "m1" / results.key(corpus.digest, config)
    if directory.is_dir():
        return byte_models.load(directory)
    log(f"counting M1 ({config.kind}) on {corpus.name}")
    texts = documents(corpus, "train", config.max_bytes, COMPRESSORS)
    if config.kind == "unigram":
        model = UnigramModel.train(texts, beta=config.beta)
    else:
        model = NGramModel.train(texts, order=config.order, beta=config.beta)
    model.save(directory)
    return model


def method(config: CodecConfig) -> str:
    """What a table calls the row: the config's label, or the kind and what sets it apart.

    `EqualInfo W=16` alone is the paper's greedy `point` rule; token width is another column.
    """
    if config.label:
        return config.label
    match config.kind:
        case "equal_info":
            closing = "" if config.closing == "point" else f" {config.closing}"
            reset = "" if config.reset == "every" else f" reset={config.reset}"
            return f"EqualInfo W={config.window_bits}{closing}{reset}"
        case "codebook":
            return f"EqualInfo W={config.window_bits} point+delay"
        case "gzip":
            return "GZip" if config.header else "GZip no header"
        case "bpe":
            return "BPE" if config.pre_tokenize else "BPE across words"
        case "saved":
            return config.directory
        case kind:
            return _NAMES.get(kind, kind)


_NAMES = {
    "bytes": "Bytes", "sentencepiece": "SentencePiece", "ac": "AC", "static_ac": "StaticAC",
}


def label(config: CodecConfig) -> str:
    """`method`, and the token's width where that is a choice: unique in a table."""
    if config.kind in ("ac", "static_ac", "equal_info", "gzip"):
        return f"{method(config)} N={config.bits_per_token}"
    if config.kind in ("sentencepiece", "bpe", "dictionary"):
        return f"{method(config)} V={config.vocab_size}"
    return method(config)


def folder(config: CodecConfig) -> str:
    """`label` as the name of a folder: `EqualInfo W=16 point+delay` -> equalinfo-w16-point-delay"""
    return slug(label(config).replace("=", ""))


def made_from(config: CodecConfig, m1: M1Config) -> dict[str, Any]:
    """What decides on a codec besides the corpus, as JSON values."""
    decides: dict[str, Any] = dataclasses.asdict(config)
    del decides["label"]
    if config.kind in ("sentencepiece", "bpe", "dictionary"):
        decides["max_bytes"] = TOKENIZER_BYTES
    if config.kind in ("ac", "static_ac", "equal_info", "codebook"):
        decides["m1"] = dataclasses.asdict(m1)
    return decides | {"half": COMPRESSORS}


def build_codec(
    config: CodecConfig, m1: M1Config, corpus: Corpus, workdir: Path, log: Log = print
) -> Codec:
    """One codec, trained or compiled where it has to be."""
    if config.beta:
        m1 = dataclasses.replace(m1, beta=config.beta)
    if config.kind == "bytes":
        return codecs.load("bytes")
    if config.kind == "saved":
        return codecs.load(config.directory)
    if config.kind == "gzip":
        return GZipCodec(bits_per_token=config.bits_per_token, header=config.header)
    if config.kind in ("ac", "static_ac", "equal_info"):
        return _live_codec(config, m1, corpus, workdir, log)
    parts = (corpus.digest, config, m1 if config.kind == "codebook" else None)
    directory = workdir / "codecs" / results.key(*parts)
    if directory.is_dir():
        return codecs.load(directory)
    log(f"building {label(config)}")
    codec = _built_codec(config, m1, corpus, workdir, log)
    codec.save(directory)
    return codec


def _live_codec(config, m1, corpus, workdir, log) -> Codec:
    if config.kind == "equal_info":
        from research.codecs.windows import EqualInfoCodec

        return EqualInfoCodec(
            build_m1(m1, corpus, workdir, log),
            window_bits=config.window_bits,
            bits_per_token=config.bits_per_token,
            beta=m1.beta,
            closing=config.closing,
            reset=config.reset,
        )
    from research.codecs.arithmetic import ArithmeticCodec

    if config.kind == "static_ac":
        m1 = M1Config(kind="unigram", beta=m1.beta, max_bytes=m1.max_bytes)
    model = build_m1(m1, corpus, workdir, log)
    return ArithmeticCodec(model, bits_per_token=config.bits_per_token, beta=m1.beta)


def _built_codec(config, m1, corpus, workdir, log) -> SavableCodec:
    if config.kind == "codebook":
        return compile_codebook(build_m1(m1, corpus, workdir, log), config.window_bits)
    texts = documents(corpus, "train", TOKENIZER_BYTES, COMPRESSORS)
    if config.kind == "dictionary":
        return train_dictionary(texts, config.vocab_size)
    subword = BPECodec if config.kind == "bpe" else SentencePieceCodec
    return subword.train(texts, config.vocab_size, pre_tokenize=config.pre_tokenize)


def lost_share(codec: Codec, corpus: Corpus, max_bytes: int) -> float | None:
    """Share of the validation text that a codec loses; None if it cannot decode at all."""
    if codec.lossless:
        return 0.0
    texts = documents(corpus, "valid", max_bytes)
    try:
        return unrecoverable_share(codec, texts)
    except EncodeOnlyError:
        return None


class ParallelCodec:
    """A codec whose `encode` spreads its texts over processes; otherwise the codec itself.

    The processes are started by the first `encode` and live until the context is left.
    """

    def __init__(self, codec: SavableCodec, processes: int, stack: contextlib.ExitStack):
        self._codec, self._processes, self._stack = codec, processes, stack
        self._pool = None

    def __getattr__(self, name: str):
        return getattr(self._codec, name)

    def encode(self, texts: Sequence[bytes | str]) -> list[np.ndarray]:
        """As the codec's; texts go to whichever process is free, a few at a time."""
        texts = list(texts)
        if self._pool is None:
            self._pool = self._stack.enter_context(_pool(self._codec, self._processes))
        size = max(1, len(texts) // (8 * self._processes))
        parts = [texts[start : start + size] for start in range(0, len(texts), size)]
        return [ids for part in self._pool.map(_encode, parts, chunksize=1) for ids in part]


@contextlib.contextmanager
def parallel(codec: Codec, num_bytes: int, processes: int | None = None) -> Iterator[Codec]:
    """The codec on as many processes as pay for so much text: itself, or a `ParallelCodec`.

    Only codecs that ask a byte model on the host are slow enough; a Transformer M1 runs on the
    accelerator and is never spread.

    Args:
      processes: by default one for each core, if there are at least four and enough text.
    """
    model = getattr(codec, "model", None)
    if processes is None:
        processes = os.cpu_count() or 1
        processes = processes if processes >= 4 and num_bytes >= PARALLEL_BYTES else 1
    slow = model is not None and not isinstance(model, SteppedByteModel)
    if not slow or processes == 1 or not isinstance(codec, SavableCodec):
        yield codec
        return
    with contextlib.ExitStack() as stack:
        # What it has not itself it takes from the codec.
        yield ParallelCodec(codec, processes, stack)  # pyright: ignore[reportReturnType]


@contextlib.contextmanager
def _pool(codec: SavableCodec, processes: int):
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "codec"
        codec.save(directory)
        before = os.environ.get("JAX_PLATFORMS")
        os.environ["JAX_PLATFORMS"] = "cpu"  # the accelerator is this process's
        try:
            context = multiprocessing.get_context("spawn")
            pool = context.Pool(processes, _open, (str(directory),))
        finally:
            os.environ.pop("JAX_PLATFORMS")
            if before is not None:
                os.environ["JAX_PLATFORMS"] = before
        with pool:
            yield pool


def _open(directory: str) -> None:
    # One codec for each process, as long as the process lives.
    _encode.codec = codecs.load(directory)


def _encode(texts: list[bytes | str]) -> list[np.ndarray]:
    return _encode.codec.encode(texts)
