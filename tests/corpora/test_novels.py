"""The novels of the clone."""

import re
from pathlib import Path

import pytest

from research import corpora
from research.corpora import builtin, novels, splits
from research.errors import FreevocabError, UsageError

ATTRIBUTION = Path(novels.__file__).parent / "novels" / "ATTRIBUTION.md"


def authors(split):
    return {name.split("_")[0] for name in novels.books(split)}


def test_held_out_authors_have_no_book_in_another_split():
    for split, others in splits.STRONGER_SPLITS.items():
        for other in others:
            assert not authors(split) & authors(other)
            read = [set(corpora.load("builtin:novels").documents(each)) for each in (split, other)]
            assert not read[0] & read[1]


def test_every_author_is_in_the_attribution_with_a_year_of_death_before_1956():
    table = ATTRIBUTION.read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \|.*?\| (\d{4})-(\d{4}) \|", table, re.MULTILINE)
    died = {name: int(year) for name, _, year in rows}
    for split in splits.SPLITS:
        for author in authors(split):
            assert died[author] < 1956, author


def test_sizes_fit_a_clone():
    assert sum(novels.archive(split).stat().st_size for split in splits.SPLITS) < 13_000_000
    counts = corpora.load("builtin").describe()["splits"]
    assert 40_000_000 < sum(each["bytes"] for each in counts.values()) < 45_000_000
    assert min(counts["valid"]["bytes"], counts["test"]["bytes"]) > 2_000_000


def test_documents_together_are_the_books_and_halves_divide_no_book():
    source = novels.source()
    name, text = next(iter(novels.books("valid").items()))
    pieces = list(novels.stretches(text))
    assert b"".join(pieces) == text and len(pieces) > 10
    assert all(piece.endswith(b"\n") for piece in pieces)
    assert {source.group(piece) for piece in pieces} == {name.encode()}
    corpus = corpora.load("builtin:novels")
    halves = [set(map(source.group, corpus.documents("train", half=half))) for half in (0, 1)]
    assert not halves[0] & halves[1] and len(halves[0] | halves[1]) == len(novels.books("train"))


@pytest.mark.parametrize("size", [0, 1, 5_000, 12_288, 20_000, 100_000])
def test_stretches_of_any_length(size):
    text = (b"x" * 90 + b"\n") * (size // 91) + b"y" * (size % 91)
    pieces = list(novels.stretches(text))
    assert b"".join(pieces) == text
    assert all(len(piece) >= novels.DOCUMENT_BYTES // 2 for piece in pieces[:-1])


def test_without_the_archives_builtin_is_python(tmp_path, monkeypatch):
    monkeypatch.setattr(novels, "_FOLDER", tmp_path)
    assert corpora.load("builtin").name == "builtin:python"
    with pytest.raises(UsageError, match="clone"):
        corpora.load("builtin:novels")


def test_a_damaged_archive_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(novels, "_FOLDER", tmp_path)
    novels.books.cache_clear()
    for split in splits.SPLITS:
        novels.archive(split).write_bytes(b"no archive")
    with pytest.raises(FreevocabError, match="damaged"):
        list(builtin.source("novels").documents("valid"))
    novels.books.cache_clear()
