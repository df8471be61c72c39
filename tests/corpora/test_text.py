"""Which files a `text:` corpus takes, and for which split."""

import os
from pathlib import Path

import pytest

from research import corpora
from research.corpora.corpus import SPLITS, document_digest, split_by_hash
from research.errors import FreevocabError, UsageError


@pytest.fixture
def novels(tmp_path):
    folder = tmp_path / "novels" / "corpus"
    folder.mkdir(parents=True)
    for name in ("c", "a", "b", "d"):
        (folder / f"{name}.txt").write_text(f"Novel {name}.\n\nThe end.\n")
    return folder


def read(spec: str) -> dict[str, list[bytes]]:
    corpus = corpora.load(spec)
    return {split: list(corpus.documents(split)) for split in SPLITS}


def mixed(*documents: bytes) -> list[bytes]:
    """In the order of a corpus, which is by hash and neither the files' nor the names'."""
    return sorted(documents, key=document_digest)


def novel(name: str) -> bytes:
    return f"Novel {name}.\n\nThe end.\n".encode()


def test_options_name_the_held_out_files(novels):
    spec = f"text:{novels}/*.txt;valid={novels}/[ab].txt;test={novels}/b*"
    assert read(spec) == {
        "train": mixed(novel("c"), novel("d")),
        "valid": [novel("a")],
        "test": [novel("b")],
    }


def test_a_split_file_above_the_files_is_honoured(novels):
    table = "# novels\ntrain\tcorpus/a.txt\nvalid\tcorpus/c.txt\n\ntest\tcorpus/b.txt\textra\n"
    (novels.parent / "SPLIT.tsv").write_text(table + "train\tcorpus/d.txt\n")
    expected = {"train": mixed(novel("a"), novel("d")), "valid": [novel("c")], "test": [novel("b")]}
    assert read(f"text:{novels}/*.txt") == expected
    assert read(f"text:{novels.parent}/**/*.txt") == expected
    assert read(f"text:{novels}/[a-d].txt") == expected
    # Options say otherwise; and the table itself is never a document.
    assert read(f"text:{novels}/*;valid={novels}/a.txt")["train"] == mixed(*map(novel, "bcd"))
    every_file = read(f"text:{novels.parent}/**;valid={novels}/a.txt")
    assert every_file == {"train": mixed(*map(novel, "bcd")), "valid": [novel("a")], "test": []}


def test_a_split_file_beside_the_files_wins_over_one_above(novels):
    (novels / "SPLIT.tsv").write_text("".join(f"test\t{name}.txt\n" for name in "abcd"))
    (novels.parent / "SPLIT.tsv").write_text("train\tcorpus/a.txt\n")
    assert read(f"text:{novels}/*.txt")["test"] == mixed(*map(novel, "abcd"))


def test_a_relative_glob_finds_its_split_file(novels, monkeypatch):
    (novels.parent / "SPLIT.tsv").write_text(
        "".join(f"{'valid' if name == 'a' else 'train'}\tcorpus/{name}.txt\n" for name in "abcd")
    )
    monkeypatch.chdir(novels)
    assert read("text:*.txt")["valid"] == [novel("a")]
    monkeypatch.chdir(novels.parent)
    assert read("text:corpus/*.txt")["valid"] == [novel("a")]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("train\tcorpus/a.txt\n", "is not listed in .*SPLIT.tsv"),
        ("validation\tcorpus/a.txt\n", "line 1: needs train, valid or test"),
        ("\ntrain corpus/a.txt\n", "line 2: needs train, valid or test"),
        ("train\t\n", "line 1: needs"),
    ],
)
def test_a_wrong_split_file_is_one_line(novels, table, said):
    (novels.parent / "SPLIT.tsv").write_text(table)
    with pytest.raises(UsageError, match=said):
        corpora.load(f"text:{novels}/*.txt")


def test_names_are_not_taken_for_splits(tmp_path):
    (tmp_path / "valid").mkdir()
    (tmp_path / "test.txt").write_text("x")
    contents = [tmp_path / "valid" / "valid-00.txt", tmp_path / "test.txt"]
    contents[0].write_text("y")
    found = read(f"text:{tmp_path}/**/*.txt")
    for text in (b"x", b"y"):
        assert text in found[split_by_hash(text)]


def test_by_hash_neither_names_nor_order_matter(tmp_path):
    texts = [b"text %d\n" % i for i in range(60)]
    for folder, order in (("one", texts), ("two", texts[::-1])):
        (tmp_path / folder).mkdir()
        for i, text in enumerate(order):
            (tmp_path / folder / f"{i:02}").write_bytes(text)
    one, two = (read(f"text:{tmp_path}/{folder}/*") for folder in ("one", "two"))
    for split in SPLITS:
        assert set(one[split]) == set(two[split]) and one[split] == two[split]
    assert one["train"] and one["valid"] and one["test"]


def test_a_single_file_still_has_splits(tmp_path):
    text = b"".join(b"paragraph %d\n\n" % i for i in range(5000))
    (tmp_path / "input.txt").write_bytes(text)
    found = read(f"text:{tmp_path}/input.txt")
    assert sum(map(len, sum(found.values(), []))) == len(text)
    assert all(found.values())
    # A file whose split is said stays whole.
    held_out = tmp_path / "v.txt"
    held_out.write_bytes(b"held out\n\n" * 500)
    assert read(f"text:{tmp_path}/input.txt;valid={held_out}")["train"] == [text]


@pytest.mark.parametrize("count", [2, 4, 20])
def test_few_large_files_are_cut_so_that_every_split_has_text(tmp_path, count):
    texts = []
    for number in range(count):
        lines = (f"File {number}, line {line}, of a long book.\n\n" for line in range(600))
        texts.append("".join(lines).encode())
        (tmp_path / f"{number}.txt").write_bytes(texts[-1])
    corpus = corpora.load(f"text:{tmp_path}/*.txt")
    of = {split: list(corpus.documents(split)) for split in ("train", "valid", "test")}
    assert all(of.values())
    assert sum(map(len, of["train"])) > 0.75 * sum(map(len, texts))
    assert sorted(b"".join(sum(of.values(), []))) == sorted(b"".join(texts))


def test_digest_follows_content_format_and_splits_but_not_the_place(tmp_path):
    def digest(folder: str, name: str, content: bytes, options: str = "") -> str:
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).write_bytes(content)
        (tmp_path / "held").write_bytes(b"held out")
        return corpora.load(f"text:{tmp_path}/{folder}/{name}{options}").digest

    line = b'{"text": "x"}'
    same = digest("a", "x.txt", line)
    assert digest("b", "y.txt", line) == same
    others = [
        digest("a", "x.txt", line + b"\n"),
        digest("a", "x.jsonl", line),
        digest("a", "x.txt", line, f";valid={tmp_path}/held"),
        digest("a", "x.txt", line, f";test={tmp_path}/held"),
    ]
    assert len({same, *others}) == 5


def test_the_name_holds_no_ones_folders(tmp_path, monkeypatch):
    (tmp_path / "x.txt").write_text("x")
    name = corpora.load(f"text:{tmp_path}/x.txt").name
    assert name.startswith("text:") and name.endswith("/x.txt")
    assert str(Path(tmp_path.anchor, *tmp_path.parts[1:3])) not in name
    monkeypatch.chdir(tmp_path)
    assert corpora.load("text:x.txt").name == "text:x.txt"


def test_home_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "x.jsonl").write_text('{"text": "at home"}')
    assert sum(read("text:~/*.jsonl").values(), []) == [b"at home"]


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("", "needs files"),
        ("{}/*.md", "matches no file$"),
        ("{}", "matches no file; to read a folder, write .*corpus/\\*$"),
        ("{}/*.txt;valid={}/*.md", "md matches no file"),
        ("{}/*.txt;valid={}/*.txt", "leaves no file for train"),
        ("{}/*.txt;train={}/*.txt", "takes ;valid=GLOB, ;test=GLOB and ;field=NAME once each"),
        ("{}/*.txt;valid={}/a.txt;valid={}/b.txt", "once each"),
        ("{}/*.txt;valid=", "once each"),
    ],
)
def test_wrong_requests_are_one_line(novels, argument, said):
    with pytest.raises(UsageError, match=said) as raised:
        corpora.load("text:" + argument.replace("{}", str(novels)))
    assert "\n" not in str(raised.value)


def test_a_file_that_went_away_is_one_line(novels):
    corpus = corpora.load(f"text:{novels}/*.txt")
    os.remove(novels / "b.txt")
    with pytest.raises(FreevocabError, match="cannot read .*b.txt"):
        list(corpus.documents("train"))
    with pytest.raises(FreevocabError, match="cannot read .*b.txt"):
        corpus.describe()


def test_the_field_of_json_lines_is_part_of_the_corpus(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"content": "x", "text": "y"}\n')
    pattern = f"text:{tmp_path}/*.jsonl"
    both = [corpora.load(pattern).source, corpora.load(f"{pattern};field=content").source]
    found = [[d for split in SPLITS for d in source.documents(split)] for source in both]
    assert found == [[b"y"], [b"x"]]
    assert both[0].digest() != both[1].digest()
