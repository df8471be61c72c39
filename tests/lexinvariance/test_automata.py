"""Random automata: what the definition says of them, and that nothing but (seed, index) decides."""

import numpy as np
import pytest

from research.errors import UsageError
from research.lexinvariance.tasks import automata
from research.lexinvariance.tasks.automata import HELD_OUT, TRAINING, Settings

LENGTH = 256


def made(indices=range(40), family=TRAINING, length=LENGTH, seed=0, settings=None):
    return automata.problems(settings or Settings(), seed, family, np.array(indices), length)


def strings_of(ids_L, separator):
    found = [[]]
    for symbol in ids_L:
        if symbol == separator:
            found.append([])
        else:
            found[-1].append(int(symbol))
    return found


def test_automata_are_as_defined():
    settings, rng = Settings(), np.random.default_rng(0)
    sizes, degrees, symbols, targets = set(), set(), set(), set()
    for _ in range(300):
        successor_NxA = automata.random_automaton(settings, rng)
        edges_NxA = successor_NxA >= 0
        assert successor_NxA.max() < len(successor_NxA)
        sizes.add(len(successor_NxA))
        degrees |= set(edges_NxA.sum(axis=1).tolist())
        symbols |= set(np.flatnonzero(edges_NxA.any(axis=0)).tolist())
        targets |= set(successor_NxA[edges_NxA].tolist())
        p_NxA = automata.distributions(successor_NxA)
        np.testing.assert_allclose(p_NxA.sum(axis=1), 1.0)
        for row, edges_A in zip(p_NxA, edges_NxA, strict=True):
            np.testing.assert_allclose(row[edges_A], 1 / edges_A.sum())
    assert sizes == set(range(4, 13)) and degrees == {1, 2, 3, 4}
    assert symbols == set(range(18)) and targets == set(range(12))


def test_every_symbol_is_possible_and_frequencies_are_the_automatons():
    found = made()
    symbols_BxL = np.minimum(found.ids_BxL, 17)[:, :, None]
    p_BxL = np.take_along_axis(found.true_BxLxA, symbols_BxL, axis=2)[:, :, 0]
    p_N = p_BxL[found.scored_BxL]
    assert (p_N > 0).all()
    # The first of d edges is taken one time in d.
    first_BxL = np.argmax(found.true_BxLxA > 0, axis=2) == found.ids_BxL
    for degree in (2, 3, 4):
        flags = first_BxL[found.scored_BxL & np.isclose(p_BxL, 1 / degree)]
        spread = np.sqrt((1 - 1 / degree) / degree / len(flags))
        assert abs(flags.mean() - 1 / degree) < 4 * spread < 0.1


def test_strings_and_separators():
    found = made(length=1024)
    assert found.inside_BxL.sum(axis=1).max() < 1024  # nothing is cut
    counts, lengths = [], []
    for row in range(len(found.ids_BxL)):
        inside_L = found.inside_BxL[row]
        strings = strings_of(found.ids_BxL[row][inside_L], 18)
        counts.append(len(strings))
        lengths += map(len, strings)
        ends = np.cumsum(found.ids_BxL[row] == 18) - (found.ids_BxL[row] == 18)
        np.testing.assert_array_equal(found.examples_BxL[row][inside_L], ends[inside_L])
        # Each string begins in the same state.
        starts = [i for i in np.flatnonzero(inside_L) if i == 0 or found.ids_BxL[row][i - 1] == 18]
        assert len({found.true_BxLxA[row, i].tobytes() for i in starts}) == 1
    assert min(counts) >= 10 and max(counts) <= 20 and len(set(counts)) > 5
    assert min(lengths) == 0 and max(lengths) == 49
    assert abs(np.mean(lengths) - 24.5) < 4 * 14.4 / np.sqrt(len(lengths))
    np.testing.assert_array_equal(found.scored_BxL, found.inside_BxL & (found.ids_BxL < 18))


def test_a_problem_is_a_function_of_seed_family_and_index():
    whole, part = made(range(6)), made([4, 1])
    for a, b in zip(whole, part, strict=True):
        np.testing.assert_array_equal(a[[4, 1]], b)
    short = made(range(6), length=64)
    np.testing.assert_array_equal(whole.ids_BxL[:, :64], short.ids_BxL)
    for other in (made(range(6), seed=1), made(range(6), family=HELD_OUT)):
        assert (other.ids_BxL != whole.ids_BxL).any(axis=1).all()


def test_an_epoch_of_training_has_every_problem_once():
    steps = [
        automata.training_indices(seed=0, step=step, batch_size=5, count=20).tolist()
        for step in range(8)
    ]
    first, second = sum(steps[:4], []), sum(steps[4:], [])
    assert sorted(first) == sorted(second) == list(range(20)) and first != second
    # A batch may lie across the border of two epochs.
    across = automata.training_indices(seed=0, step=2, batch_size=8, count=20)
    assert across.tolist() == first[16:] + second[:4]


def test_impossible_settings_are_usage_errors():
    for changes in ({"edges": (1, 5)}, {"alphabet": 17}, {"symbols": (9, 8)}):
        with pytest.raises(UsageError, match="different symbols"):
            Settings(**changes)
