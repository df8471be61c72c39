"""`freevocab prepare`."""

import json

import pytest

from research.training.data import sharded_store
from tests.one_line import is_one_line

CORPUS = ("--corpus", "synthetic:20000", "--codec", "bytes")


def test_it_says_what_came_of_it_and_goes_on_for_nothing(freevocab, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n{"text": "one"}\nbroken\n')
    arguments = ("prepare", "--corpus", f"text:{tmp_path}/*.jsonl+synthetic:20000")
    arguments += ("--codec", "bytes", "--out", tmp_path / "out", "--shards", "2")
    code, said, _ = freevocab(*arguments, "--workers", "2")
    assert code == 0
    assert "left out: 1 duplicate\n" in said
    assert f"left out: 1 damaged ({tmp_path}/a.jsonl, line 3: not JSON" in said
    assert f"freevocab train m2 --codec bytes --store {tmp_path / 'out'}" in said
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "index.json", "shard-00000-of-00002", "shard-00001-of-00002",
    }  # fmt: skip
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    store = sharded_store.open_split(tmp_path / "out", "train")
    assert store.num_documents == index["splits"]["train"]["documents"]
    code, said_again, _ = freevocab(*arguments, "--workers", "1")
    assert code == 0 and "reading 4 parts" in said and "parts" not in said_again


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--workers", "0"), "workers"),
        (("--shards", "0"), "shards"),
        (("--scheduler", "tcp://localhost:1"), "--scheduler goes with --runner dask"),
        (("--", "--runner=FlinkRunner"), "options after -- (--runner=FlinkRunner) go with"),
        (("--runner", "spark"), "spark"),
    ],
)
def test_wrong_requests_are_one_line_and_leave_nothing(freevocab, tmp_path, arguments, said):
    call = ("prepare", *CORPUS, "--out", tmp_path / "out", *arguments)
    code, out, error = freevocab(*call)
    assert code == 2 and not out and is_one_line(error) and said in error
    assert not (tmp_path / "out").exists()
