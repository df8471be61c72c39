"""The novels of the clone, and the text of the Python installation."""

import ast
import platform
import re
from pathlib import Path

import pytest

from research import corpora
from research.corpora import builtin
from research.corpora.corpus import SPLITS, STRONGER_SPLITS, Corpus, document_digest
from research.errors import FreevocabError, UsageError

ATTRIBUTION = Path(builtin.__file__).parent / "novels" / "ATTRIBUTION.md"


@pytest.fixture(scope="module")
def whole():
    return corpora.load("builtin:python")


def test_every_document_is_in_exactly_one_split(whole):
    read = {split: list(whole.documents(split)) for split in SPLITS}
    for split in SPLITS:
        for other in STRONGER_SPLITS[split]:
            assert not set(read[split]) & set(read[other])
    everything = {text for texts in read.values() for text in texts}
    parts = [set(builtin.topics()), set(dict(builtin.modules(whole.source.library)).values())]
    assert all(part <= everything for part in parts)


def test_describe_names_python_and_size(whole):
    described = whole.describe()
    assert described["python"] == platform.python_version()
    assert described["unparsable_modules"] == []
    train = described["splits"]["train"]["bytes"]
    held_out = [described["splits"][split]["bytes"] for split in ("valid", "test")]
    assert train > 5_000_000 and min(held_out) > 50_000 and max(held_out) < train / 5


def test_parts_add_up_to_the_whole(whole):
    texts = []
    for part in ("topics", "docstrings", "code"):
        texts += corpora.load(f"builtin:{part}").documents("valid")
    assert sorted(texts, key=document_digest) == list(whole.documents("valid"))


def test_order_does_not_depend_on_the_file_system(tmp_path, monkeypatch):
    for name in ("b.py", "a.py", "z/c.py", "z/a.py", "A.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"# {name}\n")
    names = [name for name, _ in builtin.modules(str(tmp_path))]
    assert names == sorted(names) and len(names) == 5
    walk = builtin.os.walk

    def reversed_walk(top):
        for folder, folders, files in walk(top):
            folders.reverse()
            yield folder, folders, files[::-1]

    monkeypatch.setattr(builtin.os, "walk", reversed_walk)
    assert [name for name, _ in builtin.modules(str(tmp_path))] == names


def test_tests_packages_and_the_installation_itself_are_left_out(tmp_path):
    kept = ["json/decoder.py", "testing.py", "turtledemo/clock.py"]
    left_out = [
        *("test/a.py", "unittest/test/b.py", "ctypes/tests/c.py", "idlelib/d.py"),
        *("lib2to3/e.py", "distutils/f.py", "site-packages/g.py", "ensurepip/h.py"),
        *("dist-packages/i.py", "__pycache__/j.py", "pydoc_data/topics.py", "config-3.11/k.py"),
        *("_sysconfigdata__linux.py", "sitecustomize.py", "lib-dynload/l.so", "m.pyc"),
    ]
    for name in kept + left_out:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    assert [name for name, _ in builtin.modules(str(tmp_path))] == kept


def test_docstrings_come_in_the_order_of_the_source():
    code = b'''"""Module."""
class A:
    """Class A.

    More.
    """
    def f(self):
        """Method."""
def g():
    "Function \\d."
    return 1
'''
    assert builtin.docstrings(code) == b"Module.\n\nClass A.\n\nMore.\n\nMethod.\n\nFunction \\d.\n"
    assert builtin.docstrings(b"x = 1\n") == b""
    assert builtin.docstrings(b"def f(:\n") is None
    assert builtin.docstrings(b"x = '\0'\n") is None


def test_a_module_that_does_not_parse_is_kept_as_code_and_named(tmp_path):
    (tmp_path / "new.py").write_text("def f(:\n")
    (tmp_path / "old.py").write_text('"""Documented."""\n')
    source = builtin.PythonText(parts=("docstrings", "code"), library=str(tmp_path))
    corpus = Corpus(source)
    assert corpus.describe()["unparsable_modules"] == ["new.py"]
    texts = [text for split in SPLITS for text in corpus.documents(split)]
    assert sorted(texts) == [b'"""Documented."""\n', b"Documented.\n", b"def f(:\n"]


def test_docstrings_fall_where_their_module_falls(tmp_path):
    for i in range(60):
        (tmp_path / f"m{i}.py").write_text(f'"""Words of module {i}."""\n')
    corpus = Corpus(builtin.PythonText(parts=("docstrings", "code"), library=str(tmp_path)))
    for split in SPLITS:
        texts = list(corpus.documents(split))
        code = [text for text in texts if text.startswith(b'"""')]
        assert {builtin.docstrings(text) for text in code} == set(texts) - set(code)
        assert len(texts) == 2 * len(code) and code


def test_library_code_parses(whole):
    assert all(ast.parse(text) for text in corpora.load("builtin:code").documents("valid"))


def test_wrong_part_and_missing_sources_are_one_line(tmp_path):
    with pytest.raises(UsageError, match="no part 'tests'.*topics, docstrings, code"):
        corpora.load("builtin:tests")
    with pytest.raises(FreevocabError, match="no Python sources"):
        list(builtin.modules(str(tmp_path)))


def authors(split):
    return {name.split("_")[0] for name in builtin.books(split)}


def test_held_out_authors_have_no_book_in_another_split():
    for split, others in STRONGER_SPLITS.items():
        for other in others:
            assert not authors(split) & authors(other)
            read = [set(corpora.load("builtin:novels").documents(each)) for each in (split, other)]
            assert not read[0] & read[1]


def test_every_author_is_in_the_attribution_with_a_year_of_death_before_1956():
    table = ATTRIBUTION.read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \|.*?\| (\d{4})-(\d{4}) \|", table, re.MULTILINE)
    died = {name: int(year) for name, _, year in rows}
    for split in SPLITS:
        for author in authors(split):
            assert died[author] < 1956, author


def test_sizes_fit_a_clone():
    assert sum(builtin.archive(split).stat().st_size for split in SPLITS) < 13_000_000
    counts = corpora.load("builtin").describe()["splits"]
    assert 40_000_000 < sum(each["bytes"] for each in counts.values()) < 45_000_000
    assert min(counts["valid"]["bytes"], counts["test"]["bytes"]) > 2_000_000


def test_documents_together_are_the_books_and_halves_divide_no_book():
    source = builtin.source("novels")
    name, text = next(iter(builtin.books("valid").items()))
    pieces = list(builtin.stretches(text))
    assert b"".join(pieces) == text and len(pieces) > 10
    assert all(piece.endswith(b"\n") for piece in pieces)
    assert {source.group(piece) for piece in pieces} == {name.encode()}
    corpus = corpora.load("builtin:novels")
    halves = [set(map(source.group, corpus.documents("train", half=half))) for half in (0, 1)]
    assert not halves[0] & halves[1] and len(halves[0] | halves[1]) == len(builtin.books("train"))


@pytest.mark.parametrize("size", [0, 1, 5_000, 12_288, 20_000, 100_000])
def test_stretches_of_any_length(size):
    text = (b"x" * 90 + b"\n") * (size // 91) + b"y" * (size % 91)
    pieces = list(builtin.stretches(text))
    assert b"".join(pieces) == text
    assert all(len(piece) >= builtin.DOCUMENT_BYTES // 2 for piece in pieces[:-1])


def test_without_the_archives_builtin_is_python(tmp_path, monkeypatch):
    monkeypatch.setattr(builtin, "_FOLDER", tmp_path)
    assert corpora.load("builtin").name == "builtin:python"
    with pytest.raises(UsageError, match="clone"):
        corpora.load("builtin:novels")


def test_a_damaged_archive_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(builtin, "_FOLDER", tmp_path)
    builtin.books.cache_clear()
    for split in SPLITS:
        builtin.archive(split).write_bytes(b"no archive")
    with pytest.raises(FreevocabError, match="damaged"):
        list(builtin.source("novels").documents("valid"))
    builtin.books.cache_clear()
