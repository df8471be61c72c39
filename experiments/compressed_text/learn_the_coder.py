"""Compressing and decompressing as sequence to sequence (Table 5)."""

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from configs.shared import M2Config
from experiments.compressed_text import m2
from experiments.shared import compressors
from experiments.shared.tables import Clock, Log, Row, pick, remarks_on, with_corpus
from research.reporting import results
from research.training.data import batches
from research.training.data.batches import Batch
from research.training.lm import LM

TITLE = "Learning the coder: sequence to sequence (Table 5)"
COLUMNS = (
    "method", "task", "vocabulary", "size", "accuracy", "nats", "uniform_nats", "cut", "seconds",
)
MEANING = {
    "task": "what was asked",
    "accuracy": "of a target, a byte or a token",
    "nats": "of a target too",
    "uniform_nats": "what knowing nothing costs",
    "cut": "share of validation texts whose sequence did not fit",
}
ALONE = "byte LM only"
PAPER_ROWS: list[Row] = [
    {"method": method, "task": task, "vocabulary": 256, "size": "113m", "accuracy": accuracy,
     "nats": nats, "uniform_nats": math.log(256)}
    for method, task, accuracy, nats in (
        ("AC", "decompress", 0.7698, 0.751),
        (f"{ALONE} (beside AC)", "decompress", 0.7686, 0.755),
        ("EqualInfo W=16", "decompress", 0.9530, 0.141),
        (f"{ALONE} (beside EqualInfo)", "decompress", 0.7683, 0.756),
        ("AC", "compress", 0.017, 2.489),
    )
]
NUM_BYTES = 256  # ids of bytes come first, then those of tokens, then SEP, BOS, EOS


@dataclass(frozen=True)
class Pairs:
    """Sequences prompt, SEP, target: [N, L] each, ready to be rows of a batch."""

    inputs_NxL: np.ndarray
    targets_NxL: np.ndarray
    weights_NxL: np.ndarray
    cut: float

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The rows of these indices."""
        return {
            "inputs_BxL": self.inputs_NxL[rows],
            "targets_BxL": self.targets_NxL[rows],
            "weights_BxL": self.weights_NxL[rows],
        }


def run(config, *, workdir: Path, log: Log) -> list[Row]:
    """The byte model alone, then each codec at each task."""
    corpus = compressors.load_corpus(config.corpus)
    texts = {
        split: draw(
            compressors.documents(corpus, split, config.train_bytes, half), count, config, salt
        )
        for split, half, count, salt in (
            ("train", compressors.MODELS, config.num_texts, 0),
            ("valid", None, config.valid_texts, 1),
        )
    }
    vocabulary = 1 << config.codecs[0].bits_per_token
    nothing = {split: [np.zeros(0, np.int32)] * len(of) for split, of in texts.items()}

    def row(name: str, task: str, coded) -> Row:
        measure = functools.partial(
            _row, name, task, texts, coded, vocabulary, config, workdir, log
        )
        return results.once(workdir, config, [name, task], measure)

    rows = [row(ALONE, "decompress", nothing)]
    for codec_config in config.codecs:
        codec = compressors.build_codec(codec_config, config.m1, corpus, workdir, log)
        if codec.vocab_size != vocabulary:
            raise ValueError("the codecs of this table need equal bits_per_token")
        with compressors.parallel(codec, config.num_texts * config.text_bytes) as quick:
            coded = {split: quick.encode(of) for split, of in texts.items()}
        name = compressors.method(codec_config)
        rows += [row(name, task, coded) for task in config.tasks]
    return with_corpus(rows, corpus)


def draw(documents: list[bytes], count: int, config, salt: int) -> list[bytes]:
    """`count` texts of config.text_bytes bytes from random places in documents long enough."""
    size = config.text_bytes
    long_enough = [document for document in documents if len(document) >= size]
    places = np.array([len(document) - size + 1 for document in long_enough])
    generator = np.random.default_rng([config.seed, salt])
    which = generator.choice(len(places), count, p=places / places.sum())
    starts = generator.integers(0, places[which])
    return [
        long_enough[w][s : s + size] for w, s in zip(which.tolist(), starts.tolist(), strict=True)
    ]


def pairs(prompts: list[np.ndarray], targets: list[np.ndarray], sep: int, length: int) -> Pairs:
    """BOS prompt SEP target -> prompt SEP target, weight 1 on the target, cut at `length`.

    BOS is sep + 1; what is left of a row is filled with SEP, weight 0.
    """
    inputs = np.full((len(prompts), length), sep, np.int32)
    outputs = np.full((len(prompts), length), sep, np.int32)
    weights = np.zeros((len(prompts), length), np.float32)
    cut = 0
    for row, (prompt, target) in enumerate(zip(prompts, targets, strict=True)):
        whole = np.concatenate([prompt, [sep], target])
        cut += len(whole) > length
        part = whole[:length]
        outputs[row, : len(part)] = part
        inputs[row, 0] = sep + 1
        inputs[row, 1 : len(part)] = part[:-1]
        weights[row, len(prompt) + 1 : len(part)] = 1.0
    return Pairs(inputs, outputs, weights, cut / len(prompts))


def _row(name, task, texts, coded, vocabulary, config, workdir, log) -> Row:
    clock = Clock()
    sequences = {
        split: _pairs(task, of, coded[split], vocabulary, config.m2.length)
        for split, of in texts.items()
    }
    vocab_size = NUM_BYTES + vocabulary + 3
    lm = m2.lm(config.m2, vocab_size)
    result = lm.train(
        _training_batches(lm, sequences["train"], config.m2, vocab_size, config.seed),
        m2.train_config(config.m2, seed=config.seed),
        workdir / "m2" / results.key(name, task, config),
        log=lambda line: log(f"{name}, {task}: {line}"),
    )
    stream = _evaluation_batches(lm, sequences["valid"], config.m2, vocab_size)
    sums = lm.evaluate(result.params, stream, 1)
    row = {
        "method": name,
        "task": task,
        "vocabulary": vocabulary,
        "size": config.m2.size,
        "accuracy": sums.others["correct"] / sums.tokens,
        "nats": sums.nats / sums.tokens,
        "uniform_nats": math.log(NUM_BYTES if task == "decompress" else vocabulary),
        "cut": sequences["valid"].cut,
        "seconds": clock.seconds(),
    }
    log(f"{name}, {task}: {row['accuracy']:.2%} right, {row['nats']:.3f} nats a target")
    return row


def _pairs(task, texts, coded, vocabulary, length) -> Pairs:
    sep = NUM_BYTES + vocabulary
    as_bytes = [np.frombuffer(text, np.uint8).astype(np.int32) for text in texts]
    as_tokens = [ids + NUM_BYTES for ids in coded]
    if task == "decompress":
        return pairs(as_tokens, as_bytes, sep, length)
    return pairs(as_bytes, as_tokens, sep, length)


def _training_batches(
    lm: LM, sequences: Pairs, config: M2Config, vocab_size: int, seed: int
) -> Callable[[int], Batch]:
    shard = lm.shard

    def batch_fn(step: int) -> Batch:
        generator = np.random.default_rng([seed, step])
        rows = generator.integers(0, len(sequences.inputs_NxL), config.batch_size)
        return batches.with_vocab_size(sequences.batch(shard.part(rows)), vocab_size)

    return batch_fn


def _evaluation_batches(
    lm: LM, sequences: Pairs, config: M2Config, vocab_size: int
) -> Iterator[Batch]:
    count, size = len(sequences.inputs_NxL), config.evaluation_batch_size
    if count % size:
        raise ValueError("valid_texts must be a multiple of the evaluation batch")
    rows = lm.shard.rows(size)
    for start in range(0, count, size):
        yield batches.with_vocab_size(sequences.batch(start + rows), vocab_size)


def remarks(rows: list[Row]) -> list[str]:
    """What the ids of each codec add to predicting the text, and what is learned of coding."""
    alone = pick(rows, method=ALONE)
    lines = []
    for row in rows:
        if alone and row["task"] == "decompress" and row["method"] != ALONE:
            gain = 100 * (row["accuracy"] - alone["accuracy"])
            lines.append(f"{row['method']}'s ids before the text: {gain:+.1f} points right")
        elif row["task"] == "compress":
            saved = 1 - row["nats"] / row["uniform_nats"]
            lines.append(
                f"coding {row['method']}: {row['accuracy']:.1%} right,"
                f" {round(100 * saved)} % of the nats learned"
            )
    return remarks_on(rows, *lines)
