"""Lessons: their configurations, that an interrupted training goes on, and what is loaded."""

import dataclasses

import jax
import numpy as np
import pytest

from configs.lexinvariant import presets
from configs.lexinvariant.presets import QUICK_MODEL
from configs.shared import StageConfig
from experiments.shared import language_models
from research import codecs, vocabularies
from research.models import language_model, sizes
from research.testing.tiny import tiny_trunk_config

VOCAB = 14
FIRST = StageConfig(
    length=8,
    batch_size=4,
    steps=2,
    optimizer=QUICK_MODEL.optimizer,
    options=(("frames", 2),),
    twice=0.5,
)
MODEL = dataclasses.replace(
    QUICK_MODEL, batch_size=4, length=16, steps=2, rows=VOCAB, stages=(FIRST,), save_every=1
)


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setitem(sizes.SIZES, "tiny", tiny_trunk_config(num_layers=1, scan_layers=False))


def batches_of(lesson, seed):
    def batch(step):
        rng = np.random.default_rng([seed, step])
        ids = rng.integers(0, VOCAB - 2, (lesson.batch_size, lesson.length + 1)).astype(np.int32)
        return {
            "inputs_BxL": ids[:, :-1],
            "targets_BxL": ids[:, 1:],
            "weights_BxL": np.ones(ids[:, 1:].shape, np.float32),
            "keys_Bx2": vocabularies.sequence_keys(seed, lesson.batch_size, step=step),
        }

    return batch


def train(workdir, log=lambda line: None):
    params, _ = language_models.train(MODEL, VOCAB, batches_of, seed=3, workdir=workdir, log=log)
    return params


class Stopped(Exception):
    pass


@pytest.mark.parametrize("line", ["lesson 1 of 2: step 2/2", "lesson 2 of 2: step 2/2"])
def test_an_interrupted_training_goes_on_in_its_lesson(tmp_path, line):
    want = train(tmp_path / "whole")

    def stop(told):
        if told.startswith("lesson") and " ".join(told.split()).startswith(line):
            raise Stopped

    with pytest.raises(Stopped):
        train(tmp_path / "again", stop)
    lines = []
    got = train(tmp_path / "again", lines.append)
    assert lines[0].startswith(line.split(":")[0])
    assert any("going on from step 1" in told for told in lines)
    jax.tree.map(np.testing.assert_array_equal, got, want)
    # Opened once more, nothing is trained.
    lines.clear()
    jax.tree.map(np.testing.assert_array_equal, train(tmp_path / "again", lines.append), want)
    assert not any("step 2/2" in told for told in lines)


def test_lessons_lead_to_the_training_proper():
    first, last = MODEL.lessons
    assert (first.vocabulary, first.length, first.twice) == ("orthogonal", 8, 0.5)
    assert last == dataclasses.replace(MODEL, stages=())


@pytest.mark.parametrize("model", presets.HOURS_MODELS + presets.HOURS_CHAIN, ids=lambda m: m.label)
def test_weights_of_scale_hours_fit_from_lesson_to_lesson(model):
    """One shape of parameters, 4,096 ids a step of text, and orthogonal rows that exist."""
    vocab_size = 8 if model.ids == "chain" else codecs.load(model.ids).vocab_size + 2
    shapes = []
    for lesson in model.lessons:
        config = language_models.model_config(lesson, vocab_size)
        params = jax.eval_shape(language_models.lm(lesson, config).init, jax.random.key(0))
        shapes.append(jax.tree.map(lambda leaf: leaf.shape, params))
        ids = jax.ShapeDtypeStruct((lesson.batch_size, lesson.length), np.int32)
        batch = {"inputs_BxL": ids, "targets_BxL": ids}
        batch["keys_Bx2"] = jax.ShapeDtypeStruct((lesson.batch_size, 2), np.uint32)
        jax.eval_shape(lambda p, b, c=config: language_model.loss(p, c, b), params, batch)
        assert model.ids == "chain" or lesson.batch_size * lesson.length == 4_096
    assert all(shape == shapes[0] for shape in shapes)
    assert model.vocabulary == model.lessons[-1].vocabulary and model.save_every
