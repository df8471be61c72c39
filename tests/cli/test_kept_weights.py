"""Scale hours on the command line: models from the repository, or trained again."""

import dataclasses
import textwrap

import pytest

from research.cli import catalog
from research.errors import UsageError
from research.reporting import results

CONFIG = """
    import dataclasses

    @dataclasses.dataclass(frozen=True)
    class Config:
        weights: str = ""
        seed: int = 0

    def cpu():
        return Config()

    def hours():
        return Config(weights="committed")

    quick = cpu
    """
EXPERIMENT = """
    TITLE = "Kept models"
    COLUMNS = ("model", "from")
    PAPER_ROWS = []

    def weights_of(config):
        return ["one", "two", "three"]

    def run(config, *, workdir, log):
        return [{"model": "one", "from": config.weights or "nothing"}]

    def remarks(rows):
        return []
    """


@pytest.fixture
def kept(toy_paper, monkeypatch):
    """put(name): a committed model of the toy paper's main table `adding`, which keeps three."""
    root = toy_paper.parent
    for folder, content in (("configs", CONFIG), ("experiments", EXPERIMENT)):
        (root / folder / "toy" / "adding.py").write_text(textwrap.dedent(content))
    monkeypatch.setattr(results, "COMMITTED", root / "committed")

    def put(name):
        folder = root / "committed/toy/weights" / name
        folder.mkdir(parents=True)
        (folder / results.WEIGHTS_RECORD).write_text("{}")

    return put


def ran(out):
    return [word for word in ("committed", "retrain", "nothing") if f" {word} " in out]


def test_among_others_a_table_without_most_of_its_models_is_trained(kept, freevocab):
    for name, source in (("one", "nothing"), ("two", "committed"), ("three", "committed")):
        kept(name)
        _, out, _ = freevocab("reproduce", "toy/all", "--scale", "hours", "--again")
        assert ran(out) == [source]
        scale = "hours" if source == "committed" else "cpu"
        assert f"toy/adding at {scale} scale" in out and "toy/failing at cpu scale" in out
    code, out, _ = freevocab("reproduce", "toy/adding", "--scale", "hours", "--retrain")
    assert (code, ran(out)) == (0, ["retrain"])


def test_a_table_by_itself_is_run_at_the_scale_that_is_asked_for(kept, freevocab):
    assert ran(freevocab("reproduce", "toy/adding", "--scale", "hours")[1]) == ["committed"]
    assert "no hours scale" in freevocab("reproduce", "toy/failing", "--scale", "hours")[2]


def test_what_keeps_no_models_is_not_trained_again(toy_paper, freevocab):
    code, _, err = freevocab("reproduce", "toy/adding", "--scale", "cpu", "--retrain")
    assert code == 2 and "--retrain is for --scale hours" in err
    (table,) = catalog.select("toy/adding")
    with pytest.raises(UsageError, match="toy/adding keeps no models"):
        catalog.retrained(table, table.config("cpu"))


def test_a_setting_that_tables_share_says_where_its_models_come_from():
    tables = {table.path: table for table in catalog.tables()}
    for path in ("tokenizer_transfer/fine_tuned", "lexinvariant/reasoning"):
        config = tables[path].config("hours")
        assert catalog.weights_source(config) == "committed"
        again = catalog.retrained(tables[path], config)
        assert catalog.weights_source(again) == "retrain" and type(again) is type(config)
        assert {f.name for f in dataclasses.fields(again)} == {
            f.name for f in dataclasses.fields(config)
        }


def test_the_tables_that_open_models_name_them():
    for table in catalog.tables():
        if hasattr(table.configuration(), "hours"):
            config = table.config("hours")
            if catalog.weights_source(config) == "committed":
                names = list(table.experiment().weights_of(config))
                assert names and len(set(names)) == len(names), table.path
