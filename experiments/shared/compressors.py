"""M1 and the codecs of a table, built from their configs once and reopened after that."""

import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from configs.shared import CodecConfig, M1Config
from experiments.shared import weights
from research.codecs.byte_models import ByteModel
from research.codecs.protocol import Codec
from research.corpora import Corpus
from research.errors import UsageError
from research.reporting import results

Log = Callable[[str], None]
TOKENIZER_BYTES = 20_000_000  # of train text that SentencePiece, BPE and the dictionary see
# What compresses is made from one half of the training documents, what is trained on the ids reads
# the other: M1's own text costs it less than any other would.
COMPRESSORS, MODELS = 1, 0


def expanded(path: str, unset: str) -> str:
    """A path or corpus in which $FREEVOCAB_DATA may stand for a folder, filled in.

    Raises:
      UsageError: with the message `unset`, if it does and the variable is not set.
    """
    filled = os.path.expandvars(path)
    if "$FREEVOCAB_DATA" in filled:
        raise UsageError(unset)
    return filled


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
    from research.codecs import byte_models

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
        from research.codecs.byte_models.ngram import UnigramModel

        model = UnigramModel.train(texts, beta=config.beta)
    else:
        from research.codecs.byte_models.ngram import NGramModel

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
    return weights.slug(label(config).replace("=", ""))


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
    from research import codecs

    if config.beta:
        m1 = dataclasses.replace(m1, beta=config.beta)
    if config.kind == "bytes":
        return codecs.load("bytes")
    if config.kind == "saved":
        return codecs.load(config.directory)
    if config.kind == "gzip":
        from research.codecs.basic import GZipCodec

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


def _built_codec(config, m1, corpus, workdir, log) -> Codec:
    if config.kind == "sentencepiece":
        from research.codecs.subword import SentencePieceCodec

        texts = documents(corpus, "train", TOKENIZER_BYTES, COMPRESSORS)
        return SentencePieceCodec.train(
            texts, config.vocab_size, pre_tokenize=config.pre_tokenize
        )
    if config.kind == "bpe":
        from research.codecs.subword import BPECodec

        texts = documents(corpus, "train", TOKENIZER_BYTES, COMPRESSORS)
        return BPECodec.train(texts, config.vocab_size, pre_tokenize=config.pre_tokenize)
    if config.kind == "dictionary":
        from research.codecs.codebook.dictionary import train_dictionary

        texts = documents(corpus, "train", TOKENIZER_BYTES, COMPRESSORS)
        return train_dictionary(texts, config.vocab_size)
    from research.codecs.codebook.build import compile_codebook

    return compile_codebook(build_m1(m1, corpus, workdir, log), config.window_bits)
