"""A corpus as token shards: one result, whoever makes it, in any order, however often begun."""

import json
import os
import random
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research import codecs, corpora
from research.corpora.corpus import SPLITS, document_digest
from research.errors import FreevocabError, UsageError
from research.testing.tiny import TinyCodec, corpus_of, tiny_corpus
from research.training.data import sharded_store, token_store
from research.training.prepare import job as jobs
from research.training.prepare import pool, reading, run, shards, spill


def prepare(corpus, out, runner=run.one_process, codec="bytes", num_shards=3, **options):
    made = jobs.make(corpus, codec, out, num_shards=num_shards, **options)
    return run.prepare(corpus, made, runner, lambda line: None)


def everything(folder):
    """Names and contents of all files below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def texts(store):
    codec = codecs.load("bytes")
    return codec.decode([store.document(i) for i in range(store.num_documents)])


DOCUMENTS = st.lists(st.text("ab é", min_size=1, max_size=6).map(str.encode), max_size=12)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(train=DOCUMENTS, valid=DOCUMENTS, test=DOCUMENTS, num_shards=st.integers(1, 5))
def test_each_document_is_there_once_in_its_strongest_split_by_digest(
    tmp_path_factory, train, valid, test, num_shards
):
    corpus = corpus_of(train=train, valid=valid, test=test)
    out = tmp_path_factory.mktemp("prepared") / "out"
    expected = {"test": {*test}, "valid": {*valid} - {*test}}
    expected["train"] = {*train} - {*valid} - {*test}
    if not any(expected.values()):
        with pytest.raises(UsageError, match="nothing of listed could be prepared"):
            prepare(corpus, out, num_shards=num_shards)
        return
    index = prepare(corpus, out, num_shards=num_shards)
    assert not index["bad"]
    assert index["duplicates"] == len(train + valid + test) - sum(map(len, expected.values()))
    assert set(index["splits"]) == {split for split, documents in expected.items() if documents}
    for split in index["splits"]:
        store = sharded_store.open_split(out, split)
        assert texts(store) == sorted(expected[split], key=document_digest)
        assert store.num_bytes == sum(map(len, expected[split]))
        assert (store.ids[store.offsets[1:] - 1] == store.eos_id).all()


def test_the_store_is_the_one_that_a_training_would_have_built(tmp_path):
    """Where no document is there twice; for any number of shards."""
    corpus, codec = tiny_corpus(60_000), TinyCodec()
    codec.save(tmp_path / "codec")
    for num_shards in (1, 4):
        out = tmp_path / str(num_shards)
        prepare(corpus, out, codec=str(tmp_path / "codec"), num_shards=num_shards)
    for split in SPLITS:
        built = token_store.build(corpus, split, codec, tmp_path / "stores")
        for num_shards in (1, 4):
            store = sharded_store.open_split(tmp_path / str(num_shards), split)
            for name in ("ids", "offsets", "byte_offsets"):
                assert np.array_equal(getattr(store, name)[:], getattr(built, name)), (split, name)
            assert store.vocab_size == built.vocab_size
            assert store.bytes_per_token == built.bytes_per_token


@pytest.fixture
def bad_corpus(tmp_path):
    """Files with good documents and one of each kind that cannot be prepared."""
    folder = tmp_path / "text"
    folder.mkdir()
    lines = [json.dumps({"text": f"document {number % 30} é"}) for number in range(60)]
    lines[7], lines[9] = "{broken", json.dumps({"text": "\ud800"})
    lines[11] = json.dumps({"text": "x" * 5000})
    (folder / "a.jsonl").write_text("\n".join(lines))
    (folder / "b.txt.gz").write_bytes(b"\x1f\x8b no gzip")
    (folder / "c.pdf").write_bytes(b"%PDF-1.4")
    (folder / "d.jsonl").write_text(json.dumps({"text": "plain"}))
    (folder / "e.jsonl").write_text(json.dumps({"text": "a letter no codec knows: ñ"}))
    return corpora.load(f"text:{folder}/*")


class NoTilde:
    """Bytes, but an error for a text with ñ."""

    name, lossless, vocab_size = "no-tilde", True, 256

    def encode(self, texts):
        if any("ñ".encode() in text for text in texts):
            raise ValueError("there is a ñ\nin it")
        return codecs.load("bytes").encode(texts)

    def fingerprint(self):
        return "no tilde"


@pytest.fixture
def no_tilde(monkeypatch):
    load = codecs.load

    def load_or_fake(name):
        return NoTilde() if str(name).endswith("no-tilde") else load(name)

    monkeypatch.setattr(codecs, "load", load_or_fake)
    jobs._codec.cache_clear()
    yield "no-tilde"
    jobs._codec.cache_clear()


def test_a_bad_document_is_counted_and_named_and_stops_nothing(tmp_path, bad_corpus, no_tilde):
    index = prepare(bad_corpus, tmp_path / "out", codec=no_tilde, max_document_bytes=4000)
    bad = {kind: each["documents"] for kind, each in index["bad"].items()}
    assert bad == {"damaged": 3, "not_encoded": 1, "not_utf8": 1, "too_long": 1}
    first = {kind: each["first"] for kind, each in index["bad"].items()}
    assert first["not_utf8"] == ["a.jsonl, document 10: invalid continuation byte at byte 0"]
    assert first["too_long"] == ["a.jsonl, document 12: 5000 bytes"]
    assert first["not_encoded"] == ["e.jsonl, document 1: ValueError: there is a ñ"]
    assert "a.jsonl, line 8: not JSON" in first["damaged"][0]
    assert "b.txt.gz cannot be decompressed" in first["damaged"][1]
    assert "c.pdf is no text: it is a PDF" in first["damaged"][2]
    assert index["duplicates"] == 60 - 3 - 30
    assert sum(counts["documents"] for counts in index["splits"].values()) == 30 + 1


def test_the_order_of_records_and_of_work_does_not_matter(tmp_path, bad_corpus):
    def shuffled(job, tasks, log):
        generator = random.Random(5)

        def map_(function, items):
            return [function(item) for item in generator.sample(list(items), len(items))]

        run.mapped(job, tasks, log, map_)

    def unordered(job, tasks, log):
        """As a runner with a shuffle of its own hands the records over."""
        records = [record for task in tasks for record in reading.records(job, task)]
        random.Random(6).shuffle(records)
        for shard in range(job.num_shards):
            mine = (record for record in records if job.shard_of(record.digest) == shard)
            shards.write(job, shard, mine)

    prepare(bad_corpus, tmp_path / "in order")
    expected = everything(tmp_path / "in order")
    for number, runner in enumerate((shuffled, unordered)):
        prepare(bad_corpus, tmp_path / str(number), runner)
        assert everything(tmp_path / str(number)) == expected


def test_one_and_two_processes_write_the_same_bytes(tmp_path, bad_corpus):
    prepare(bad_corpus, tmp_path / "here")
    for workers in (1, 2):

        def processes(job, tasks, log, workers=workers):
            pool.runner(job, tasks, log, workers=workers)

        prepare(bad_corpus, tmp_path / f"{workers}", processes)
        assert everything(tmp_path / f"{workers}") == everything(tmp_path / "here")


class Killed(BaseException):
    pass


@pytest.mark.parametrize("steps", range(1, 12))
def test_a_killed_run_goes_on_at_what_is_finished(tmp_path, monkeypatch, steps):
    """Killed after some steps; what stood then is not made again, and the result is the same."""
    corpus = tiny_corpus()
    prepare(corpus, tmp_path / "straight")
    done: list = []

    def killed_after(most):
        def runner(job, tasks, log):
            def map_(function, items):
                for item in items:
                    if len(done) >= most:
                        raise Killed
                    yield function(item)
                    done.append(item)

            run.mapped(job, tasks, log, map_)

        return runner

    # Three shards are looked at, three parts read, three shards written: 9 steps.
    out = tmp_path / "out"
    if steps < 9:
        with pytest.raises(Killed):
            prepare(corpus, out, killed_after(steps))
        assert not (out / "index.json").exists()
        with pytest.raises(UsageError, match="no corpus that `freevocab prepare` has finished"):
            sharded_store.open_split(out, "train")
    before = {path: path.stat().st_ino for path in out.rglob("*.spill")}
    before |= {path: path.stat().st_ino for path in out.rglob("ids.bin")}
    assert bool(before) == (3 < steps < 9)
    kept = {}

    def noting(job, tasks, log):
        run.one_process(job, tasks, log)
        kept.update((path, path.stat().st_ino) for path in out.rglob("*") if path.is_file())

    prepare(corpus, out, noting)
    assert everything(out) == everything(tmp_path / "straight")
    assert before.items() <= kept.items()


def test_a_finished_corpus_is_checked_not_made_again(tmp_path, monkeypatch):
    prepare(tiny_corpus(), tmp_path / "out")
    expected = everything(tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(spill, "write", None)
        patch.setattr(shards, "write", None)
        prepare(tiny_corpus(), tmp_path / "out")
    assert everything(tmp_path / "out") == expected


@pytest.mark.parametrize("name", ["shard.json", "train/ids.bin", ".freevocab.json", "", "more"])
def test_a_damaged_shard_alone_is_made_again(tmp_path, name):
    prepare(tiny_corpus(), tmp_path / "out")
    expected = everything(tmp_path / "out")
    first, second = (tmp_path / "out" / f"shard-0000{i}-of-00003" for i in (0, 1))
    stands = (second / "train" / "ids.bin").stat().st_ino
    if name == "":
        shutil.rmtree(first)
    elif name == "more":
        (first / "train" / "offsets.bin").unlink()
    else:
        (first / name).write_bytes((first / name).read_bytes()[:-1] + b"?")
    prepare(tiny_corpus(), tmp_path / "out")
    assert everything(tmp_path / "out") == expected
    assert (second / "train" / "ids.bin").stat().st_ino == stands


def test_a_damaged_file_between_reading_and_writing_is_one_line(tmp_path):
    def damaging(job, tasks, log):
        def map_(function, items):
            yield from map(function, items)
            for path in job.work.glob("*.spill"):
                data = bytearray(path.read_bytes())
                data[5] ^= 1
                path.write_bytes(data)

        run.mapped(job, tasks, log, map_)

    with pytest.raises(FreevocabError, match="read-00000.spill is damaged: remove it"):
        prepare(tiny_corpus(), tmp_path / "out", damaging)


def test_small_blocks_give_the_same_result(tmp_path, monkeypatch):
    prepare(tiny_corpus(), tmp_path / "whole")
    monkeypatch.setattr(spill, "_BLOCK_BYTES", 3000)
    prepare(tiny_corpus(), tmp_path / "blocks")
    assert everything(tmp_path / "blocks") == everything(tmp_path / "whole")


def test_another_job_does_not_write_into_the_folder(tmp_path):
    out = tmp_path / "out"
    prepare(tiny_corpus(), out)
    for options in ({"num_shards": 4}, {"codec": "characters"}, {"max_document_bytes": 9}):
        with pytest.raises(UsageError, match="was prepared, or begun, with another"):
            prepare(tiny_corpus(), out, **options)
    with pytest.raises(UsageError, match="with another corpus: give the same arguments"):
        prepare(tiny_corpus(30_000), out)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="holds something else"):
        prepare(tiny_corpus(), tmp_path / "mine")
    assert os.listdir(tmp_path / "mine") == ["thesis.tex"]
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").write_text("text")
    with pytest.raises(UsageError, match="would replace --corpus"):
        prepare(corpora.load(f"text:{tmp_path}/text/*"), tmp_path / "text")


def test_a_task_holds_neighbouring_pieces_and_no_piece_is_lost(monkeypatch):
    monkeypatch.setattr(jobs, "_MOST_TASKS", 4)
    for count in (0, 1, 3, 4, 5, 11):
        tasks = jobs.tasks([str(number) for number in range(count)])
        assert [piece for task in tasks for piece in task] == [(i, str(i)) for i in range(count)]
        assert len(tasks) == min(count, 4) and all(tasks)
