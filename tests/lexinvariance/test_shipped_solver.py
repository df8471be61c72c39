"""The shipped solver: what of a long text is searched, and when a search ends."""

import numpy as np
import pytest

from research.lexinvariance.ciphers import cipher_text, shipped_solver
from research.lexinvariance.ciphers.solvers import climb


def test_a_short_text_is_searched_whole():
    stream = np.array([-1, 0, 1, -1, 2, -1])
    assert shipped_solver.excerpt(stream, 6) is stream


def test_of_a_long_text_the_beginning_and_whatever_occurs_only_later():
    stream = np.tile([0, 1, 2, -1], 500)
    stream[[1_000, 1_001, 1_900]] = [3, 3, 4]
    found = shipped_solver.excerpt(stream, 100)
    assert found[:100].tolist() == stream[:100].tolist()
    assert set(found) == {-1, 0, 1, 2, 3, 4}
    assert found[100:].tolist() == [*stream[985:1_016], *stream[1_885:1_915]]


@pytest.fixture
def ends(monkeypatch):
    """Searches that end in keys given, one after the other, with these nats."""
    given = [((0, 1), 5.0), ((1, 0), 3.0), ((0, 1), 5.0), ((1, 0), 3.0), ((1, 0), 3.0)] * 9

    def search(made, *, seed, restarts):
        key, nats = given[seed]
        return made.__class__(key_S=np.array(key), nats=nats)

    monkeypatch.setattr(climb, "search", search)


class Ended:
    """Stands in for a problem, and for its solution."""

    def __init__(self, key_S=None, nats=0.0):
        self.key_S, self.nats = key_S, nats


def test_a_search_ends_when_the_best_key_comes_again(ends):
    keys, rounds, found = shipped_solver.searched([Ended()], seconds=60, restarts=None, seed=0)
    assert keys == [((1, 0), 3.0), ((0, 1), 5.0)]
    assert (rounds, found) == (5, shipped_solver.AGAIN) == (5, 3)


def test_a_number_of_restarts_is_kept_to(ends):
    keys, rounds, found = shipped_solver.searched([Ended()], seconds=1e-9, restarts=7, seed=0)
    assert (rounds, found, keys[0][1]) == (7, 4, 3.0)


def test_some_searches_are_made_however_short_the_time(ends, monkeypatch):
    monkeypatch.setattr(shipped_solver, "AGAIN", 99)
    rounds = shipped_solver.searched([Ended()], seconds=1e-9, restarts=None, seed=0)[1]
    assert rounds == shipped_solver.LEAST


def test_a_solution_is_a_function_of_the_seed_and_its_confidence_of_the_text():
    solve = shipped_solver.make(seconds=1.0, restarts=4, seed=3)
    read = cipher_text.read("abcd efg abh ebcad", "clear", "all")
    first, second = solve(read, 1.0), solve(read, 0.1)
    assert first.decided == second.decided and first.nats == second.nats
    np.testing.assert_array_equal(first.confidence_S, second.confidence_S)
    assert len(set(first.letters)) == len(first.letters) == len(read.symbols)
    assert ((0 <= first.confidence_S) & (first.confidence_S <= 1)).all()
    assert first.confidence_S.mean() < 0.6  # nine symbols in fifteen letters
