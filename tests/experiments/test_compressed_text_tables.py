"""Every table runs in its quick configuration, and its figures have the table's columns."""

import dataclasses
import importlib
import math

import numpy as np
import pytest

from configs import compressed_text
from configs.compressed_text import learn_the_coder as learn_config
from configs.compressed_text import token_stability as stability_config
from experiments.compressed_text import (
    bit_statistics,
    learn_the_coder,
    position_accuracy,
    token_semantics,
    token_stability,
)
from tests.experiments.table_checks import check_table

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
    every_n = [f"n={n}" for n in range(1, 17)] if name == "bit_statistics" else []
    check_table(table, rows, *every_n)
    remarks = table.remarks(rows)
    assert name == "byte_matched" or remarks[-1].startswith("text: synthetic:60000, digest ")


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
        assert split == "train"
        yield b"to be or not to be, that is the question: to be"


def test_words_are_drawn_from_the_most_frequent_ones():
    common = token_stability.common_words(_Words(), 3)
    assert common == [b"be", b"to", b"is"]
    config = dataclasses.replace(stability_config.quick(), num_words=2, among=3)
    found = {
        tuple(token_stability.drawn_words(_Words(), dataclasses.replace(config, seed=seed)))
        for seed in range(20)
    }
    # In their order, each once, whichever are drawn; the same seed draws the same.
    assert found == {(b"be", b"to"), (b"be", b"is"), (b"to", b"is")}
    assert token_stability.drawn_words(_Words(), config) == token_stability.drawn_words(
        _Words(), config
    )


def test_the_papers_windows_are_its_sentence():
    cut = [row["text"] for row in token_semantics.PAPER_ROWS if row["part"] == "window"]
    assert len(cut) == 24 and cut[16:19] == ["eleph", "ants,_", "and_the_"]
    assert "".join(cut).replace("_", " ") == stability_config.SENTENCE


class _Echo:
    def encode(self, texts):
        return [bit_statistics.np.frombuffer(text, "u1").astype("i4") for text in texts]


def test_a_stream_leaves_the_padded_token_out():
    parts = bit_statistics.streams_of(_Echo(), [b"\x01\x02\xff", b"\x80\xff"], 8)
    assert [part.tolist() for part in parts] == [
        [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, 0, 0, 0],
    ]
    # A window begins where its example begins; the second has no whole one.
    assert bit_statistics.whole_windows(parts, 12).tolist() == [[0, 0, 0, 0, 0, 0, 0, 1] + [0] * 4]


def test_where_in_a_window_bits_are_not_uniform():
    bits_NxW = np.random.default_rng(0).integers(0, 2, (4_000, 12), np.uint8)
    bits_NxW[:, 1] = bits_NxW[:, 0]  # the first two are one bit's worth
    rows = bit_statistics._rows_of_windows("EqualInfo", bits_NxW, 4)
    of = {(row["unit"], row["estimate"]): row for row in rows}
    first, last = (of[unit, "Miller-Madow"] for unit in ("first bits", "last bits"))
    assert first["n=1"] == pytest.approx(0, abs=0.005)
    for n in (2, 3, 4):
        assert first[f"n={n}"] == pytest.approx(1, abs=0.02)
        assert last[f"n={n}"] == pytest.approx(0, abs=0.02)
    assert first["bits"] == 48_000 and "n=5" not in first
