"""BIG-Bench Hard: files to choices, shots that fit, and likelihoods equal to brute force."""

import functools
import json

import jax
import numpy as np
import pytest

from research.codecs.basic import BytesCodec
from research.errors import FreevocabError, UsageError
from research.evaluation import bbh, multiple_choice
from research.models import language_model
from research.testing.tiny import tiny_model

LETTERED = "Which one is a bird?\nOptions:\n(A) {0}\n(B) {1}\n(C) {2}"
EXAMPLES = {
    "snarks": [
        {"input": LETTERED.format("a crow", "a cod", "a cow"), "target": "(A)"},
        {"input": LETTERED.format("a toad", "a tern", "a tick"), "target": "(B)"},
        {"input": LETTERED.format("a hen", "a hare", "a horse"), "target": "(A)"},
        {"input": LETTERED.format("a frog", "a flea", "a finch"), "target": "(C)"},
        {"input": LETTERED.format("a", "gull", "an ox"), "target": "a gull"},
    ],
    "navigate": [
        {"input": "Take 1 step left. Are you back?", "target": "No"},
        {"input": "Turn around. Are you back?", "target": "Yes"},
        {"input": "Stay. Are you back?", "target": "Yes "},
    ],
    "word_sorting": [{"input": "Sort: b a", "target": "a b"}],
}


@pytest.fixture
def folder(tmp_path):
    for name, examples in EXAMPLES.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({"examples": examples}))
    return tmp_path


def test_twenty_three_tasks():
    assert len(bbh.TASKS) == 23 and len(bbh.LETTERED) == 17 and len(bbh.CLOSED) == 6


def test_files_become_choices(folder):
    navigate, snarks = bbh.load(folder)
    assert (navigate.name, snarks.name) == ("navigate", "snarks")
    assert [example.answer for example in navigate.examples] == ["No", "Yes", "Yes"]
    assert navigate.examples[0].options == ("Yes", "No") and navigate.left_out == 0
    tern = EXAMPLES["snarks"][1]["input"]
    assert snarks.examples[1] == bbh.Example(tern, ("(A)", "(B)", "(C)"), 1)
    assert len(snarks.examples) == 4 and snarks.left_out == 1
    assert bbh.majority(snarks, snarks.examples) == 0.5
    assert bbh.majority(navigate, navigate.examples[:1]) == 0.0
    assert bbh.chance(snarks.examples[:2]) == pytest.approx(1 / 3)
    nested = folder / "deeper"
    (nested / "bbh").mkdir(parents=True)
    (nested / "bbh" / "snarks.json").write_text((folder / "snarks.json").read_text())
    assert bbh.load(nested) == [snarks]


def test_folders_that_are_no_tasks(tmp_path):
    with pytest.raises(UsageError, match="has no BIG-Bench Hard task"):
        bbh.load(tmp_path)
    (tmp_path / "snarks.json").write_text("{}")
    with pytest.raises(FreevocabError, match="is not a BIG-Bench Hard task"):
        bbh.load(tmp_path)
    (tmp_path / "snarks.json").write_text('{"examples": [{"input": "?", "target": "(A)"}]}')
    with pytest.raises(FreevocabError, match="no example whose answer"):
        bbh.load(tmp_path)


def test_prompts_hold_the_shots_that_fit(folder):
    navigate, _ = bbh.load(folder)
    ask = functools.partial(bbh.question, navigate, 0, codec=BytesCodec(), seed=0)
    text = {}
    for shots in range(4):
        question = ask(shots=shots, context=500)
        assert question.prompt[0] == 256 and question.target == 1 and not question.cut
        text[shots] = bytes(question.prompt[1:].astype("u1"))
        assert question.dropped == max(0, shots - 2)  # only two others exist
    alone = b"Q: Take 1 step left. Are you back?\nA:"
    assert text[0] == alone and [bytes(ids.astype("u1")) for ids in question.options] == [
        b" Yes", b" No"
    ]
    assert question.option_bytes == (4, 3)
    assert text[2].endswith(text[1]) and text[2] == text[3]
    others = (b"Q: Turn around. Are you back?\nA: Yes\n\n", b"Q: Stay. Are you back?\nA: Yes\n\n")
    assert text[2] in (others[0] + others[1] + alone, others[1] + others[0] + alone)
    # One id less than two shots need: the one farthest off goes, the nearest stays.
    exact = len(text[2]) + 1 + 4
    assert ask(shots=2, context=exact).dropped == 0
    fewer = ask(shots=2, context=exact - 1)
    assert fewer.dropped == 1 and bytes(fewer.prompt[1:].astype("u1")) == text[1]
    cut = ask(shots=2, context=20)
    assert cut.dropped == 2 and cut.cut and bytes(cut.prompt[1:].astype("u1")) == alone[-15:]
    with pytest.raises(UsageError, match="no room"):
        ask(shots=0, context=5)


def test_examples_are_chosen_by_the_seed(folder):
    _, snarks = bbh.load(folder)
    assert bbh.chosen(snarks, 0, 0) == [0, 1, 2, 3]
    assert len(bbh.chosen(snarks, 2, 0)) == 2 == len(set(bbh.chosen(snarks, 2, 0)))
    assert len({tuple(bbh.chosen(snarks, 2, seed)) for seed in range(20)}) > 2


def test_option_likelihoods_are_those_of_whole_sequences():
    params, config = tiny_model()
    rng = np.random.default_rng(0)

    def ids(size):
        return rng.integers(0, 32, size).astype(np.int32)

    choices = [
        multiple_choice.Choice(ids(5), (ids(1), ids(3))),
        multiple_choice.Choice(ids(40), (ids(2),)),
        multiple_choice.Choice(ids(17), (ids(2), ids(4), ids(1))),
    ]
    found = multiple_choice.option_nats(params, config, choices, batch_size=2)
    assert [len(nats) for nats in found] == [2, 1, 3]
    whole = jax.jit(language_model.logits, static_argnums=1)
    for choice, nats in zip(choices, found, strict=True):
        for option, value in zip(choice.options, nats, strict=True):
            padded = np.zeros((1, 44), np.int32)
            sequence = np.concatenate([choice.prompt, option])
            padded[0, : len(sequence)] = sequence
            log_p = np.asarray(jax.nn.log_softmax(whole(params, config, padded)))[0]
            places = np.arange(len(choice.prompt) - 1, len(sequence) - 1)
            assert value == pytest.approx(-log_p[places, option].sum(), rel=1e-4)
