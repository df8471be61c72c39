"""The dask runner on a real cluster of two worker processes."""

import pytest

from research import corpora
from research.errors import FreevocabError
from research.training.prepare import job as jobs
from research.training.prepare import on_dask, run

pytest.importorskip("distributed")


def test_a_cluster_of_two_workers_writes_what_one_process_does(tmp_path):
    corpus = corpora.load("synthetic:60000")

    def prepare(name, runner):
        made = jobs.make(corpus, "bytes", tmp_path / name, num_shards=5)
        run.prepare(corpus, made, runner, lambda line: None)
        out = tmp_path / name
        files = sorted(path for path in out.rglob("*") if path.is_file())
        return {path.relative_to(out): path.read_bytes() for path in files}

    def two_workers(job, tasks, log):
        on_dask.runner(job, tasks, log, workers=2)

    assert prepare("dask", two_workers) == prepare("here", run.one_process)


def test_a_scheduler_that_is_not_there_is_one_line(monkeypatch):
    import dask

    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        with pytest.raises(FreevocabError, match="no dask scheduler at tcp://localhost:1:"):
            on_dask.runner(None, [], print, workers=1, scheduler="tcp://localhost:1")
