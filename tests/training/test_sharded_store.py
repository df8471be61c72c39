"""A split in shards, opened as one store."""

import json

import numpy as np
import pytest

from research.errors import FreevocabError, UsageError
from research.testing.tiny import corpus_of, tiny_corpus
from research.training.data import batches, sharded_store
from research.training.prepare import job as jobs
from research.training.prepare import run

CORPUS = tiny_corpus(60_000)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """(number of shards, corpus) -> a prepared folder."""

    def call(num_shards, corpus=CORPUS):
        out = tmp_path_factory.mktemp("prepared") / "out"
        made = jobs.make(corpus, "bytes", out, num_shards=num_shards)
        run.prepare(corpus, made, run.one_process, lambda line: None)
        return out

    return call


def test_batches_do_not_depend_on_the_number_of_shards(prepared):
    one, many = (sharded_store.open_split(prepared(count), "train") for count in (1, 7))
    assert isinstance(one.ids, np.memmap)
    for step in (0, 3):
        options = {"seed": 5, "step": step, "batch_size": 4, "length": 33}
        expected = batches.sequence_batch(one, **options)
        for name, array in batches.sequence_batch(many, **options).items():
            assert np.array_equal(array, expected[name]) and array.dtype == expected[name].dtype
    assert np.array_equal(many.document(11), one.document(11))


@pytest.mark.parametrize("num_shards", [1, 7])
def test_max_bytes_takes_whole_documents_from_the_first_on(prepared, num_shards):
    out = prepared(num_shards)
    whole = sharded_store.open_split(out, "train")
    ends = whole.byte_offsets[1:]
    for most in (1, ends[0], ends[4] - 1, ends[4], ends[20] + 1, ends[-1], 10 * ends[-1]):
        store = sharded_store.open_split(out, "train", max_bytes=int(most))
        count = max(1, int((ends <= most).sum()))
        assert store.num_documents == count and store.num_bytes == ends[count - 1]
        assert np.array_equal(store.ids[:], whole.ids[: whole.offsets[count]])
        assert store.meta["source"]["max_bytes"] == most


def test_what_is_not_there_is_named(prepared, tmp_path):
    out = prepared(2, corpus_of(train=[b"some", b"more"]))
    with pytest.raises(UsageError, match="has no valid documents, only train"):
        sharded_store.open_split(out, "valid")
    with pytest.raises(UsageError, match="no corpus that `freevocab prepare` has finished"):
        sharded_store.open_split(tmp_path, "train")


def test_damage_is_one_line(prepared):
    out = prepared(2)
    shard = out / "shard-00001-of-00002" / "train"
    ids = (shard / "ids.bin").read_bytes()
    (shard / "ids.bin").write_bytes(b"\0\0\1\0" + ids[4:])
    with pytest.raises(FreevocabError, match="checksum.*: run `freevocab prepare` again"):
        sharded_store.open_split(out, "train")
    (shard / "ids.bin").unlink()
    with pytest.raises(FreevocabError, match="run `freevocab prepare` again"):
        sharded_store.open_split(out, "train")
    index = json.loads((out / "index.json").read_text())
    index["splits"]["valid"]["tokens"] += 1
    (out / "index.json").write_text(json.dumps(index))
    with pytest.raises(FreevocabError, match="valid in .* are not those of its index"):
        sharded_store.open_split(out, "valid")
    (out / "index.json").write_text(json.dumps(index | {"shards": None}))
    with pytest.raises(FreevocabError, match="index.json is damaged"):
        sharded_store.open_split(out, "valid")


def test_a_large_store_is_opened_without_reading_it(prepared, monkeypatch):
    out = prepared(2)
    monkeypatch.setattr(sharded_store.token_store, "CHECKED_BYTES", 100)
    path = out / "shard-00001-of-00002" / "train" / "ids.bin"
    path.write_bytes(b"\0\0\0\0" + path.read_bytes()[4:])
    assert sharded_store.open_split(out, "train").num_tokens
