"""The language models of the tables: trained once for each work directory, opened after that."""

import dataclasses
import functools
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from configs.shared import CodecConfig, M1Config, ModelConfig, TextConfig, Weights
from experiments.shared import compressors, weights
from experiments.shared.tables import Log, slug
from research import codecs, corpora, vocabularies
from research.codecs import lm_folder
from research.codecs.protocol import Codec
from research.corpora import Corpus
from research.models import language_model, sizes
from research.models.language_model import LanguageModelConfig
from research.reporting import results
from research.training import loop, parallelism, run_folder
from research.training.config import TrainConfig
from research.training.data import token_store
from research.training.data.batches import Batch
from research.training.data.token_store import TokenStore
from research.training.lm import LM
from research.training.step import EvalTotals

EVALUATION_ROWS = 16  # sequences of an evaluation step
_BATCHES_OF_FIGURES = 4  # what the records of weights are compared by


class TrainedModel(NamedTuple):
    """A language model and its text."""

    params: Any
    config: LanguageModelConfig
    codec: Codec
    """Text to ids."""
    train: TokenStore
    valid: TokenStore
    seconds: float
    """The training took, when it was done."""


def load_corpus(text: TextConfig) -> Corpus:
    """The corpus of a text.

    Raises:
      UsageError: if it lies in $FREEVOCAB_DATA and that is not set, or the spec is wrong.
    """
    unset = (
        "this scale reads novels/ and enwiki/ in the folder $FREEVOCAB_DATA, which is not set: set "
        "it (see docs/tables.md), or run --scale cpu"
    )
    return corpora.load(compressors.expanded(text.corpus, unset))


def codec_of(model: ModelConfig, corpus: Corpus, workdir: Path, log: Log = print) -> Codec:
    """The codec that `model.ids` names; a unigram vocabulary is trained on the train split."""
    if model.ids != "unigram":
        return codecs.load(model.ids)
    config = CodecConfig("sentencepiece", vocab_size=model.vocab_size, label="Unigram")
    return compressors.build_codec(config, M1Config(), corpus, workdir, log)


def trained(
    model: ModelConfig,
    text: TextConfig,
    *,
    seed: int,
    workdir: Path,
    log: Log,
    codec: Codec | None = None,
    source: Weights = "",
) -> TrainedModel:
    """Trains a model on a text, or opens it if an earlier table has.

    Args:
      codec: ids of another kind than `model.ids` names.
      source: where the weights come from, see `experiments.shared.weights`; if not from a training
        for this run alone, they belong to perplexity_by_position.

    Raises:
      FreevocabError: if the loss is not finite.
      MissingWeights: if they are to be committed and are not.
    """
    corpus = load_corpus(text)
    codec = codec_of(model, corpus, workdir, log) if codec is None else codec
    build = functools.partial(token_store.build, corpus, codec=codec, directory=workdir / "tokens")
    train_store = build("train", max_bytes=text.train_bytes)
    valid = build("valid", max_bytes=text.valid_bytes)
    config = model_config(model, train_store.vocab_size)
    which = results.key(model, text, seed, corpus.digest, codec.fingerprint())
    name = f"{slug(f'{text.name} {model.label} {codec.name}')}-{which}"
    directory, run = workdir / "models" / name, workdir / "runs" / name

    def say(line: str) -> None:
        log(f"{text.name}, {model.label}, {codec.name}: {line}")

    def opened(params: Any, seconds: float) -> TrainedModel:
        return TrainedModel(params, config, codec, train_store, valid, seconds)

    def batches_of(lesson: ModelConfig, seed: int) -> Callable[[int], Batch]:
        trainer = lm(lesson, model_config(lesson, train_store.vocab_size))
        return training_batches(trainer, lesson, train_store, seed)

    def train_all() -> tuple[Any, dict[str, Any]]:
        params, seconds = train(
            model, train_store.vocab_size, batches_of, seed=seed, workdir=run, log=say
        )
        return params, {"ids": model.ids_seen, "seconds": seconds, "seed": seed}

    def figures(params: Any) -> dict[str, float]:
        sums = evaluate(model, opened(params, 0.0), _BATCHES_OF_FIGURES)
        correct = sums.others["correct"] / sums.tokens
        return {"nats": sums.nats / sums.tokens, "accuracy": correct}

    if source:
        place = weights.Place(
            "lexinvariant", slug(model.label), "perplexity_by_position", source, workdir, only=True
        )
        settings = {
            "model": settings_of(model),
            "text": dataclasses.asdict(text),
            "corpus_digest": corpus.digest,
            "codec": codec.fingerprint(),
            "seed": seed,
        }
        form = weights.language_model(config, codec)
        params, record = weights.obtain(place, settings, form, train_all, figures, say)
        return opened(params, record["seconds"])
    if (directory / "model.json").is_file():
        params, saved_config, _, meta = lm_folder.load(directory)
        if saved_config == config:
            return opened(params, meta["seconds"])
    params, facts = train_all()
    facts = {"length": model.length, "steps": model.steps, "corpus": corpus.name,
             "seconds": facts["seconds"]}  # fmt: skip
    lm_folder.save(directory, params, config, codec, facts)
    loop.remove(run)
    return opened(params, facts["seconds"])


def trained_or_left_out(
    model: ModelConfig, text: TextConfig, config, workdir: Path, log: Log, *, owner: bool = False
) -> TrainedModel | None:
    """`trained` for a table with seed and weights; None, and the log says so, where weights should
    be committed and are not.

    Args:
      owner: the table is the one that trains the weights again; others open what it has trained
        in this work directory, or the committed ones.
    """
    source = config.weights
    if source and not owner:
        here = workdir / "weights" / slug(model.label) / weights.RECORD
        source = "retrain" if here.is_file() else "committed"
    try:
        return trained(model, text, seed=config.seed, workdir=workdir, log=log, source=source)
    except weights.MissingWeights as error:
        log(f"left out: {error}")
        return None


def train(
    model: ModelConfig,
    vocab_size: int,
    batches_of: Callable[[ModelConfig, int], Callable[[int], Batch]],
    *,
    seed: int,
    workdir: Path,
    log: Log,
) -> tuple[Any, float]:
    """All lessons of a model, each from the weights of the one before: (parameters, seconds).

    An interrupted training goes on in the lesson where it stopped.

    Args:
      batches_of: (lesson, seed) -> (step -> batch); every lesson has a seed of its own.
      workdir: of this training alone.

    Raises:
      FreevocabError: if the loss is not finite.
    """
    lessons = model.lessons
    folders = [workdir / f"lesson-{number}" for number in range(1, len(lessons) + 1)]
    # A lesson begins when those before it are over.
    begun = [number for number, folder in enumerate(folders) if (folder / "checkpoints").is_dir()]
    first = max(begun, default=0)
    seconds = sum(map(_seconds, folders[:first]))
    params = None
    for number in range(first, len(lessons)):
        lesson = lessons[number]
        config = model_config(lesson, vocab_size)
        part = f"lesson {number + 1} of {len(lessons)}: " * (len(lessons) > 1)
        log(
            f"{part}training {lesson.steps} steps of {lesson.batch_size} x {lesson.length},"
            f" vocabulary {lesson.vocabulary}"
        )
        before = params
        result = lm(lesson, config).train(
            batches_of(lesson, seed + number),
            train_config(lesson, seed),
            folders[number],
            initial_params=None if before is None else lambda before=before: before,
            log=lambda line, part=part: log(f"{part}{line}"),
        )
        params = jax.device_get(result.params)
        seconds += _seconds(folders[number])
    return params, round(seconds, 1)


def _seconds(folder: Path) -> float:
    """What the training in a work directory has taken so far."""
    given, step = run_folder.open_given(folder)
    with given:
        return float(given.meta(step)["seconds"])


def settings_of(model: ModelConfig) -> dict[str, Any]:
    """What decides on a trained model, for its record; how a step is computed and kept does not."""
    fields = dataclasses.asdict(model)
    for name in ("parallelism", "remat", "save_every", "name"):
        del fields[name]
    return fields


def model_config(model: ModelConfig, vocab_size: int) -> LanguageModelConfig:
    """The language model of `vocab_size` ids, BOS and EOS among them.

    A learned table is tied unless `options` say otherwise, as the drawn ones that it is compared
    with are.
    """
    trunk = sizes.size(model.size, dtype=model.dtype, remat=model.remat, **dict(model.trunk))
    options = dict(model.options)
    if model.vocabulary == "canonical":
        options.setdefault("slots", model.length)
    if model.vocabulary == "learned":
        options.setdefault("tied", True)
    vocabulary = vocabularies.make(model.vocabulary, **options)
    return LanguageModelConfig(trunk, vocab_size, model.rows, vocabulary)


def lm(model: ModelConfig, config: LanguageModelConfig) -> LM:
    """The model to train and to evaluate."""
    mesh = parallelism.make_mesh(model.parallelism)
    return LM(config, mesh, model.parallelism, z_loss=model.z_loss)


def train_config(model: ModelConfig, seed: int = 0) -> TrainConfig:
    """The loop's settings."""
    return TrainConfig(
        steps=model.steps,
        seed=seed,
        optimizer=model.optimizer,
        parallelism=model.parallelism,
        # A long training is watched, a short one only followed.
        log_every=50 if model.save_every else max(1, model.steps // 4),
        save_every=model.save_every,
    )


def training_batches(
    trainer: LM, model: ModelConfig, store: TokenStore, seed: int
) -> Callable[[int], Batch]:
    """step -> this process's part of a batch, of the size that the settings say."""
    return trainer.training_batches(
        store, seed=seed, batch_size=model.batch_size, length=model.length, twice=model.twice
    )


def evaluate(
    model: ModelConfig, trained_model: TrainedModel, count: int | None = None
) -> EvalTotals:
    """Exact sums over the validation text: bits per byte, accuracy.

    Args:
      count: of batches that are looked at; None: all, and only then are the bytes theirs.
    """
    params, config, _, _, valid, _ = trained_model
    evaluator = lm(model, config)
    stream = evaluator.evaluation_batches(valid, batch_size=EVALUATION_ROWS, length=model.length)
    return evaluator.evaluate(params, itertools.islice(stream, count), valid.num_bytes)


def weights_of(config) -> list[str]:
    """Folders of the models that a table with a field `models` opens."""
    return [slug(model.label) for model in config.models]


def with_bos(config: LanguageModelConfig, ids_BxL: np.ndarray) -> np.ndarray:
    """What the model reads to predict ids_BxL: BOS and all but the last."""
    bos_Bx1 = np.full_like(ids_BxL[:, :1], config.bos_id)
    return np.concatenate([bos_Bx1, ids_BxL[:, :-1]], axis=1)


def symbol_predictor(config: LanguageModelConfig, alphabet: int) -> Callable[..., jax.Array]:
    """(params, inputs_BxL, keys_Bx2) -> probabilities of the first A ids, float32 [B, L, A].

    They sum to one over these ids: BOS, EOS and what else there is do not occur.
    """

    @jax.jit
    def predict(params: Any, inputs_BxL: jax.Array, keys_Bx2: jax.Array) -> jax.Array:
        logits_BxLxV = language_model.logits(params, config, inputs_BxL, keys_Bx2=keys_Bx2)
        return jax.nn.softmax(logits_BxLxV[:, :, :alphabet], axis=-1)

    return predict
