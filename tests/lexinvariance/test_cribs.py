"""Where a crib can stand, and that a search keeps to it."""

import dataclasses

import numpy as np
import pytest

from research.lexinvariance.ciphers import cipher_text, letters
from research.lexinvariance.ciphers.solvers import climb, cribs, problem


def reading(text, crib, spaces="clear", **facts):
    return dataclasses.replace(cipher_text.read(text, spaces, "all"), crib=crib, **facts)


def test_a_crib_fits_where_its_letters_repeat_as_the_symbols_do():
    assert cribs.fits(reading("xyz qaab", "moon")) == [{3: 12, 4: 14, 5: 13}]
    assert cribs.fits(reading("xyzqaab", "aa bee", "none")) == []
    assert cribs.fits(reading("xy zq", "a b")) == [{1: 0, 2: 1}]
    assert cribs.fits(reading("xyz", "aa")) == []
    assert len(cribs.fits(reading("xyz", "aa", homophonic=True))) == 2


@pytest.mark.parametrize("homophonic", [False, True])
def test_a_prior_speaks_against_every_other_key(homophonic):
    prior_PxA = cribs.prior({0: 2}, (3, 4), homophonic=homophonic)
    assert prior_PxA[0].tolist() == [-cribs.FIXED, -cribs.FIXED, 0, -cribs.FIXED]
    assert (prior_PxA[1:, 2] == (0 if homophonic else -cribs.FIXED)).all()
    assert not prior_PxA[1:, [0, 1, 3]].any()


def test_a_search_keeps_to_a_place():
    read = reading("abcd bca dcab", "oxen")
    fixed = cribs.fits(read)[0]
    made = problem.make(read.stream(), letters.load("clear"))
    prior_PxA = cribs.prior(fixed, made.prior_PxA.shape, homophonic=False)
    key_S = climb.search(made._replace(prior_PxA=prior_PxA), seed=0, restarts=1).key_S
    np.testing.assert_array_equal([key_S[symbol] for symbol in fixed], list(fixed.values()))
