"""From a table's config to its codecs, token stores and one trained, evaluated M2 per row.

A config that is used here has the fields corpus (a spec for `corpora.load`), m1 (M1Config),
codecs (CodecConfig, one for each row), m2 (M2Config), train_bytes, valid_bytes, examples
(ExampleConfig), seed and weights (see `experiments.shared.weights`). What is built lies under the
work directory and is reopened by the next run with the same config.
"""

import dataclasses
import time
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from configs.shared import CodecConfig, ExampleConfig, M1Config, M2Config
from experiments.shared import compressors, encoding, m2, position_counts, weights
from experiments.shared.compressors import Log
from research import corpora
from research.codecs import lm_folder
from research.codecs.protocol import Codec
from research.corpora import Corpus
from research.errors import EncodeOnlyError, UsageError
from research.evaluation import per_byte
from research.models import sizes
from research.reporting import kept_rows, results
from research.training import loop
from research.training.data import example_store
from research.training.data.example_store import Examples
from research.training.data.token_store import TokenStore

BEGINNING_BYTES = 80_000


class Setting(Protocol):
    """The fields of a config, a dataclass, that this module reads."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    corpus: str
    m1: M1Config
    codecs: tuple[CodecConfig, ...]
    m2: M2Config
    train_bytes: int
    valid_bytes: int
    examples: ExampleConfig
    seed: int
    weights: weights.Source
    only: tuple[str, ...]


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
    unset = (
        "this scale reads train* and valid* in the folder $FREEVOCAB_DATA, which is not set:"
        " set it, or give --set 'corpus=text:GLOB;valid=GLOB' (or --set corpus=builtin)"
    )
    return corpora.load(compressors.expanded(spec, unset))


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
    """The codec of each row by its label, in the config's order.

    Those that are kept with committed weights are opened, as some take minutes to train.
    """
    from research.codecs import load

    codecs: dict[str, Codec] = {}
    for codec_config in config.codecs:
        name = compressors.label(codec_config)
        if name in codecs:
            raise UsageError(f"two rows are called '{name}': give one of them a label")
        kept = _place(codec_config, config, workdir, "").folder / "codec"
        codecs[name] = (
            load(kept)
            if config.weights == "committed" and kept.is_dir()
            else compressors.build_codec(codec_config, config.m1, corpus, workdir, log)
        )
    return codecs


def store(
    codec: Codec, corpus: Corpus, split: str, config: Setting, workdir: Path
) -> TokenStore:
    """The examples of a split as the ids that M2 reads of each, built once under `workdir`."""
    train = split == "train"
    cut = config.examples
    examples = Examples(
        config.m2.length,
        cut.example_bytes,
        cut.stride_bytes if train else cut.valid_stride_bytes,
        measured=32 if train else cut.ratio_examples,
    )
    max_bytes = config.train_bytes if train else config.valid_bytes
    with encoding.shared(codec, max_bytes) as quick:
        return example_store.build(
            corpus,
            split,
            quick,
            workdir / "tokens",
            examples,
            max_bytes=max_bytes,
            half=compressors.MODELS if train else None,
        )


M2_COLUMNS = (
    "method", "vocabulary", "size", "ratio", "bits_per_byte", "mflops_per_byte", "bits_per_token",
    "by_position", "accuracy", "train_bytes", "lost_share", "bits_per_byte_all", "seconds",
)  # fmt: skip
M2_MEANING = {
    "ratio": "bytes of text a token, over whole examples",
    "bits_per_byte": "bits_per_token / ratio",
    "mflops_per_byte": "millions of FLOPs of a forward pass for each byte of text",
    "bits_per_token": "bits a token of held-out text; log2 of the vocabulary is uniform",
    "by_position": (
        "bits a token of what only counts, ids or ids by their place (`position_counts`)"
    ),
    "train_bytes": "text that went through M2, repeats counted",
    "seconds": "training and evaluation; where weights are opened, what their training took",
}


def train_and_evaluate(
    codec: Codec,
    config: Setting,
    workdir: Path,
    log: Log,
    *,
    table: str = "",
    codec_config: CodecConfig | None = None,
    corpus: Corpus | None = None,
    model_directory: Path | None = None,
) -> dict[str, Any]:
    """Trains M2 on a codec's ids of the train split, or opens it; a row with its bits per byte.

    Every row of a table is evaluated on the beginnings of the same examples of the validation
    split.

    Args:
      codec: gives the ids.
      table: whose command trains the weights, if config.weights says that they are kept.
      codec_config: names the row (else the codec does) and says whether M1 runs for each byte.
      corpus: config.corpus, if it is loaded already.
      model_directory: M2 and its codec are saved there, for `freevocab generate`.

    Returns:
      A row with M2_COLUMNS.

    Raises:
      MissingWeights: if config.weights wants committed ones that are not there.
    """
    clock = Clock()
    corpus = load_corpus(config.corpus) if corpus is None else corpus
    name = compressors.method(codec_config) if codec_config else codec.name
    place = _place(codec_config, config, workdir, table)
    settings = described(codec, codec_config, config, corpus)
    run = workdir / "m2" / results.key(settings)

    def say(line: str) -> None:
        log(f"{name}, V = {codec.vocab_size}: {line}")

    def train() -> tuple[Any, dict[str, Any]]:
        say("encoding")
        train = store(codec, corpus, "train", config, workdir)
        lm = m2.lm(config.m2, train.vocab_size)
        size = {"batch_size": config.m2.batch_size, "length": config.m2.length}
        batch_fn = lm.training_batches(train, seed=config.seed, **size)
        result = lm.train(batch_fn, m2.train_config(config.m2, seed=config.seed), run, log=say)
        ids = config.m2.steps * config.m2.batch_size * config.m2.length
        return result.params, {
            "ids": ids,
            "bytes": int(ids * train.bytes_per_token),
            "seconds": result.metrics["seconds"],
            "seed": config.seed,
        }

    def evaluate(params: Any) -> dict[str, float]:
        kept = {} if not config.weights else {
            f"{name} of the beginning": value
            for name, value in beginning(codec, corpus, config, workdir, params).items()
        }
        return figures(codec, corpus, config, workdir, params) | kept

    model = m2.model_config(config.m2, codec.vocab_size + 2)
    form = weights.language_model(model, codec)
    params, record = weights.obtain(place, settings, form, train, evaluate, say)
    loop.remove(run)
    measured = record["figures"]
    value, ratio = measured["bits_per_byte"], measured["ratio"]
    m1 = m1_flops(codec_config, config.m1) if codec_config else 0.0
    lost = lost_share(codec, corpus, config.valid_bytes)
    say(f"{value:.4f} bits/byte")
    if model_directory is not None:
        facts = {"corpus": config.corpus, "bits_per_byte": value, "steps": config.m2.steps}
        lm_folder.save(model_directory, params, model, codec, facts)
    return {
        "method": name,
        "vocabulary": codec.vocab_size,
        "size": config.m2.size,
        "ratio": ratio,
        "bits_per_byte": value,
        "mflops_per_byte": per_byte.flops_per_byte(parameters(config.m2), ratio, m1) / 1e6,
        "bits_per_token": measured["bits_per_token"],
        "by_position": _by_position(codec, corpus, config, workdir),
        "accuracy": measured["accuracy"],
        "train_bytes": record["bytes"],
        "lost_share": lost,
        "bits_per_byte_all": None if lost is None else per_byte.with_lost_bytes(value, lost),
        "seconds": round(record["seconds"], 1) if place.source else clock.seconds(),
    }


def figures(
    codec: Codec, corpus: Corpus, config: Setting, workdir: Path, params: Any
) -> dict[str, float]:
    """What M2 makes of the validation text: ratio, bits_per_byte, bits_per_token, accuracy."""
    valid = store(codec, corpus, "valid", config, workdir)
    sums = m2.lm(config.m2, valid.vocab_size).evaluate_store(
        params, valid, batch_size=config.m2.evaluation_batch_size, length=config.m2.length
    )
    return {
        "ratio": valid.bytes_per_token,
        "bits_per_byte": sums.bits_per_byte,
        "bits_per_token": sums.nats / np.log(2) / sums.tokens,
        "accuracy": sums.others["correct"] / sums.tokens,
    }


def _by_position(codec: Codec, corpus: Corpus, config: Setting, workdir: Path) -> float:
    """Of counts of a part of the training text, the same whether M2 is trained or opened."""
    most = position_counts.EXAMPLES * config.examples.stride_bytes
    part = dataclasses.replace(config, train_bytes=min(config.train_bytes, most))
    train, valid = (store(codec, corpus, of, part, workdir) for of in ("train", "valid"))
    return position_counts.bits_per_token(train, valid, codec.vocab_size)


def beginning(
    codec: Codec, corpus: Corpus, config: Setting, workdir: Path, params: Any
) -> dict[str, float]:
    """`figures` of so little text that a test can compare them with a record."""
    little = dataclasses.replace(config, valid_bytes=BEGINNING_BYTES)
    measured = figures(codec, corpus, little, workdir, params)
    return {name: measured[name] for name in ("bits_per_token", "accuracy")}


def _place(
    codec: CodecConfig | None, config: Setting, workdir: Path, table: str
) -> weights.Place:
    name = compressors.folder(codec) if codec else ""
    return weights.Place("compressed_text", name, table, config.weights, workdir, only=True)


def described(
    codec: Codec, codec_config: CodecConfig | None, config: Setting, corpus: Corpus
) -> dict[str, Any]:
    """What decides on a trained M2; how a step is computed does not.

    The codec's making is in it too: where a codec is kept with its weights, nothing else would
    notice that its configuration has changed.
    """
    trained = dataclasses.asdict(config.m2)
    for name in ("parallelism", "chunk_size", "remat", "evaluation_batch_size", "save_every"):
        del trained[name]
    return {
        "corpus": corpus.name,
        "corpus_digest": corpus.digest,
        "codec": codec.fingerprint(),
        "made_from": codec_config and compressors.made_from(codec_config, config.m1),
        "m2": trained,
        "train_bytes": config.train_bytes,
        "examples": dataclasses.asdict(config.examples),
        "seed": config.seed,
    }


def weights_of(config: Setting) -> list[str]:
    """Folders of the models that a table's rows open."""
    return [compressors.folder(codec_config) for codec_config in config.codecs]


def train_rows(
    config: Setting,
    workdir: Path,
    log: Log,
    *,
    table: str = "",
    models: Path | None = None,
) -> list[dict[str, Any]]:
    """`train_and_evaluate` for every codec of a config; M2s are kept in folders of `models`.

    A row whose weights should be committed and are not is left out, and the log says so.

    Raises:
      UsageError: if config.only names a row that the table has not.
      MissingWeights: if there are committed weights of no row.
    """
    whole, corpus = config, load_corpus(config.corpus)
    chosen = []
    for codec_config in weights.chosen(config.codecs, weights_of(config), config.only):
        place = _place(codec_config, config, workdir, table)
        if config.weights == "committed" and not place.has_record:
            log(f"left out: {place.missing}")
            continue
        chosen.append(codec_config)
    if not chosen:
        raise weights.MissingWeights(_place(config.codecs[0], config, workdir, table).missing)
    config = dataclasses.replace(config, codecs=tuple(chosen))
    codecs = build_codecs(config, corpus, workdir, log)
    rows = []
    for codec_config, codec in zip(config.codecs, codecs.values(), strict=True):
        name = compressors.folder(codec_config)

        def measure(codec=codec, codec_config=codec_config, name=name) -> dict[str, Any]:
            return train_and_evaluate(
                codec,
                config,
                workdir,
                log,
                table=table,
                codec_config=codec_config,
                corpus=corpus,
                model_directory=models / name if models else None,
            )

        rows.append(
            measure() if config.weights else kept_rows.kept(workdir, whole, name, measure)
        )
    return with_corpus(rows, corpus)


def lost_share(codec: Codec, corpus: Corpus, max_bytes: int) -> float | None:
    """Share of the validation text that a codec loses; None if it cannot decode at all."""
    if codec.lossless:
        return 0.0
    texts = compressors.documents(corpus, "valid", max_bytes)
    try:
        return per_byte.unrecoverable_share(codec, texts)
    except EncodeOnlyError:
        return None


def parameters(config: M2Config) -> float:
    """M2's size for FLOPs: the paper's nominal number where it has one, else the kernels."""
    nominal = per_byte.NOMINAL_PARAMETERS.get(config.size)
    return nominal or sizes.kernel_count(m2.trunk_config(config))


def m1_flops(codec: CodecConfig, m1: M1Config) -> float:
    """FLOPs of M1 for each byte: the paper's 6 million where a Transformer runs live, else 0.

    Counts cost look-ups, not FLOPs; a codebook needs no M1 once it is compiled; StaticAC's is a
    table (the paper counts none for it either).
    """
    live = codec.kind in ("ac", "equal_info")
    return per_byte.M1_FLOPS_PER_BYTE if live and m1.kind == "saved" else 0.0
