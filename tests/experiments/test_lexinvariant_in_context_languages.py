"""The table `in_context_languages`: it runs, and its measures are ICLL's."""

import numpy as np
import pytest

from configs.lexinvariant import in_context_languages as configs
from experiments.lexinvariant import in_context_languages as table
from experiments.shared.tables import Clock
from research.lexinvariance.tasks.automata import Problems
from tests.experiments.table_checks import check_table


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return table.run(
        configs.quick(), workdir=tmp_path_factory.mktemp("automata"), log=lambda line: None
    )


def test_the_quick_configuration_runs(rows):
    check_table(table, rows)
    assert [row["model"] for row in rows] == [
        "gaussian",
        "gaussian, n-gram heads 1 2",
        "back-off n-gram, order 2",
        "Baum-Welch, 3 states",
        table.UNIFORM,
        table.TRUTH,
    ]


def test_the_automaton_is_the_ceiling(rows):
    best = rows[-1]
    assert best["accuracy"] == 100 and best["total_variation"] == 0
    for row in rows[:-1]:
        assert row["accuracy"] < 100 and row["total_variation"] > 0
        if row["problems"] == best["problems"]:
            assert row["bits_per_symbol"] > best["bits_per_symbol"]


def test_measures_of_a_case_done_by_hand():
    """Three symbols; two positions count, after no string and after one."""
    found = Problems(
        ids_BxL=np.array([[0, 3, 1, 2]]),
        inside_BxL=np.ones((1, 4), bool),
        scored_BxL=np.array([[True, False, True, False]]),
        examples_BxL=np.array([[0, 0, 1, 1]]),
        true_BxLxA=np.array([[[1.0, 0, 0], [0, 1, 0], [0, 0.5, 0.5], [0, 1, 0]]]),
    )
    q_BxLxA = np.array([[[2.0, 2, 0], [0, 0, 1], [6, 1, 1], [1, 0, 0]]])
    row = table._row("by hand", found, q_BxLxA, Clock(), lambda line: None)
    assert row["accuracy"] == 50.0  # symbol 0 is possible at first, not after one string
    assert row["tv 0"] == 0.5 and row["tv 1"] == 0.75 and row["tv 2"] is None
    assert row["total_variation"] == 0.625
    assert row["bits_per_symbol"] == 2.0  # of probabilities 1/2 and 1/8


def test_evaluation_and_training_share_no_automaton():
    config = configs.cpu()
    assert config.train_problems == 5_000 and config.valid_problems < 500
    for scale in (configs.gpu(), configs.paper()):
        assert (scale.train_problems, scale.valid_problems) == (5_000, 500)
        # 20 strings of 49 and the separators between them.
        assert scale.model.length >= 20 * 49 + 19
