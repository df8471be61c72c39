"""The Beam runner on Beam's own DirectRunner, in two processes (`make test-beam`)."""

import pytest

from research import corpora
from research.errors import FreevocabError
from research.training.prepare import job as jobs
from research.training.prepare import on_beam, run, shards

TWO_THREADS = ("--runner=DirectRunner", "--direct_running_mode=multi_threading",
               "--direct_num_workers=2")  # fmt: skip


def everything(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder): path.read_bytes() for path in files}


def runner(*options):
    def run_pipeline(job, tasks, log):
        on_beam.runner(job, tasks, log, workers=2, options=options)

    return run_pipeline


@pytest.fixture(scope="module")
def corpus():
    return corpora.load("synthetic:60000")


@pytest.fixture
def prepare(tmp_path, corpus):
    def call(name, run_pipeline):
        made = jobs.make(corpus, "bytes", tmp_path / name, num_shards=5)
        run.prepare(corpus, made, run_pipeline, lambda line: None)
        return everything(tmp_path / name)

    return call


def test_a_pipeline_writes_what_one_process_does(prepare):
    expected = prepare("here", run.one_process)
    assert prepare("processes", runner()) == expected
    assert prepare("threads", runner(*TWO_THREADS)) == expected


def test_a_pipeline_goes_on_at_finished_shards(prepare, tmp_path):
    expected = prepare("out", run.one_process)
    out = tmp_path / "out"
    (out / "shard-00002-of-00005" / "shard.json").write_text("damaged")
    stands = out / "shard-00001-of-00005" / "shard.json"
    before = stands.stat().st_ino
    assert prepare("out", runner(*TWO_THREADS)) == expected
    assert stands.stat().st_ino == before


def test_an_error_of_a_worker_is_one_line(prepare, monkeypatch):
    def failing(job, shard, records):
        raise FreevocabError("the disk is full")

    monkeypatch.setattr(shards, "write", failing)
    with pytest.raises(FreevocabError, match="pipeline failed: .*the disk is full") as said:
        prepare("out", runner(*TWO_THREADS))
    assert "\n" not in str(said.value)
