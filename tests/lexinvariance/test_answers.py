"""A model's answers: its argmax, whatever the padding, and the same up to renaming."""

import dataclasses

import jax
import numpy as np
import pytest

from research import vocabularies
from research.lexinvariance.tasks import tasks
from research.lexinvariance.tasks.tasks import Separators, Symbols
from research.models import language_model
from research.testing.tiny import tiny_config

MARKS = Separators(bos=32, arrow=(30, 31), space=(29,))
SYMBOLS = Symbols(np.arange(29, dtype=np.int32), np.full(29, 1 / 29))


def model(kind):
    """With noise on the trunk: a fresh tied model does nothing but repeat its input."""
    config = dataclasses.replace(tiny_config(), vocabulary=vocabularies.make(kind))
    rng = np.random.default_rng(0)
    fresh = jax.jit(language_model.init, static_argnums=1)(jax.random.key(0), config)

    def noisy(leaf):
        return leaf + rng.normal(size=leaf.shape).astype(np.float32)

    return fresh | {"trunk": jax.tree.map(noisy, fresh["trunk"])}, config


def test_an_answer_is_the_argmax_of_the_ids_before_it():
    params, config = model("learned")
    prompts = tasks.prompts("LookUp", 0, SYMBOLS, MARKS, count=5, n=2)
    predict = tasks.predictor(params, config, length=32, batch_size=4)
    last = prompts.answers[0]
    found = predict(prompts.ids_NxL, last)
    logits = language_model.logits(params, config, prompts.ids_NxL[:, :last])
    logits = np.array(logits)[:, -1]
    logits[:, config.bos_id] = -np.inf
    assert (found == logits.argmax(axis=-1)).all() and (found < config.vocab_size).all()
    assert len(set(found.tolist())) > 1
    # What follows, and how far it is padded, is not seen.
    other = prompts.ids_NxL.copy()
    other[:, last] = 3
    assert (predict(other, last) == found).all()
    longer = tasks.predictor(params, config, length=40, batch_size=4)
    assert (longer(prompts.ids_NxL, last) == found).all()


@pytest.mark.parametrize("task", tasks.TASKS)
def test_canonical_answers_are_renamed_with_the_prompt(task):
    """And those of a learned vocabulary are not: the test can fail."""
    renaming = np.arange(33)
    renaming[:29] = np.random.default_rng(1).permutation(29)
    renamed = Symbols(renaming[:29].astype(np.int32), SYMBOLS.shares_A)
    first, second = (
        tasks.prompts(task, 0, symbols, MARKS, count=8, n=2) for symbols in (SYMBOLS, renamed)
    )
    assert (renaming[first.ids_NxL] == second.ids_NxL).all()
    same = {}
    for kind in ("canonical", "learned"):
        params, config = model(kind)
        predict = tasks.predictor(params, config, length=40, batch_size=8)
        at = first.answers[-1]
        found, other = predict(first.ids_NxL, at), predict(second.ids_NxL, at)
        seen = [found[i] in first.ids_NxL[i, :at] for i in range(8)]
        same[kind] = [renaming[found[i]] == other[i] for i in range(8) if seen[i]]
    # An unseen symbol's logit is that of every other unseen one: only seen answers have a name.
    assert same["canonical"] and all(same["canonical"])
    assert not all(same["learned"])


def test_a_prompt_keeps_its_table_for_all_answers():
    params, config = model("gaussian")
    prompts = tasks.prompts("Permutation", 0, SYMBOLS, MARKS, count=6, n=1)
    predict = tasks.predictor(params, config, length=40, batch_size=4)
    at = prompts.answers[0]
    found = predict(prompts.ids_NxL, at)
    assert (predict(prompts.ids_NxL[:3], at) == found[:3]).all()
    again = tasks.predictor(params, config, length=40, batch_size=4, seed=1)
    assert (again(prompts.ids_NxL, at) != found).any()
