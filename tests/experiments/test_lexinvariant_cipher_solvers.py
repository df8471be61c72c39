"""The table of cipher solvers runs, and what it counts is what happened."""

import dataclasses

import numpy as np
import pytest

from configs.lexinvariant import cipher_solvers as configuration
from experiments.lexinvariant import cipher_probe, cipher_solvers
from research.lexinvariance.ciphers import ciphers
from tests.experiments.table_checks import check_table


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    config = dataclasses.replace(configuration.quick(), texts=2)
    lines = []
    found = cipher_solvers.run(config, workdir=tmp_path_factory.mktemp("runs"), log=lines.append)
    assert any("best" in line for line in lines)
    return found


def test_every_solver_reads_the_same_texts(rows):
    names = {(row["solver"], row["condition"]) for row in rows}
    assert len(names) == len(rows) == 2 * 10
    check_table(cipher_solvers, rows)
    for row in rows:
        assert row["texts"] == 2
        for length in (16, 32):
            low, high = map(float, row[f"interval {length}"].split(" to "))
            assert 0 <= low <= row[f"error {length}"] + 1e-4 and high <= 1
            assert row[f"solved {length}"] <= 1 - row[f"error {length}"]
    remarks = cipher_solvers.remarks(rows)
    assert remarks[-1].startswith("text: synthetic:60000, digest ")
    assert sum("best of each" in remark for remark in remarks) == 4


def test_errors_are_counted_over_enciphered_symbols_only():
    cipher = ciphers.renamed(ciphers.make("ab ab c", "clear", np.random.default_rng(0)))
    right = cipher_solvers.Answer(cipher.key_S, 0.5)
    wrong = cipher_solvers.Answer(np.asarray([0, 1, 25]), 1.5)
    scores = cipher_solvers._scores([cipher, cipher], [right, wrong], 16, 0)
    assert scores["error 16"] == pytest.approx((0 + 1 / 5) / 2)
    assert scores["precision 16"] == pytest.approx((1 + 2 / 3) / 2)
    assert (scores["solved 16"], scores["seconds 16"]) == (0.5, 1.0)


def test_a_climber_starts_from_what_the_last_occurrences_say():
    cipher = ciphers.Cipher(
        np.asarray([0, 1, 0, -1, 0, 0, 0]), np.zeros(7, np.int32), np.asarray([3, 4])
    )
    p_LxA = np.random.default_rng(0).dirichlet(np.ones(27), 7)
    start = cipher_probe.start(np.log(p_LxA), cipher)
    want = np.log(p_LxA[[2, 4, 5, 6]].mean(axis=0) + 1e-6)
    np.testing.assert_allclose(start[0], want)
    np.testing.assert_allclose(start[1], np.log(p_LxA[1] + 1e-6))
