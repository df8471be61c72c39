"""From a table's config to its codecs, token stores and one trained, evaluated M2 per row.

A config that is used here has the fields corpus (a spec for `corpora.load`), m1 (M1Config),
codecs (CodecConfig, one for each row), m2 (M2Config), train_bytes, valid_bytes and seed. What
is built lies under the work directory and is reopened by the next run with the same config.
"""

import os
import time
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from configs.compressed_text.parts import CodecConfig, M1Config, M2Config
from experiments.compressed_text import compressors, encoding
from experiments.compressed_text.compressors import Log
from research.codecs.protocol import Codec
from research.corpora import Corpus
from research.errors import EncodeOnlyError, UsageError
from research.evaluation import bits_per_byte as bpb
from research.evaluation import flops
from research.training import token_store
from research.training.token_store import TokenStore


class Setting(Protocol):
    """The fields of a config that this module reads."""

    corpus: str
    m1: M1Config
    codecs: tuple[CodecConfig, ...]
    m2: M2Config
    train_bytes: int
    valid_bytes: int
    seed: int


class Clock:
    """Seconds since it was made."""

    def __init__(self):
        self._start = time.monotonic()

    def seconds(self) -> float:
        return round(time.monotonic() - self._start, 1)


def load_corpus(spec: str) -> Corpus:
    """The corpus of a spec in which $FREEVOCAB_DATA may stand for a folder.

    Raises:
      UsageError: if it does and the variable is not set, or the spec is wrong.
    """
    from research import corpora

    expanded = os.path.expandvars(spec)
    if "$FREEVOCAB_DATA" in expanded:
        raise UsageError(
            "this scale reads train* and valid* in the folder $FREEVOCAB_DATA, which is not set:"
            " set it, or give --set 'corpus=text:GLOB;valid=GLOB' (or --set corpus=builtin)"
        )
    return corpora.load(expanded)


def with_corpus(rows: list[dict[str, Any]], corpus: Corpus) -> list[dict[str, Any]]:
    """The rows, each with `corpus`: name and digest, and the built-in one's size.

    The built-in corpus differs from one Python to the next, so a result has to say which it was.
    """
    facts = f"{corpus.name}, digest {corpus.digest[:12]}"
    if corpus.name.startswith("builtin"):
        splits = corpus.describe()["splits"]
        facts += "".join(f", {name} {splits[name]['bytes']:,} bytes" for name in splits)
    return [row | {"corpus": facts} for row in rows]


def build_codecs(
    config: Setting, corpus: Corpus, workdir: Path, log: Log = print
) -> dict[str, Codec]:
    """The codec of each row by its label, in the config's order."""
    codecs: dict[str, Codec] = {}
    for codec_config in config.codecs:
        name = compressors.label(codec_config)
        if name in codecs:
            raise UsageError(f"two rows are called '{name}': give one of them a label")
        codecs[name] = compressors.build_codec(codec_config, config.m1, corpus, workdir, log)
    return codecs


def store(
    codec: Codec, corpus: Corpus, split: str, max_bytes: int, workdir: Path
) -> TokenStore:
    """The ids of the first `max_bytes` of a split, built once under `workdir`."""
    with encoding.shared(codec, max_bytes) as quick:
        return token_store.build(corpus, split, quick, workdir / "tokens", max_bytes=max_bytes)


def text_ids(tokens: TokenStore) -> np.ndarray:
    """All ids of a store but the EOS, int32."""
    return np.delete(tokens.ids, tokens.offsets[1:] - 1)


M2_COLUMNS = (
    "method",
    "vocabulary",
    "size",
    "ratio",
    "bits_per_byte",
    "mflops_per_byte",
    "bits_per_token",
    "accuracy",
    "train_bytes",
    "lost_share",
    "bits_per_byte_all",
    "seconds",
)
"""ratio: bytes of text a token, EOS not counted. bits_per_byte: all nats (EOS's too) over the
bytes of the validation text. train_bytes: text that went through M2, repeats counted. lost_share:
bytes that the codec cannot give back; bits_per_byte_all adds 8 bits for each."""


def train_and_evaluate(
    codec: Codec,
    config: Setting,
    workdir: Path,
    log: Log,
    *,
    codec_config: CodecConfig | None = None,
    corpus: Corpus | None = None,
    model_directory: Path | None = None,
) -> dict[str, Any]:
    """Trains M2 on a codec's ids of the train split; a row with its bits and FLOPs per byte.

    Every row of a table is evaluated on the same text, the first valid_bytes of the validation
    split.

    Args:
      codec: gives the ids.
      codec_config: names the row (else the codec does) and says whether M1 runs for each byte.
      corpus: config.corpus, if it is loaded already.
      model_directory: M2 and its codec are saved there, for `freevocab generate`.

    Returns:
      A row with M2_COLUMNS.
    """
    from experiments.compressed_text import second_model

    clock = Clock()
    corpus = load_corpus(config.corpus) if corpus is None else corpus
    name = compressors.method(codec_config) if codec_config else codec.name
    log(f"{name}, V = {codec.vocab_size}: encoding")
    train = store(codec, corpus, "train", config.train_bytes, workdir)
    valid = store(codec, corpus, "valid", config.valid_bytes, workdir)
    result = second_model.train(
        config.m2,
        train.vocab_size,
        second_model.training_batches(config.m2, train, config.seed),
        seed=config.seed,
        log=lambda line: log(f"{name}, V = {codec.vocab_size}: {line}"),
        workdir=workdir / "m2" / compressors.key(codec.fingerprint(), config),
    )
    batches = second_model.evaluation_batches(config.m2, valid)
    sums = second_model.evaluate(
        config.m2, valid.vocab_size, result.params, batches, valid.num_bytes
    )
    ratio = bytes_per_token(valid)
    m1 = m1_flops(codec_config, config.m1) if codec_config else 0.0
    value = sums.bits_per_byte
    lost = lost_share(codec, corpus, config.valid_bytes)
    log(f"{name}, V = {codec.vocab_size}: {value:.4f} bits/byte")
    if model_directory is not None:
        facts = {"corpus": config.corpus, "bits_per_byte": value, "steps": config.m2.steps}
        second_model.save(model_directory, config.m2, result.params, codec, facts)
    return {
        "method": name,
        "vocabulary": codec.vocab_size,
        "size": config.m2.size,
        "ratio": ratio,
        "bits_per_byte": value,
        "mflops_per_byte": flops.flops_per_byte(parameters(config.m2), ratio, m1) / 1e6,
        "bits_per_token": sums.nats / np.log(2) / sums.tokens,
        "accuracy": sums.others["correct"] / sums.tokens,
        "train_bytes": int(config.m2.steps * config.m2.batch_size * config.m2.length
                           * train.num_bytes / train.num_tokens),
        "lost_share": lost,
        "bits_per_byte_all": None if lost is None else bpb.with_lost_bytes(value, lost),
        "seconds": clock.seconds(),
    }


def train_rows(
    config: Setting, workdir: Path, log: Log, *, models: Path | None = None
) -> list[dict[str, Any]]:
    """`train_and_evaluate` for every codec of a config; M2s are kept in folders of `models`."""
    corpus = load_corpus(config.corpus)
    codecs = build_codecs(config, corpus, workdir, log)
    rows = [
        train_and_evaluate(
            codec,
            config,
            workdir,
            log,
            codec_config=codec_config,
            corpus=corpus,
            model_directory=models / compressors.folder(codec_config) if models else None,
        )
        for codec_config, codec in zip(config.codecs, codecs.values(), strict=True)
    ]
    return with_corpus(rows, corpus)


def bytes_per_token(tokens: TokenStore) -> float:
    """The codec's ratio on a store's text: EOS is not the codec's."""
    return tokens.num_bytes / (tokens.num_tokens - tokens.num_documents)


def lost_share(codec: Codec, corpus: Corpus, max_bytes: int) -> float | None:
    """Share of the validation text that a codec loses; None if it cannot decode at all."""
    from research.codecs.unrecoverable import unrecoverable_share

    if codec.lossless:
        return 0.0
    texts = compressors.documents(corpus, "valid", max_bytes)
    try:
        return unrecoverable_share(codec, texts)
    except EncodeOnlyError:
        return None


def parameters(config: M2Config) -> float:
    """M2's size for FLOPs: the paper's nominal number where it has one, else the kernels."""
    from experiments.compressed_text import second_model

    nominal = flops.NOMINAL_PARAMETERS.get(config.size)
    return nominal or second_model.kernel_count(config)


def m1_flops(codec: CodecConfig, m1: M1Config) -> float:
    """FLOPs of M1 for each byte: the paper's 6 million where a Transformer runs live, else 0.

    Counts cost look-ups, not FLOPs; a codebook needs no M1 once it is compiled; StaticAC's is a
    table (the paper counts none for it either).
    """
    live = codec.kind in ("ac", "equal_info")
    return flops.M1_FLOPS_PER_BYTE if live and m1.kind == "saved" else 0.0
