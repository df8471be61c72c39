"""Result files: written whole, read back, checked; the committed ones are complete."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from experiments.compressed_text import train_english_codebook
from experiments.lexinvariant import train_english_letters, train_letters_of_novels
from research.cli import catalog
from research.errors import FreevocabError
from research.reporting import environment, results


@dataclasses.dataclass(frozen=True)
class Config:
    steps: int = 3
    folder: Path = Path("somewhere")
    seeds: tuple[int, ...] = (1, 2)


ROWS = [
    {"method": "a", "bits/byte": np.float32(1.5), "count": np.int64(3), "lossless": np.bool_(True)},
    {"method": "b", "bits/byte": float("nan"), "list": (1, 2)},
]


def write(directory, **changes):
    values = {"paper": "p", "table": "t", "scale": "cpu", "rows": ROWS, "config": Config()}
    values |= {"seeds": [np.int32(1), 2], "seconds": 12.34, "notes": ["said plainly"]}
    return results.record(**(values | changes), directory=directory)


def test_what_is_recorded_is_loaded(tmp_path):
    path = write(tmp_path)
    assert path == tmp_path / "p/t/cpu.json"
    loaded = results.load_all(tmp_path)[("p", "t", "cpu")]
    assert loaded.rows == [
        {"method": "a", "bits/byte": 1.5, "count": 3, "lossless": True},
        {"method": "b", "bits/byte": None, "list": [1, 2]},
    ]
    assert loaded.columns == ["method", "bits/byte", "count", "lossless", "list"]
    assert loaded.config == {"steps": 3, "folder": "somewhere", "seeds": [1, 2]}
    assert loaded.seeds == [1, 2] and loaded.seconds == 12.3
    assert loaded.notes == ["said plainly"]
    assert [each.name for each in path.parent.iterdir()] == ["cpu.json"]


def test_a_result_says_what_made_it(tmp_path):
    loaded = results.load(write(tmp_path))
    assert set(environment.PACKAGES) < set(loaded.versions)
    assert loaded.versions["jax_threefry_partitionable"] in ("True", "False")
    assert loaded.hardware["cores"] >= 1 and loaded.hardware["devices"] == 8
    assert loaded.hardware["platform"] == "cpu" and loaded.hardware["cpu"]


@pytest.fixture
def answers(monkeypatch):
    """What git answers, and a process that has not asked for its commit yet."""
    environment.commit.cache_clear()
    given = {"rev-parse": "abc", "status": ""}
    monkeypatch.setattr(environment, "_git", lambda *words: given[words[0]])
    yield given
    environment.commit.cache_clear()


@pytest.mark.parametrize(
    ("head", "status", "commit", "clean"),
    [
        ("abc", "", "abc", True),
        ("abc", " M research/x.py", "abc+dirty", False),
        (None, "", None, False),
    ],
)
def test_the_commit_says_whether_code_was_changed(answers, head, status, commit, clean):
    answers |= {"rev-parse": head, "status": status}
    assert environment.commit() == commit
    assert environment.is_clean(commit) == clean


def test_the_commit_is_that_of_the_start(answers):
    assert environment.commit() == "abc"
    answers |= {"rev-parse": "def", "status": " M research/x.py"}
    assert environment.commit() == "abc"


def test_a_later_directory_is_laid_over_an_earlier_one(tmp_path):
    write(tmp_path / "first")
    write(tmp_path / "first", scale="gpu", seconds=1)
    write(tmp_path / "second", seconds=99)
    found = results.load_all(tmp_path / "first", tmp_path / "second", tmp_path / "absent")
    assert {key[2]: result.seconds for key, result in found.items()} == {"cpu": 99, "gpu": 1}


def test_damaged_files_are_named_in_one_line(tmp_path):
    path = write(tmp_path)
    good = json.loads(path.read_text())
    damaged = [
        b"\xff\xfe",
        path.read_bytes()[:-40],
        b"[]",
        json.dumps(good | {"extra": 1}).encode(),
        json.dumps(good | {"rows": [1]}).encode(),
        json.dumps(good | {"rows": 7}).encode(),
        b'{"rows":' + b"[" * 100_000,
        json.dumps(good | {"seconds": "long"}).encode(),
        json.dumps({name: good[name] for name in good if name != "commit"}).encode(),
        json.dumps(good | {"table": "other"}).encode(),
    ]
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(FreevocabError) as caught:
            results.load_all(tmp_path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_the_fields_checked_are_the_fields_there_are():
    fields = [field.name for field in dataclasses.fields(results.Result)]
    assert sorted(results.KINDS) == sorted(fields)


COMMITTED = results.load_all(results.COMMITTED)


# How something shipped was trained, recorded by its script: no table of a paper.
TRAINING = {
    ("compressed_text", "english_b16"): train_english_codebook,
    ("lexinvariant", "english_letters"): train_english_letters,
    ("lexinvariant", "letters_of_novels"): train_letters_of_novels,
}


def test_committed_results_belong_to_tables():
    known = {(table.paper, table.name): table for table in catalog.tables()}
    for (paper, table, scale), result in COMMITTED.items():
        assert scale in catalog.SCALES
        if (paper, table) in TRAINING:
            assert result.columns == list(TRAINING[paper, table].COLUMNS)
            assert result.rows and result.seconds > 0 and result.commit and result.notes
            continue
        experiment = known[paper, table].experiment()
        assert result.columns == list(experiment.COLUMNS)
        assert result.rows and result.seconds > 0 and result.commit and result.seeds
        assert result.notes and experiment.remarks(result.rows)
        # A row may hold more than is shown (its corpus, a longer series), never less than its name.
        assert all(row.get(result.columns[0]) is not None for row in result.rows)
        numbers = [v for row in result.rows for v in row.values() if isinstance(v, float)]
        assert all(math.isfinite(number) for number in numbers)
        # A committed result names no place of the machine that it was measured on.
        assert not any(f'"{root}' in json.dumps(result.config) for root in ("/", "text:/", "C:"))


def test_committed_results_are_of_committed_code():
    dirty = set()
    for path in results.COMMITTED.rglob("*.json"):
        values = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(values, dict) and environment.is_dirty(values.get("commit")):
            dirty.add(path.relative_to(results.COMMITTED).with_suffix("").as_posix())
    assert dirty == set()


def test_rows_of_another_text_are_told_apart():
    rows = [{"corpus": "builtin, digest a"}, {"corpus": "builtin, digest b"}, {"bits": 1.0}]
    assert results.other_texts(rows, rows[:2]) is None
    assert results.other_texts(rows, rows[:1]) == "builtin, digest a"
    assert results.other_texts(rows, rows[2:]) is None and results.other_texts([], rows) is None


def test_a_key_is_that_of_the_values_and_stays_as_it_is():
    # A training that was interrupted looks for its folder under this name.
    made = results.key("bytes", {"b": 1.5, "a": (1, True, None)})
    assert made == results.key("bytes", {"a": [1, True, None], "b": 1.5}) == "648d70abade1d873"
    assert results.key(Config()) == results.key(dataclasses.asdict(Config()))
    others = [results.key(Config(steps=steps), *more) for steps in (3, 4) for more in ((), (1,))]
    assert len(set(others)) == 4


def test_pictures_lie_beside_their_result_and_are_replaced(tmp_path):
    made, result = tmp_path / "made", tmp_path / "p" / "t" / "cpu.json"
    for name in ("a", "b"):
        made.mkdir(exist_ok=True)
        (made / f"{name}.png").write_bytes(name.encode())
    result.parent.mkdir(parents=True)
    kept = results.keep_pictures(made, result)
    assert [path.name for path in kept] == ["cpu-a.png", "cpu-b.png"]
    (result.parent / "gpu-a.png").write_bytes(b"of another scale")
    (made / "b.png").unlink()
    assert results.keep_pictures(made, result) == results.pictures(result) == kept[:1]
    assert (result.parent / "gpu-a.png").is_file()
    assert results.keep_pictures(tmp_path / "absent", result) == []


def test_a_copied_result_has_its_pictures_and_no_others(tmp_path):
    source = write(tmp_path / "here")
    (source.parent / "cpu-a.png").write_bytes(b"new")
    (source.parent / "gpu-a.png").write_bytes(b"of another scale")
    target = write(tmp_path / "there", seconds=1.0)
    for name in ("cpu-a.png", "cpu-b.png", "gpu-b.png"):
        target.with_name(name).write_bytes(b"old")
    assert results.copy(source, target) == target
    assert results.load(target) == results.load(source)
    left = {path.name: path.read_bytes() for path in target.parent.glob("*.png")}
    assert left == {"cpu-a.png": b"new", "gpu-b.png": b"old"}


def test_a_record_of_other_settings_is_older(tmp_path):
    """A field that has come since says nothing; a value that changed, or is gone, does."""
    loaded = results.load(write(tmp_path))
    assert not results.is_older(loaded, Config())
    recorded = dataclasses.replace(loaded, config={"steps": 3})
    assert not results.is_older(recorded, Config())
    for config in ({"steps": 4}, {"gone": 1}, {"steps": 3, "seeds": [1, 2, 3]}):
        assert results.is_older(dataclasses.replace(loaded, config=config), Config())
