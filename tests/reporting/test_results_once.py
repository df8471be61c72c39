"""Rows of a table that was interrupted."""

import dataclasses

import pytest

from research.reporting import environment, results


@dataclasses.dataclass(frozen=True)
class Config:
    steps: int = 3


@pytest.fixture
def measure(tmp_path, monkeypatch):
    """measure(config, facts) -> (row, was it measured?)."""
    monkeypatch.setattr(environment, "commit", lambda: "c" * 40)
    calls = []

    def call(config=Config(), facts=("bytes",)):
        before = len(calls)

        def make():
            calls.append(facts)
            return {"method": facts[0], "bits": 2.5, "pair": (1, 2)}

        return results.once(tmp_path, config, facts, make), len(calls) > before

    return call


def test_a_row_is_measured_once_and_is_the_same_after(measure):
    first, measured = measure()
    assert measured and first == {"method": "bytes", "bits": 2.5, "pair": [1, 2]}
    assert measure() == (first, False)
    assert measure(facts=("bpe",)) == ({**first, "method": "bpe"}, True)


def test_another_configuration_commit_or_version_measures_again(measure, monkeypatch):
    measure()
    assert measure(Config(steps=4))[1]
    monkeypatch.setattr(environment, "versions", lambda: {"jax": "9"})
    assert measure()[1] and not measure()[1]
    monkeypatch.setattr(environment, "commit", lambda: "d" * 40)
    assert measure()[1] and not measure()[1]


def test_changed_code_keeps_nothing(measure, monkeypatch):
    monkeypatch.setattr(environment, "commit", lambda: "c" * 40 + "+dirty")
    assert measure()[1] and measure()[1]


def test_forgetting_is_of_one_configuration(measure, tmp_path):
    measure()
    measure(Config(steps=4))
    results.forget(tmp_path, Config())
    assert measure()[1] and not measure(Config(steps=4))[1]


def test_a_damaged_row_is_measured_again(measure, tmp_path):
    first, _ = measure()
    (path,) = tmp_path.rglob("*.json")
    path.write_text('{"method": ')
    assert measure() == (first, True)
