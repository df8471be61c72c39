"""A split as ids on disk."""

import json
import os
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research.errors import EncodeOnlyError, FreevocabError, UsageError
from research.testing.tiny import corpus_of, tiny_corpus, tiny_store
from research.training.data import token_store


class Pairs:
    """Two bytes an id, a last odd byte padded; cannot decode. Records what it was given."""

    name = "pairs"
    lossless = False
    vocab_size = 2**16

    def __init__(self, salt: str = ""):
        self.salt = salt
        self.calls: list[int] = []

    def encode(self, texts):
        self.calls.append(sum(map(len, texts)))
        return [np.frombuffer(text + b"\0" * (len(text) % 2), ">u2").astype("i4") for text in texts]

    def decode(self, ids):
        raise EncodeOnlyError("pairs cannot be decoded")

    def fingerprint(self):
        return f"pairs {self.salt}"


def build(corpus, path, split="train", codec=None, **options):
    return token_store.build(corpus, split, codec or Pairs(), path, **options)


def check_documents(store, documents):
    assert store.num_documents == len(documents)
    assert store.num_bytes == sum(map(len, documents))
    assert store.byte_offsets.tolist() == np.cumsum([0, *map(len, documents)]).tolist()
    for i, ids in enumerate(Pairs().encode(documents)):
        assert store.document(i).tolist() == ids.tolist()
        assert store.ids[store.offsets[i + 1] - 1] == store.eos_id
    assert store.offsets[0] == 0 and store.offsets[-1] == store.num_tokens == len(store.ids)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(documents=st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=20))
def test_a_store_holds_the_documents_in_order(tmp_path_factory, documents):
    folder = tmp_path_factory.mktemp("stores")
    corpus = corpus_of(train=documents)
    store = build(corpus, folder)
    check_documents(store, list(corpus.documents("train")))
    assert store.ids.dtype == np.int32 and store.offsets.dtype == np.int64
    assert isinstance(store.ids, np.memmap) and not store.ids.flags.writeable
    assert store.vocab_size == 2**16 + 2
    assert (store.bos_id, store.eos_id) == (2**16, 2**16 + 1)


def test_groups_do_not_change_the_store_and_bound_the_memory(tmp_path, monkeypatch):
    documents = [bytes([i]) * (1 + i % 50) for i in range(200)]
    corpus = corpus_of(train=documents)
    whole = build(corpus, tmp_path / "whole")
    monkeypatch.setattr(token_store, "_GROUP_BYTES", 100)
    monkeypatch.setattr(token_store, "GROUP_DOCUMENTS", 10)
    codec = Pairs()
    grouped = build(corpus, tmp_path / "grouped", codec=codec)
    assert max(codec.calls) < 100 + 50 and len(codec.calls) >= 20
    assert np.array_equal(whole.ids, grouped.ids) and whole.meta == grouped.meta
    check_documents(grouped, list(corpus.documents("train")))


@given(st.lists(st.integers(0, 60), max_size=30), st.integers(1, 6))
def test_groups_hold_every_document_and_are_full_by_number_or_by_bytes(sizes, most):
    documents = [bytes([number % 256]) * size for number, size in enumerate(sizes)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_store, "_GROUP_BYTES", 100)
        groups = list(token_store.grouped(documents, most))
    assert [document for group in groups for document in group] == documents
    totals = [sum(map(len, group)) for group in groups]
    full = [len(group) == most or total >= 100 for group, total in zip(groups, totals, strict=True)]
    assert all(full[:-1]) and all(0 < len(group) <= most for group in groups)
    assert all(sum(map(len, group[:-1])) < 100 for group in groups)


def test_a_store_that_exists_is_opened_not_built(tmp_path):
    corpus = tiny_corpus()
    first = build(corpus, tmp_path)
    codec = Pairs()
    again = build(tiny_corpus(), tmp_path, codec=codec)
    assert not codec.calls and np.array_equal(first.ids, again.ids)
    assert len(os.listdir(tmp_path)) == 1
    (path,) = tmp_path.iterdir()
    assert token_store.open_store(path).meta == first.meta


def test_other_corpus_codec_split_or_size_is_another_store(tmp_path):
    corpus = tiny_corpus()
    build(corpus, tmp_path)
    build(corpus, tmp_path, split="valid")
    build(corpus, tmp_path, codec=Pairs("other"))
    build(corpus, tmp_path, max_bytes=1000)
    build(tiny_corpus(10_000), tmp_path)
    assert len(os.listdir(tmp_path)) == 5


def damages():
    def truncate(path):
        os.truncate(path / "ids.bin", (path / "ids.bin").stat().st_size - 4)

    def flip(name):
        def change(path):
            data = bytearray((path / name).read_bytes())
            data[len(data) // 2] ^= 1
            (path / name).write_bytes(data)

        return change

    def edit(**changes):
        def change(path):
            meta = json.loads((path / "meta.json").read_text())
            (path / "meta.json").write_text(json.dumps(meta | changes))

        return change

    return {
        "cut ids": truncate,
        "changed id": flip("ids.bin"),
        "changed offset": flip("offsets.bin"),
        "no meta": lambda path: (path / "meta.json").unlink(),
        "no offsets": lambda path: (path / "byte_offsets.bin").unlink(),
        "half a meta": lambda path: os.truncate(path / "meta.json", 30),
        "not an object": lambda path: (path / "meta.json").write_text("[]"),
        "newer": edit(version=2),
        "foreign": edit(format="other"),
        "no sizes": edit(files={}),
    }


@pytest.mark.parametrize("damage", damages())
def test_a_damaged_store_is_one_line_and_built_again(tmp_path, damage):
    whole = build(tiny_corpus(), tmp_path)
    expected = np.array(whole.ids)
    (path,) = tmp_path.iterdir()
    shutil.copytree(path, tmp_path / "copy")
    damages()[damage](tmp_path / "copy")
    with pytest.raises(FreevocabError, match="not a whole token store .*delete it") as raised:
        token_store.open_store(tmp_path / "copy")
    assert "\n" not in str(raised.value)
    shutil.rmtree(path)
    (tmp_path / "copy").rename(path)
    assert np.array_equal(build(tiny_corpus(), tmp_path).ids, expected)
    assert np.array_equal(token_store.open_store(path).ids, expected)
    assert os.listdir(tmp_path) == [path.name]


def test_a_store_that_says_another_number_of_ids_is_built_again(tmp_path):
    whole = build(tiny_corpus(), tmp_path)
    (path,) = tmp_path.iterdir()
    meta = json.loads((path / "meta.json").read_text())
    (path / "meta.json").write_text(json.dumps(meta | {"vocab_size": 7}))
    assert build(tiny_corpus(), tmp_path).vocab_size == whole.vocab_size


def test_a_store_of_another_source_under_this_name_is_built_again(tmp_path):
    build(tiny_corpus(), tmp_path)
    (mine,) = tmp_path.iterdir()
    other = build(tiny_corpus(10_000), tmp_path / "other")
    (theirs,) = (tmp_path / "other").iterdir()
    shutil.rmtree(mine)
    theirs.rename(mine)
    assert build(tiny_corpus(), tmp_path).num_bytes > other.num_bytes


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    documents=st.lists(st.text("aé€😀", min_size=1, max_size=6).map(str.encode), min_size=1),
    max_bytes=st.integers(min_value=1, max_value=60),
)
def test_max_bytes_takes_whole_documents_and_the_start_of_one(
    tmp_path_factory, documents, max_bytes
):
    text = b"".join(documents)
    expected = list(token_store.first_bytes(documents, max_bytes))
    taken = b"".join(expected)
    assert text.startswith(taken) and expected[:-1] == documents[: max(0, len(expected) - 1)]
    assert len(taken) <= max_bytes and (len(taken) == len(text) or len(taken) > max_bytes - 4)
    taken.decode("utf-8")
    if expected:
        folder = tmp_path_factory.mktemp("stores")
        corpus = corpus_of(train=documents)
        expected = list(token_store.first_bytes(corpus.documents("train"), max_bytes))
        check_documents(build(corpus, folder, max_bytes=max_bytes), expected)


def test_max_bytes_cuts_what_is_not_text_exactly():
    assert list(token_store.first_bytes([b"\x80" * 9, b"x"], 5)) == [b"\x80" * 5]
    assert list(token_store.first_bytes([b"ab", b"cd"], 2)) == [b"ab"]
    assert list(token_store.first_bytes([b"ab", b"cd"], 9)) == [b"ab", b"cd"]


def test_max_bytes_does_not_read_on():
    def documents():
        yield b"first"
        yield b"second"
        raise AssertionError("read too far")

    assert list(token_store.first_bytes(documents(), 7)) == [b"first", b"se"]


def test_progress_says_bytes_and_rate(tmp_path):
    said = []
    store = build(tiny_corpus(), tmp_path, progress=lambda done, rate: said.append((done, rate)))
    assert said[-1][0] == store.num_bytes and said[-1][1] > 0
    assert [done for done, _ in said] == sorted(done for done, _ in said)


@pytest.mark.parametrize(
    ("split", "options", "said"),
    [
        ("valid", {}, "split 'valid' of listed has no text"),
        ("train", {"max_bytes": 0}, "max_bytes is 0"),
        ("dev", {}, "no split 'dev'"),
    ],
)
def test_wrong_requests_are_one_line_and_leave_nothing(tmp_path, split, options, said):
    with pytest.raises(UsageError, match=said):
        build(corpus_of(train=[b"x"]), tmp_path, split=split, **options)
    assert not list(tmp_path.iterdir())


def test_a_failure_on_the_way_leaves_nothing(tmp_path):
    class Wrong(Pairs):
        def encode(self, texts):
            return [np.array([0, 2**16], np.int32) for _ in texts]

    with pytest.raises(FreevocabError, match="codec pairs gave ids from 0 to 65536"):
        build(tiny_corpus(), tmp_path, codec=Wrong())
    assert not list(tmp_path.iterdir())


def test_a_reader_of_the_progress_that_goes_away_is_not_taken_for_the_disk(tmp_path):
    def progress(done, rate):
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        build(tiny_corpus(), tmp_path, progress=progress)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FreevocabError, match="file is a file"):
        build(tiny_corpus(), tmp_path / "file")


def test_tiny_store_is_like_a_built_one():
    store = tiny_store(num_tokens=203, vocab_size=12, document_tokens=20)
    assert store.num_tokens == 203 and store.num_documents == 11
    assert (store.ids[store.offsets[1:] - 1] == store.eos_id).all()
    assert sum(len(store.document(i)) for i in range(11)) == store.num_bytes == 203 - 11
    texts = np.delete(store.ids, store.offsets[1:] - 1)
    assert 0 <= texts.min() and texts.max() < 10
