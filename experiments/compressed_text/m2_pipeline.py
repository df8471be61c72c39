"""From a table's config to its codecs, token stores and one trained, evaluated M2 per row.

What is built lies under the work directory and is reopened by the next run with the same config.
"""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import numpy as np

from configs.compressed_text.presets import TrainedTable
from configs.shared import CodecConfig
from experiments.compressed_text import m2
from experiments.shared import compressors, weights
from experiments.shared.tables import Clock, Log, Row, with_corpus
from research import codecs
from research.codecs import lm_folder
from research.codecs.protocol import Codec
from research.corpora import Corpus
from research.errors import UsageError
from research.evaluation import per_byte
from research.reporting import results
from research.training import loop
from research.training.data import example_store
from research.training.data.example_store import Examples
from research.training.data.token_store import TokenStore

BEGINNING_BYTES = 80_000


def build_codecs(
    config: TrainedTable, corpus: Corpus, workdir: Path, log: Log = print
) -> dict[str, Codec]:
    """The codec of each row by its label, in the config's order.

    Those that are kept with committed weights are opened, as some take minutes to train.
    """
    by_label: dict[str, Codec] = {}
    for codec_config in config.codecs:
        name = compressors.label(codec_config)
        if name in by_label:
            raise UsageError(f"two rows are called '{name}': give one of them a label")
        folder = _place(codec_config, config, workdir, "").folder / "codec"
        by_label[name] = (
            codecs.load(folder)
            if config.weights == "committed" and folder.is_dir()
            else compressors.build_codec(codec_config, config.m1, corpus, workdir, log)
        )
    return by_label


def store(
    codec: Codec, corpus: Corpus, split: str, config: TrainedTable, workdir: Path
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
    with compressors.parallel(codec, max_bytes) as quick:
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
    "by_position": "bits a token of what only counts, ids or ids by their place",
    "train_bytes": "text that went through M2, repeats counted",
    "seconds": "training and evaluation; where weights are opened, what their training took",
}


def train_and_evaluate(
    codec_config: CodecConfig,
    codec: Codec,
    corpus: Corpus,
    config: TrainedTable,
    workdir: Path,
    log: Log,
    *,
    table: str = "",
    model_directory: Path | None = None,
) -> Row:
    """Trains M2 on a codec's ids of the train split, or opens it; a row with its bits per byte.

    Every row of a table is evaluated on the beginnings of the same examples of the validation
    split.

    Args:
      codec_config: names the row and says whether M1 runs for each byte.
      codec: gives the ids.
      corpus: config.corpus, loaded.
      table: whose command trains the weights, if config.weights says that they are kept.
      model_directory: M2 and its codec are saved there, for `freevocab generate`.

    Returns:
      A row with M2_COLUMNS.

    Raises:
      MissingWeights: if config.weights wants committed ones that are not there.
    """
    clock = Clock()
    name = compressors.method(codec_config)
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
        measured = figures(codec, corpus, config, workdir, params)
        if config.weights:
            little = beginning(codec, corpus, config, workdir, params)
            measured |= {f"{name} of the beginning": value for name, value in little.items()}
        return measured

    model = m2.model_config(config.m2, codec.vocab_size + 2)
    form = weights.language_model(model, codec)
    params, record = weights.obtain(place, settings, form, train, evaluate, say)
    loop.remove(run)
    measured = record["figures"]
    value, ratio = measured["bits_per_byte"], measured["ratio"]
    m1 = m2.m1_flops(codec_config, config.m1)
    lost = compressors.lost_share(codec, corpus, config.valid_bytes)
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
        "mflops_per_byte": per_byte.flops_per_byte(m2.parameters(config.m2), ratio, m1) / 1e6,
        "bits_per_token": measured["bits_per_token"],
        "by_position": _by_position(codec, corpus, config, workdir),
        "accuracy": measured["accuracy"],
        "train_bytes": record["bytes"],
        "lost_share": lost,
        "bits_per_byte_all": None if lost is None else per_byte.with_lost_bytes(value, lost),
        "seconds": round(record["seconds"], 1) if place.source else clock.seconds(),
    }


def figures(
    codec: Codec, corpus: Corpus, config: TrainedTable, workdir: Path, params: Any
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


def _by_position(codec: Codec, corpus: Corpus, config: TrainedTable, workdir: Path) -> float:
    """Of counts of a part of the training text, the same whether M2 is trained or opened."""
    most = m2.COUNTED_EXAMPLES * config.examples.stride_bytes
    part = dataclasses.replace(config, train_bytes=min(config.train_bytes, most))
    train, valid = (store(codec, corpus, of, part, workdir) for of in ("train", "valid"))
    return m2.counted_bits_per_token(train, valid, codec.vocab_size)


def beginning(
    codec: Codec, corpus: Corpus, config: TrainedTable, workdir: Path, params: Any
) -> dict[str, float]:
    """`figures` of so little text that a test can compare them with a record."""
    little = dataclasses.replace(config, valid_bytes=BEGINNING_BYTES)
    measured = figures(codec, corpus, little, workdir, params)
    return {name: measured[name] for name in ("bits_per_token", "accuracy")}


def _place(codec: CodecConfig, config: TrainedTable, workdir: Path, table: str) -> weights.Place:
    name = compressors.folder(codec)
    return weights.Place("compressed_text", name, table, config.weights, workdir, only=True)


def described(
    codec: Codec, codec_config: CodecConfig, config: TrainedTable, corpus: Corpus
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
        "made_from": compressors.made_from(codec_config, config.m1),
        "m2": trained,
        "train_bytes": config.train_bytes,
        "examples": dataclasses.asdict(config.examples),
        "seed": config.seed,
    }


def weights_of(config: TrainedTable) -> list[str]:
    """Folders of the models that a table's rows open."""
    return [compressors.folder(codec_config) for codec_config in config.codecs]


def train_rows(
    config: TrainedTable,
    workdir: Path,
    log: Log,
    *,
    table: str = "",
    models: Path | None = None,
) -> list[Row]:
    """`train_and_evaluate` for every codec of a config; M2s are kept in folders of `models`.

    A row whose weights should be committed and are not is left out, and the log says so.

    Raises:
      UsageError: if config.only names a row that the table has not.
      MissingWeights: if there are committed weights of no row.
    """
    whole, corpus = config, compressors.load_corpus(config.corpus)
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
    by_label = build_codecs(config, corpus, workdir, log)
    rows = []
    for codec_config, codec in zip(config.codecs, by_label.values(), strict=True):
        name = compressors.folder(codec_config)
        measure = functools.partial(
            train_and_evaluate, codec_config, codec, corpus, config, workdir, log,
            table=table, model_directory=models / name if models else None,
        )  # fmt: skip
        rows.append(measure() if config.weights else results.once(workdir, whole, name, measure))
    return with_corpus(rows, corpus)
