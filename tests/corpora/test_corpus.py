"""Loading corpora by name, describing and joining them; splits that share no document."""

import json
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research import corpora
from research.corpora import Corpus
from research.corpora.corpus import SPLITS, document_digest, interleaved, split_by_hash
from research.corpora.documents import stop
from research.errors import UsageError
from research.testing.tiny import corpus_of, tiny_corpus

documents = st.lists(st.binary(min_size=1, max_size=3), max_size=12)


def test_describe_counts_what_documents_gives():
    corpus = tiny_corpus()
    described = corpus.describe()
    assert described["name"] == "synthetic:20000" and described["digest"] == corpus.digest
    for split in SPLITS:
        texts = list(corpus.documents(split))
        expected = {"documents": len(texts), "bytes": sum(map(len, texts))}
        assert described["splits"][split] == expected
        assert texts


def test_describe_does_not_count_dropped_duplicates():
    corpus = corpus_of(train=[b"a", b"bb", b"bb"], valid=[b"a"])
    assert corpus.describe()["splits"] == {
        "train": {"documents": 2, "bytes": 4},
        "valid": {"documents": 1, "bytes": 1},
        "test": {"documents": 0, "bytes": 0},
    }


def test_joined_corpora_drop_across_parts(tmp_path):
    (tmp_path / "a+b.txt").write_bytes(b"one")
    (tmp_path / "c.txt").write_bytes(b"two")
    (tmp_path / "v.txt").write_bytes(b"two\n")
    (tmp_path / "w.txt").write_bytes(b"two")
    first = f"text:{tmp_path}/a+b.txt;valid={tmp_path}/w.txt"
    second = f"text:{tmp_path}/c.txt;valid={tmp_path}/v.txt"
    joined = corpora.load(f"{first}+{second}")
    assert list(joined.documents("train")) == [b"one"]  # "two" is held out by the first part
    both = sorted([b"two", b"two\n"], key=document_digest)
    assert list(joined.documents("valid")) == both
    names = [corpora.load(first).name, corpora.load(second).name]
    assert joined.name == "+".join(names)
    assert [part["name"] for part in joined.describe()["parts"]] == names
    digests = {corpora.load(s).digest for s in (first, second, f"{first}+{second}")}
    assert len(digests) == 3 and corpora.load(f"{second}+{first}").digest not in digests


def test_parts_that_split_by_hash_agree(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.jsonl").write_text('{"text": "x"}\n{"text": "same in both"}\n')
    joined = corpora.load(f"text:{tmp_path}/a.jsonl+text:{tmp_path}/b.jsonl")
    assert joined.source.overlaps("train") == ()
    split = split_by_hash(b"same in both")
    assert list(joined.documents(split)).count(b"same in both") == 2


def test_every_corpus_says_which_files_nothing_may_be_written_over(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"one")
    for spec in ("builtin", "builtin:python", "synthetic:20000"):
        assert corpora.load(spec).paths == ()
        assert corpora.load(f"{spec}+text:{tmp_path}/a.txt").paths == (tmp_path / "a.txt",)


@pytest.fixture
def files(tmp_path):
    """Some files of text; `{}` in a corpus's name stands for their folder."""
    (tmp_path / "a.txt").write_text("\n\n".join(f"paragraph {i}" for i in range(300)))
    for name in "bc":
        lines = (json.dumps({"text": f"{name} {i}"}) for i in range(40))
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    return tmp_path


@pytest.mark.parametrize(
    "spec",
    [
        "synthetic:20000",
        "builtin:topics",
        "text:{}/a.txt",
        "text:{}/*",
        "text:{}/*;valid={}/b.jsonl",
        "text:{}/a.txt+synthetic:20000",
    ],
)
def test_the_pieces_of_a_source_have_its_documents_and_can_be_pickled(files, spec):
    source = corpora.load(spec.replace("{}", str(files))).source
    for _ in range(2):  # with nothing cached, and after all was read
        pieces = pickle.loads(pickle.dumps(source.pieces()))
        pairs = [pair for piece in pieces for pair in piece.read(stop)]
        for split in SPLITS:
            documents_ = sorted(document for own, document in pairs if own == split)
            assert documents_ == sorted(source.documents(split))


@pytest.mark.parametrize("spec", ["", "c4", "Builtin", "http://x", "builtin+c4"])
def test_an_unknown_corpus_is_one_line(spec):
    with pytest.raises(UsageError, match="use builtin") as raised:
        corpora.load(spec)
    assert "\n" not in str(raised.value)


def test_an_unknown_split_is_named_before_anything_is_read():
    with pytest.raises(UsageError, match="no split 'validation'"):
        tiny_corpus().documents("validation")


def test_a_corpus_is_read_as_often_as_one_likes():
    corpus = tiny_corpus()
    assert list(corpus.documents("train")) == list(corpus.documents("train"))
    assert Corpus(corpus.source).digest == corpus.digest


def test_any_beginning_of_a_split_is_a_sample_of_all_its_parts():
    texts = [b"%s %d" % (part, i) for part in (b"a", b"b") for i in range(500)]
    documents = list(corpus_of(train=texts).documents("train"))
    assert sorted(documents) == sorted(texts)
    first = sum(text.startswith(b"a") for text in documents[:200])
    assert 70 < first < 130  # six standard deviations of a fair draw
    assert documents == list(corpus_of(train=texts[::-1]).documents("train"))


def test_a_large_corpus_is_interleaved_block_by_block():
    texts = [b"%04d" % i for i in range(100)]
    blocks = list(interleaved(iter(texts), block_bytes=40))
    assert blocks != texts and sorted(blocks) == texts
    for start in range(0, 100, 10):
        assert sorted(blocks[start : start + 10]) == texts[start : start + 10]


def test_halves_are_disjoint_and_make_the_whole():
    corpus = corpus_of(train=[b"text %d" % i for i in range(400)])
    halves = [list(corpus.documents("train", half=half)) for half in (0, 1)]
    assert not set(halves[0]) & set(halves[1]) and min(map(len, halves)) > 140
    assert sorted(halves[0] + halves[1]) == sorted(corpus.documents("train"))


@settings(max_examples=50, deadline=None, derandomize=True)
@given(train=documents, valid=documents, test=documents)
def test_duplicates_stay_in_the_strongest_split_only(train, valid, test):
    corpus = corpus_of(train=train, valid=valid, test=test)
    read = {split: list(corpus.documents(split)) for split in SPLITS}
    expected = {
        "test": test,
        "valid": [text for text in valid if text not in test],
        "train": [text for text in train if text not in valid + test],
    }
    assert read == {name: sorted(t, key=document_digest) for name, t in expected.items()}


def test_split_by_hash_has_the_shares_it_says():
    counts = {split: 0 for split in SPLITS}
    for i in range(20_000):
        counts[split_by_hash(b"document %d" % i)] += 1
    # Standard deviation of a share of 5 % in 20,000 draws: 31 documents.
    assert abs(counts["valid"] - 1000) < 160 and abs(counts["test"] - 1000) < 160
    assert sum(counts.values()) == 20_000


def test_split_by_hash_is_the_same_for_ever():
    # Moving a document between splits would make held-out text of one run training text of the
    # next, so these stand for the rule.
    assigned = [split_by_hash(b"%d" % i) for i in range(40)]
    assert [i for i in range(40) if assigned[i] == "valid"] == [18, 22, 31, 38]
    assert [i for i in range(40) if assigned[i] == "test"] == [0, 16, 36]
