"""The grammar: its splits tell apart who goes by the context and who by the class of an id."""

import math

import numpy as np
import pytest

from research.errors import UsageError
from research.lexinvariance.tasks import part_of_speech
from research.lexinvariance.tasks.part_of_speech import SPLITS, PartOfSpeech

TASK = PartOfSpeech(types=100, unseen=10, skew=1.2)
MANY = 4_000


def batch(split="train", task=TASK, seed=0, step=0, size=MANY):
    return part_of_speech.batch(task, seed, step, size, split)


def slots(inputs_BxL, task=TASK):
    """The ids in the places of the adjective and of the noun, by the grammar."""
    first_B = inputs_BxL[:, 0] == task.copula
    adjectives_B = np.where(first_B, inputs_BxL[:, 1], inputs_BxL[:, 2])
    return adjectives_B, np.where(first_B, inputs_BxL[:, 2], inputs_BxL[:, 0])


def share_right(oracle, split, task=TASK):
    made = batch(split, task)
    return (oracle(made["inputs_BxL"], task) == made["targets_BxN"]).all(axis=1).mean()


@pytest.mark.parametrize("split", ["train", *SPLITS])
def test_every_example_is_a_sentence_of_the_grammar(split):
    made = batch(split)
    inputs_BxL, targets_BxN = made["inputs_BxL"], made["targets_BxN"]
    assert inputs_BxL.dtype == targets_BxN.dtype == np.int32
    assert (inputs_BxL[:, 4:] == TASK.mask).all()
    found = set()
    for ids, target in zip(inputs_BxL.tolist(), targets_BxN.tolist(), strict=True):
        pattern, query = ids[:3], ids[3]
        assert pattern.count(TASK.copula) == 1 and TASK.mask not in ids[:4]
        place = pattern.index(TASK.copula)
        assert place in (0, 1)  # cop adj noun, noun cop adj
        adjective = pattern[place + 1]
        noun = pattern[2] if place == 0 else pattern[0]
        assert query in (adjective, noun)
        assert target == ([adjective] * 3 if query == adjective else [adjective, noun, noun])
        if adjective != noun:
            found.add((place, query == noun))
    assert len(found) == 4  # both patterns with both queries


@pytest.mark.parametrize("split", ["train", *SPLITS])
def test_patterns_and_queries_are_half_and_half(split):
    inputs_BxL = batch(split)["inputs_BxL"]
    adjectives_B, nouns_B = slots(inputs_BxL)
    first_B = inputs_BxL[:, 0] == TASK.copula
    asks_B = (inputs_BxL[:, 3] == nouns_B)[adjectives_B != nouns_B]
    for flags in (first_B, asks_B, asks_B ^ first_B[adjectives_B != nouns_B]):
        assert abs(flags.mean() - 0.5) < 4 * 0.5 / math.sqrt(len(flags))


def test_it_is_a_function_of_seed_step_and_split():
    same = [batch(seed=3, step=5, size=8)["inputs_BxL"] for _ in range(2)]
    np.testing.assert_array_equal(*same)
    others = [
        batch(seed=4, step=5, size=8), batch(seed=3, step=6, size=8),
        batch("in_distribution", seed=3, step=5, size=8),
    ]
    for other in others:
        assert (other["inputs_BxL"] != same[0]).any()


@pytest.mark.parametrize("skew", [0.0, 1.0001, 1.5])
def test_ranks_follow_zipf_s_law(skew):
    """Frequencies of both classes, ambiguous swaps undone, against p(rank) ~ rank^-a."""
    task = PartOfSpeech(types=100, unseen=10, skew=skew)
    weights = [float(rank) ** -skew for rank in range(1, 51)]
    expected = np.array(weights) / math.fsum(weights)
    for ids in slots(batch(task=task)["inputs_BxL"], task):
        seen = np.bincount(ids % 50, minlength=50) / MANY
        error = np.sqrt(expected * (1 - expected) / MANY)
        assert (np.abs(seen - expected) < 5 * error).all()


def test_a_tenth_of_the_types_stands_in_both_places_equally():
    task = PartOfSpeech(types=100, unseen=10, skew=0.0)
    ambiguous_V = np.tile(task.is_ambiguous(), 2)
    assert ambiguous_V.sum() == 10
    inputs = np.concatenate([batch(task=task, step=step)["inputs_BxL"] for step in range(4)])
    as_adjective, as_noun = (np.bincount(ids, minlength=100) for ids in slots(inputs, task))
    assert (as_adjective[50:][~ambiguous_V[50:]] == 0).all()
    assert (as_noun[:50][~ambiguous_V[:50]] == 0).all()
    for counts in (as_adjective, as_noun):
        both = counts[ambiguous_V]
        mean = len(inputs) * 0.02 / 2
        assert (np.abs(both - mean) < 5 * math.sqrt(mean)).all()


def test_each_split_draws_the_ids_that_it_says():
    ids = {split: slots(batch(split)["inputs_BxL"]) for split in SPLITS}
    ambiguous = set(np.flatnonzero(np.tile(TASK.is_ambiguous(), 2)))
    adjectives, nouns = (set(found.tolist()) for found in ids["tail"])
    last = {rank for rank in range(45, 50)} - ambiguous
    assert adjectives == last and nouns == {50 + rank for rank in last}
    adjectives, nouns = (set(found.tolist()) for found in ids["switched"])
    assert adjectives <= set(range(50, 100)) - ambiguous
    assert nouns <= set(range(50)) - ambiguous
    adjectives, nouns = ids["unseen"]
    assert set(adjectives) == set(nouns) == set(range(100, 110))
    assert (adjectives != nouns).all()
    for split in ("train", "in_distribution"):
        assert max(np.max(found) for found in slots(batch(split)["inputs_BxL"])) < 100


def by_context(inputs_BxL: np.ndarray, task: PartOfSpeech) -> np.ndarray:
    """The answers of who goes by the place of `cop`: right on every split, int32 [B, 3]."""
    copula_first_B = inputs_BxL[:, 0] == task.copula
    adjectives_B = np.where(copula_first_B, inputs_BxL[:, 1], inputs_BxL[:, 2])
    query_B = inputs_BxL[:, 3]
    return np.stack([adjectives_B, query_B, query_B], axis=1)


def by_class(inputs_BxL: np.ndarray, task: PartOfSpeech) -> np.ndarray:
    """The answers of who goes by what an id mostly is, int32 [B, 3].

    The adjective is the one of the two ids that is of that class, the first if both or none are.
    """
    pattern_BxL = inputs_BxL[:, :3]
    pair_BxS = pattern_BxL[pattern_BxL != task.copula].reshape(len(inputs_BxL), 2)
    second_B = (pair_BxS[:, 0] >= task.ranks) & (pair_BxS[:, 1] < task.ranks)
    adjectives_B = np.where(second_B, pair_BxS[:, 1], pair_BxS[:, 0])
    query_B = inputs_BxL[:, 3]
    return np.stack([adjectives_B, query_B, query_B], axis=1)


def test_the_context_solves_every_split():
    for split in ("train", *SPLITS):
        assert share_right(by_context, split) == 1.0


def test_the_class_solves_what_is_known_and_not_ambiguous():
    assert share_right(by_class, "tail") == 1.0
    assert share_right(by_class, "switched") == 0.0
    assert abs(share_right(by_class, "unseen") - 0.5) < 4 * 0.5 / math.sqrt(MANY)
    # Undecidable where a place is taken by the other class: exactly, over all pairs of one query.
    task = PartOfSpeech(types=100, unseen=10, skew=0.0)
    # q: a place holds the other class. Both swapped: wrong. One swapped: both ids are of one
    # class, so the first of the two is taken, right for one of the two patterns (and where both
    # places hold one id, in one of 10 x 50 pairs).
    q = 0.1 / 2
    expected = (1 - q) ** 2 + 2 * q * (1 - q) * 0.5
    found = share_right(by_class, "in_distribution", task)
    assert abs(found - expected) < 4 * math.sqrt(expected * (1 - expected) / MANY) + q / 50


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"types": 21}, "even"),
        ({"types": 10}, "at least 20"),
        ({"unseen": 1}, "unseen"),
        ({"skew": -1.0}, "skew"),
        ({"ambiguous": 0.6}, "ambiguous"),
    ],
)
def test_senseless_tasks_are_refused(fields, message):
    with pytest.raises(UsageError, match=message):
        PartOfSpeech(**({"types": 20, "unseen": 4, "skew": 1.0} | fields))
