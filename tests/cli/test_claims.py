"""`freevocab claims`, and the verdicts under a table that was just run."""

import json

import pytest

from research.reporting.claims import VERDICTS

CLAIMS = '''
from research.reporting.claims import Claim, Ruling, graded

def decide(found):
    bits = [row["bits/byte"] for row in found.rows]
    return Ruling(graded(bits[0] - bits[-1], 0.1, 1.0), f"{bits[0]} -> {bits[-1]}")

CLAIMS = (
    Claim("machines", "machines add better", "Table 1", "2 -> 1", "toy/adding", decide, True),
    Claim("hands", "hands do not tire", "Table 2", "never"),
)
'''


@pytest.fixture
def claiming(toy_paper):
    """The toy paper, with two claims."""
    (toy_paper.parent / "experiments/toy/claims.py").write_text(CLAIMS)
    return toy_paper


def test_claims_have_verdicts_figures_and_commands(claiming, freevocab):
    code, out, err = freevocab("claims", "--json")
    first, second = json.loads(out)
    assert code == 0 and not err
    assert (first["verdict"], first["scale"]) == ("not run", None)
    freevocab("reproduce", "toy/adding")
    first, second = json.loads(freevocab("claims", "toy", "--json")[1])
    assert first == {
        "paper": "toy", "id": "machines", "claim": "machines add better", "place": "Table 1",
        "figure": "2 -> 1", "ours": "1.5 -> 0.5", "verdict": "shown", "table": "toy/adding",
        "scale": "cpu", "command": "freevocab reproduce toy/adding --scale cpu", "headline": True,
    }  # fmt: skip
    assert (second["verdict"], second["command"]) == ("not run", None)
    table = freevocab("claims")[1]
    assert "machines add better (Table 1)" in table and "reproduce toy/adding --scale cpu" in table
    assert all(verdict in table for verdict in VERDICTS)


def test_no_such_paper(claiming, freevocab):
    code, out, err = freevocab("claims", "toys")
    assert code == 2 and not out and "did you mean toy?" in err


def test_a_run_says_what_it_shows_and_a_quick_one_nothing(claiming, freevocab):
    said = "- shown: machines add better (Table 1: 2 -> 1; ours: 1.5 -> 0.5)"
    assert said in freevocab("reproduce", "toy/adding")[1]
    quick = freevocab("reproduce", "toy/adding", "--quick")[1]
    assert "2 ways were tried" in quick
    assert not any(f"- {verdict}: " in quick for verdict in VERDICTS)
