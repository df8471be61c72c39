"""Every table runs in its quick configuration, and its figures have the table's columns."""

import dataclasses
import importlib
import math

import pytest

from configs import compressed_text
from configs.compressed_text import learn_the_coder as learn_config
from experiments.compressed_text import (
    bit_statistics,
    learn_the_coder,
    position_accuracy,
    token_stability,
)
from research.reporting import results, tables

NAMES = [name for name in compressed_text.TABLES if name not in compressed_text.MAIN]


def experiment(name):
    return importlib.import_module(f"experiments.compressed_text.{name}")


def config_module(name):
    return importlib.import_module(f"configs.compressed_text.{name}")


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


@pytest.mark.parametrize("name", NAMES)
def test_the_quick_configuration_runs(name, workdir):
    table, lines = experiment(name), []
    rows = table.run(config_module(name).quick(), workdir=workdir, log=lines.append)
    assert rows and lines
    every_n = {f"n={n}" for n in range(1, 17)} if name == "bit_statistics" else set()
    for row in rows:
        assert set(row) <= {*table.COLUMNS, "corpus"} | every_n
        for value in results.plain(row).values():
            assert value is None or isinstance(value, bool | int | float | str)
            assert not isinstance(value, float) or math.isfinite(value)
    remarks = table.remarks(rows)
    for remark in remarks:
        assert remark and "\n" not in remark
    assert name == "byte_matched" or remarks[-1].startswith("text: synthetic:60000, digest ")
    columns, merged = tables.merge(table.COLUMNS, {"ours": rows}, table.PAPER_ROWS)
    assert len(merged) == len(rows) + len(table.PAPER_ROWS)
    assert tables.markdown(columns, merged).count("\n") == len(merged) + 2


@pytest.mark.parametrize("name", NAMES)
def test_the_papers_rows_have_our_columns(name):
    table = experiment(name)
    for row in table.PAPER_ROWS:
        assert set(row) <= set(table.COLUMNS)
    docstring = config_module(name).__doc__
    assert "EXPECTED" not in docstring and "SHAPES" not in docstring


def test_the_papers_ratios_keep_the_identities():
    """Uniform bits/byte is log2 V / ratio, and twice the ratio at twice the width."""
    rows = experiment("compression_ratios").PAPER_ROWS
    for row in rows:
        uniform = row["uniform_bpb"]
        if uniform is not None and row["method"] not in ("AC", "StaticAC"):
            expected = math.log2(row["vocabulary"]) / row["ratio"]
            assert uniform == pytest.approx(expected, rel=4e-3)
    narrow = {row["method"]: row["ratio"] for row in rows if row["vocabulary"] == 256}
    wide = {row["method"]: row["ratio"] for row in rows if row["vocabulary"] == 65_536}
    for method, ratio in wide.items():
        assert ratio == pytest.approx(2 * narrow[method], abs=0.0101)


def test_our_ratios_keep_the_identities(workdir):
    rows = experiment("compression_ratios").run(
        config_module("compression_ratios").quick(), workdir=workdir, log=lambda line: None
    )
    by_width = {(row["method"], row["vocabulary"]): row for row in rows}
    for (method, vocabulary), row in by_width.items():
        assert row["uniform_bpb"] == pytest.approx(math.log2(vocabulary) / row["ratio"])
        if (method, 64) in by_width and vocabulary == 4096:
            # The last token of each text may be padding.
            assert row["ratio"] == pytest.approx(2 * by_width[method, 64]["ratio"], rel=0.01)


def test_window_positions_start_anew_at_each_example():
    assert position_accuracy.window_positions(10, 5, 2).tolist() == [0, 1, 0, 1, 0] * 2


def test_a_sequence_to_sequence_row():
    np = learn_the_coder.np
    made = learn_the_coder.pairs([np.array([1, 2])], [np.array([7, 8, 9])], sep=10, length=7)
    assert made.inputs_NxL.tolist() == [[11, 1, 2, 10, 7, 8, 10]]
    assert made.targets_NxL.tolist() == [[1, 2, 10, 7, 8, 9, 10]]
    assert made.weights_NxL.tolist() == [[0, 0, 0, 1, 1, 1, 0]]
    assert made.cut == 0.0
    short = learn_the_coder.pairs([np.array([1, 2])], [np.array([7, 8, 9])], sep=10, length=5)
    assert short.targets_NxL.tolist() == [[1, 2, 10, 7, 8]] and short.cut == 1.0


def test_texts_are_drawn_from_inside_documents():
    config = dataclasses.replace(learn_config.quick(), text_bytes=3)
    texts = learn_the_coder.draw([b"abcdef", b"xy", b"uvwx"], 50, config, 0)
    assert set(texts) <= {b"abc", b"bcd", b"cde", b"def", b"uvw", b"vwx"}
    assert texts == learn_the_coder.draw([b"abcdef", b"xy", b"uvwx"], 50, config, 0)
    assert texts != learn_the_coder.draw([b"abcdef", b"xy", b"uvwx"], 50, config, 1)


class _Words:
    def documents(self, split, half=None):
        yield b"to be or not to be, that is the question: to be"


def test_the_most_frequent_words_come_first():
    assert token_stability.frequent_words(_Words(), 3) == [b"be", b"to", b"is"]


class _Echo:
    def encode(self, texts):
        return [bit_statistics.np.frombuffer(text, "u1").astype("i4") for text in texts]


def test_a_stream_leaves_the_padded_token_out():
    assert bit_statistics.stream(_Echo(), [b"\x01\x02\xff", b"\x80\xff"], 8).tolist() == [
        0, 0, 0, 0, 0, 0, 0, 1,
        0, 0, 0, 0, 0, 0, 1, 0,
        1, 0, 0, 0, 0, 0, 0, 0,
    ]
