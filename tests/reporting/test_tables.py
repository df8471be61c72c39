"""Rows as Markdown, CSV and terminal tables."""

import csv
import io

import pytest
from rich.console import Console

from research.reporting import tables

COLUMNS = ("method", "V", "bits/byte")
OURS = [{"method": "Bytes", "V": 256, "bits/byte": 2.0}, {"method": "New|one", "V": 16}]
PAPER = [
    {"method": "GZip", "V": 256, "bits/byte": 2.34},
    {"method": "Bytes", "V": 256, "bits/byte": 1.29},
]


def test_the_papers_rows_stand_beside_ours():
    columns, rows = tables.merge(COLUMNS, {"ours, cpu": OURS}, PAPER)
    assert columns == ["method", "source", "V", "bits/byte"]
    assert [(row["method"], row["source"]) for row in rows] == [
        ("Bytes", "ours, cpu"),
        ("Bytes", "paper"),
        ("New|one", "ours, cpu"),
        ("GZip", "paper"),
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (True, "yes"),
        (False, "no"),
        (0.0, "0"),
        (1.0, "1"),
        (1.29, "1.29"),
        (1.23456, "1.235"),
        (99.9996, "100"),
        (0.00012, "1.20e-04"),
        (4321.4, "4,321"),
        (2.5e9, "2.50e+09"),
        (65_536, "65,536"),
        (2.84e-14, "0"),
        ("name", "name"),
    ],
)
def test_cells(value, text):
    assert tables.cell(value) == text


def test_headings():
    names = ("bits_per_byte", "mflops_per_byte", "bits/byte", "train_bytes", "V")
    headings = ["bits/byte", "MFLOPs/byte", "bits/byte", "train bytes", "V"]
    assert [tables.heading(name) for name in names] == headings


def test_markdown_escapes_and_aligns():
    columns, rows = tables.merge(COLUMNS, {"ours": OURS}, PAPER)
    assert tables.markdown(columns, rows).splitlines() == [
        "| method | source | V | bits/byte |",
        "| --- | --- | ---: | ---: |",
        "| Bytes | ours | 256 | 2 |",
        "| Bytes | paper | 256 | 1.29 |",
        "| New\\|one | ours | 16 | - |",
        "| GZip | paper | 256 | 2.34 |",
    ]


def test_csv_keeps_every_digit():
    text = tables.comma_separated(("a", "b"), [{"a": 'x,"y"', "b": 0.1 + 0.2}, {"a": None}])
    assert list(csv.reader(io.StringIO(text))) == [
        ["a", "b"], ['x,"y"', "0.30000000000000004"], ["", ""]
    ]


def test_the_terminal_table_shows_every_cell():
    columns, rows = tables.merge(COLUMNS, {"ours": OURS}, PAPER)
    out = io.StringIO()
    Console(file=out, width=100).print(tables.terminal("A title", columns, rows))
    text = out.getvalue()
    assert "A title" in text
    assert all(tables.cell(row.get(name)) in text for row in rows for name in columns)


def test_a_group_brings_rows_of_different_names_together():
    ours = [{"method": "W=12", "group": "W", "ratio": 3.0}, {"method": "Bytes", "ratio": 1.0}]
    paper = [{"method": "W=16", "group": "W", "ratio": 5.3}]
    _, rows = tables.merge(("method", "ratio"), {"ours": ours}, paper)
    assert [row["method"] for row in rows] == ["W=12", "W=16", "Bytes"]


def test_the_papers_smallest_size_is_shown_beside_a_small_model():
    sized = [{"method": "Bytes", "size": size} for size in ("25m", "2b")]
    assert tables.smallest_size(sized) == ("paper, 25m", sized[:1])
    assert tables.smallest_size([{"method": "Bytes"}]) == ("paper", [{"method": "Bytes"}])
