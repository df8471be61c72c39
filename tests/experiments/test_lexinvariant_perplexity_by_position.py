"""Perplexity by position: the quick table, windows, floors, and draws of a real model."""

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest

from configs.lexinvariant import perplexity_by_position as configs
from experiments.lexinvariant import perplexity_by_position as table
from experiments.lexinvariant import position_windows
from experiments.lexinvariant.position_windows import STARTS, Sequences, row_of
from experiments.shared import language_models
from research import codecs
from research.errors import UsageError
from research.lexinvariance import baselines
from tests.experiments.table_checks import check_table


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    return tmp_path_factory.mktemp("table")


@pytest.fixture(scope="module")
def rows(workdir):
    lines = []
    found = table.run(configs.quick(), workdir=workdir, log=lines.append)
    assert lines
    return found


def test_the_rows_have_the_columns(rows):
    check_table(table, rows)
    assert table.remarks(rows)[-1].startswith("text: synthetic:60000")


def test_every_model_draw_and_floor_has_a_row(rows):
    with_models = [row["model"] for row in rows if row["text"] == "made up"]
    grams = [f"n-gram, order {n}" for n in range(3)]
    no_model = [*grams, "gzip", "xz", "uniform", "new ids alone"]
    assert with_models == [
        "learned",
        "gaussian",
        "gaussian, 2 draws",
        "gaussian, 2 draws jointly",
        "canonical",
        *no_model,
        "learned + key",
    ]
    assert [row["model"] for row in rows if row["text"] == "made up too"] == no_model


def test_the_key_costs_what_it_should(rows):
    """The row's excess over standard is the mean of log2(d!/(d - k)!), and new ids alone too."""
    by_name = {row["model"]: row for row in rows if row["text"] == "made up"}
    alone = by_name["new ids alone"]["nats"] * 32 / math.log(2)
    assert by_name["learned + key"]["excess_bits"] == pytest.approx(alone)
    assert by_name["learned"]["excess_bits"] == 0.0
    for name in ("canonical", "n-gram, order 0", "n-gram, order 2"):  # exactly lexinvariant
        for column in ("start 1", "start 25", "nats_new"):
            assert by_name[name][column] >= by_name["new ids alone"][column] - 1e-3


def made(ids_NxL, window=4, starts=(1,)):
    return Sequences(np.array(ids_NxL, np.int32), 128, codecs.load("characters"), starts, window)


def test_a_windows_perplexity():
    nats_NxL = np.array([[1.0, 1, 1, 1, 3, 3, 3, 3], [2.0, 2, 2, 2, 5, 5, 5, 5]])
    sequences = made([[7, 7, 8, 8, 9, 9, 7, 7], [1, 1, 1, 1, 1, 1, 1, 1]], starts=(1, 5))
    row = row_of(sequences, nats_NxL, nats_NxL - math.log(2))
    assert row["start 1"] == pytest.approx((math.e + math.e**2) / 2)
    assert row["start 5"] == pytest.approx((math.e**3 + math.e**5) / 2)
    assert row["spread_first"] == pytest.approx((math.e**2 - math.e) / 2)
    assert row["nats_last"] == pytest.approx(4.0) and row["nats"] == pytest.approx(2.75)
    assert row["excess_bits"] == pytest.approx(8.0)
    # New: 7, 8, 9 of the first row, 1 of the second.
    assert row["nats_new"] == pytest.approx((1 + 1 + 3 + 2) / 4)
    assert row["nats_seen"] == pytest.approx(37 / 12)


def test_compressors_grow_by_the_window():
    text = b"one rose is a rose is a rose is a rose, and so on. "
    sequences = made([list(text[:48])], window=16, starts=(1, 25))
    found = position_windows.floors_of(SimpleNamespace(order=1), sequences)
    for method in baselines.COMPRESSORS:
        bits = baselines.compressed_bits([text[:n] for n in (0, 16, 24, 40)], method)
        expected = [[bits[1] - bits[0], bits[3] - bits[2]]]
        np.testing.assert_allclose(found[method] / math.log(2), expected)


def test_sequences_are_text_without_its_marks():
    ids = np.array([3, 1, 4, 129, 1, 5, 9, 2, 6, 129, 5, 3, 5, 8, 9, 129], np.int32)
    store = SimpleNamespace(ids=ids)
    config = SimpleNamespace(num_sequences=2, window=3)
    found = Sequences.of(store, codecs.load("characters"), config, 4)
    assert found.ids_NxL.tolist() == [[3, 1, 4, 1], [5, 9, 2, 6]] and found.starts == (1,)
    with pytest.raises(UsageError, match="no 20 ids"):
        Sequences.of(store, codecs.load("characters"), config, 20)
    with pytest.raises(UsageError, match="sequences of 2 have no window of 3"):
        Sequences.of(store, codecs.load("characters"), config, 2)


def test_the_papers_windows():
    """Windows of 100 in sequences of 512 start at 1 to 413."""
    assert STARTS[0] == 1 and STARTS[-1] == 512 - 100 + 1
    scales = (configs.cpu(), configs.gpu(), configs.paper())
    assert all(config.window == 100 and config.num_sequences == 100 for config in scales)
    assert all(model.length == 512 for config in scales[1:] for model in config.models)


def test_draws_differ_and_repeat(workdir):
    config = configs.quick()
    gaussian, text = config.models[1], config.texts[0]
    found = language_models.trained(gaussian, text, seed=0, workdir=workdir, log=lambda line: None)
    sequences = Sequences.of(found.valid, found.codec, config, gaussian.length)
    first, second = (next_two(table._draws(config, found, sequences)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert (first[0] != first[1]).any()
    larger = dataclasses.replace(config, batch_size=6)
    np.testing.assert_allclose(next(table._draws(larger, found, sequences)), first[0], rtol=1e-5)


def next_two(stream):
    return next(stream), next(stream)


def test_only_the_models_that_are_named(tmp_path):
    config = dataclasses.replace(configs.quick(), only=("canonical",), floor_texts=())
    rows = table.run(config, workdir=tmp_path, log=lambda line: None)
    assert [row["model"] for row in rows if not row["floor"]] == ["canonical"]
    with pytest.raises(UsageError, match="no row 'gausian': the table has learned, gaussian"):
        table.run(dataclasses.replace(config, only=("gausian",)), workdir=tmp_path, log=print)


def test_kept_weights_give_the_same_rows_again(tmp_path):
    """Trained, rounded and opened; opened again; and where there are none, no row."""
    quick = configs.quick()
    model = dataclasses.replace(quick.models[2], name="made up")
    config = dataclasses.replace(quick, models=(model,), floor_texts=(), weights="retrain")
    first, again = (table.run(config, workdir=tmp_path, log=lambda line: None) for _ in range(2))
    for mine, theirs in zip(again, first, strict=True):
        assert {**mine, "seconds": 0} == {**theirs, "seconds": 0}
    lines = []
    committed = dataclasses.replace(config, weights="committed")
    assert not table.run(committed, workdir=tmp_path, log=lines.append)
    assert "no committed weights of made-up yet" in " ".join(lines)
