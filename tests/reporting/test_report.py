"""Plots, the report, and the README's results."""

import collections
import types
from importlib import metadata
from pathlib import Path

import pytest
from matplotlib import image

from research.cli import catalog, claims
from research.cli import report as command
from research.errors import UsageError
from research.reporting import plots, report, results, tables
from research.reporting.claims import Claim, Judged, Spread

ROOT = Path(__file__).resolve().parent.parent.parent
AXES = plots.Axes(x="MFLOPs/byte", y="bits/byte", series=("method",), log_x=True)
OURS = {
    "ours, cpu": [{"method": "Bytes", "MFLOPs/byte": 1.0, "bits/byte": 2.5}],
    "ours, gpu": [
        {"method": "Bytes", "MFLOPs/byte": 50.0, "bits/byte": 1.5},
        {"method": "AC", "MFLOPs/byte": 20, "bits/byte": None},
    ],
}
PAPER = [
    {"method": name, "MFLOPs/byte": x, "bits/byte": y}
    for name, x, y in (("Bytes", 226, 1.16), ("Bytes", 50, 1.29), ("AC", 15.1, 1.46))
]


def test_a_plot_is_a_picture_and_the_same_every_time(tmp_path):
    first, second = tmp_path / "a" / "1.png", tmp_path / "2.png"
    for path in (first, second):
        assert plots.save(path, "Title", AXES, OURS, PAPER)
    assert first.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert first.read_bytes() == second.read_bytes()


def test_curves_side_by_side_in_a_row_and_in_panels(tmp_path):
    axes = plots.Axes(
        "start", "perplexity", ("model",), across="start ", lines=True, panels="text", thin="floor"
    )
    rows = [
        {"model": "a", "text": text, "start 1": 9.0, "start 25": 3.0, "start x": 1, "floor": floor}
        for text, floor in (("code", False), ("prose", True), ("verse", True), ("lists", None))
    ]
    assert plots._points(axes, rows[:1]) == {("a", ""): [(1, 9.0), (25, 3.0)]}
    assert plots.save(tmp_path / "1.png", "Title", axes, {"ours, cpu": rows}, rows[:1])
    assert not plots.save(tmp_path / "2.png", "Title", axes, {}, [{"model": "a", "start x": 1.0}])


def test_nothing_to_draw_writes_nothing(tmp_path):
    path = tmp_path / "1.png"
    assert not plots.save(path, "Title", AXES, {"ours, cpu": [{"method": "x"}]}, [])
    assert not path.exists()


@pytest.mark.parametrize(
    ("columns", "declared", "expected"),
    [
        (("method", "ratio"), None, None),
        (("method", "bits/byte"), None, None),
        (("method", "MFLOPs/byte", "bits/byte"), None, AXES),
        (
            ("method", "flops_per_byte", "bits_per_byte"),
            None,
            plots.Axes("flops_per_byte", "bits_per_byte", ("method",), log_x=True),
        ),
        (
            ("method", "vocabulary", "mflops_per_byte", "bits_per_byte"),
            None,
            plots.Axes("mflops_per_byte", "bits_per_byte", ("method", "vocabulary"), log_x=True),
        ),
        (
            ("n", "kl"),
            {"x": "n", "y": "kl", "series": ("source",)},
            plots.Axes("n", "kl", ("source",)),
        ),
    ],
)
def test_axes(columns, declared, expected):
    assert plots.axes_of(columns, declared) == expected


def section(**others):
    made = {
        "paper": "p", "table": "t", "title": "Title", "paper_rows": [], "scales": ("cpu", "gpu"),
        "columns": ("method", "size", "bits_per_byte"),
    }  # fmt: skip
    return report.Section(**made | others)


def measured(rows, **others):
    made = {
        "hardware": {"platform": "cpu", "cores": 2, "cpu": "a processor"}, "seeds": [0],
        "commit": 40 * "a", "seconds": 60.0, "versions": {"jax": "1"}, "date": "today", "notes": [],
    }  # fmt: skip
    return types.SimpleNamespace(rows=rows, **made | others)


ROWS = [{"method": "AC", "size": "small", "bits_per_byte": 2.5}]


def test_the_readme_shows_the_best_record_and_where_it_comes_from():
    both = {"cpu": measured(ROWS), "hours": measured([ROWS[0] | {"bits_per_byte": 1.5}])}
    lines = report.summary(section(results=both)).splitlines()
    assert lines[0] == "**Title**"
    assert lines[4:] == [
        "| AC | small | 1.5 |",
        "",
        "- hours: 1.0 min on 2 cores of a processor, seed 0, JAX 1, today, commit aaaaaaaaaaaa",
    ]
    assert "not yet run" not in "".join(lines)

    def brief(rows, paper_rows):
        return ["method", "learned"], [{"method": rows[0]["method"], "learned": "0 %"}]

    assert "| AC | 0 % |" in report.summary(section(results=both, summary=brief))
    # A record whose models are mostly not trained yet waits behind a whole one.
    early = section(results=both, partial=["hours"])
    assert early.best == "cpu" and "| AC | small | 2.5 |" in report.summary(early)
    assert report.summary(early).endswith("- hours: so far 1 rows, in `freevocab report`\n")
    assert section(results={"hours": both["hours"]}, partial=["hours"]).best == "hours"


def test_a_dirty_record_stays_dirty_and_the_spread_is_said():
    line = report.origin(measured(ROWS, commit=40 * "a" + "+dirty"), Spread(0.01, "five seeds"))
    assert "commit aaaaaaaaaaaa+dirty; spread of seeds 0.010 bits/byte" in line


CLAIM = Claim("id", "it works", "Table 1", "1.0", "p/t", lambda found: None, headline=True)
JUDGED = [
    Judged("p", CLAIM, "opposite", "2.5", "cpu", Spread(0.01, "five seeds")),
    Judged("p", Claim("other", "and well", "Table 2", "2.0"), "not run", "no experiment", None),
]


def test_the_readme_begins_with_the_headlines():
    text = f"before\n{report.BEGIN}\nold\n{report.END}\nafter"
    shown = section(results={"cpu": measured(ROWS)}, judged=JUDGED[:1])
    new = report.update_readme(text, [shown], JUDGED)
    assert new.startswith("before\n") and new.endswith("\nafter") and "old" not in new
    assert new.index("| it works | 1.0 | 2.5 (cpu) | **opposite** |") < new.index("**Title**")
    assert "Of all 2 claims: 0 shown, 0 direction, 0 not shown, 1 opposite, 1 not run" in new
    assert "and well" not in new and "five seeds" in new
    assert report.update_readme(new, [shown], JUDGED) == new
    with pytest.raises(UsageError, match="no lines"):
        report.update_readme("no marks", [shown], JUDGED)


def test_a_report_begins_with_every_verdict_and_links_to_its_table(tmp_path):
    shown = section(results={"cpu": measured(ROWS)}, judged=JUDGED[:1], meaning={"size": "of M2"})
    page = report.write(tmp_path, [shown], JUDGED)[0].read_text(encoding="utf-8")
    assert "| opposite | it works (Table 1) | 1.0 | 2.5 | [p/t](#pt) |" in page
    assert "| not run | and well (Table 2) | 2.0 | no experiment | - |" in page
    assert "\n## p/t\n" in page and "- gpu: not yet run" in page
    assert "[All 3 columns as CSV](p/t.csv). size: of M2. method: " in page
    assert "bits/byte: bits a byte of held-out text" in page and "bits_per_byte" not in page


def test_a_screen_holds_twelve_columns():
    names = ["method", *(f"at {n}" for n in range(10, 200, 10)), "empty", "best", "seconds"]
    rows = [{name: 1.0 for name in names if name != "empty"}]
    found = tables.fitting(names, rows)
    assert len(found) <= tables.MOST and found[0] == "method" and found[-1] == "best"
    assert {"at 10", "at 190"} < set(found) and not {"empty", "seconds"} & set(found)
    chosen = ["method", "seconds"]
    assert tables.fitting([*chosen, "empty"], rows, declared=True) == chosen


@pytest.mark.parametrize("table", catalog.tables(), ids=lambda table: table.path)
def test_every_column_is_explained_and_nothing_else(table):
    experiment = table.experiment()
    families = set(map(tables.family, experiment.COLUMNS))
    assert families == experiment.MEANING.keys() | (families & tables.WORDS.keys())
    texts = [*experiment.MEANING.values(), *tables.WORDS.values()]
    assert all(text and text == text.strip(" .") for text in texts)


def test_shared_words_are_of_several_tables():
    experiments = [table.experiment() for table in catalog.tables()]
    named = collections.Counter(
        name for each in experiments for name in set(map(tables.family, each.COLUMNS))
        if name not in each.MEANING
    )  # fmt: skip
    assert {name for name, count in named.items() if count > 1} == tables.WORDS.keys() - {"source"}
    assert set(named) <= tables.WORDS.keys()


def test_a_table_says_more_of_a_column_than_the_shared_words():
    meaning = {"start": "perplexity in the window", "size": "of M2"}
    assert tables.explained(["model", "size", "start 1", "start 25", "other"], meaning) == (
        f"start: perplexity in the window. size: of M2. model: {tables.WORDS['model']}."
    )


def test_pictures_that_a_run_left_are_shown(tmp_path):
    source = tmp_path / "cpu-keys.png"
    source.write_bytes(b"a picture")
    shown = section(title="T", pictures=[source])
    written = report.write(tmp_path / "report", [shown], [])
    assert written[-1].read_bytes() == b"a picture"
    assert f"![T](p/{written[-1].name})" in written[0].read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def committed():
    """(the main tables, every claim) of the committed results."""
    measured = results.load_all(results.COMMITTED)
    judged = claims.judged(claims.records(measured))
    return command.main_sections(measured, judged), judged


def test_the_readmes_table_is_what_the_committed_results_say(committed):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert report.update_readme(text, *committed) == text


def test_the_readmes_pictures_show_the_committed_results(committed, tmp_path):
    drawn = report.write_pictures(tmp_path, committed[0])
    assert {path.stem for path in drawn} == {section.paper for section in committed[0]}
    assert {path.name for path in (ROOT / report.PICTURES).iterdir()} == {p.name for p in drawn}
    versions = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    for path in drawn:
        kept = ROOT / report.PICTURES / path.name
        if f"matplotlib=={metadata.version('matplotlib')}" in versions:
            assert path.read_bytes() == kept.read_bytes(), "freevocab report --readme README.md"
        # Another version may set the text a little otherwise, but draws as large a picture.
        new, old = image.imread(path), image.imread(kept)
        assert new.shape == old.shape and (abs(new - old).max(axis=-1) > 0.2).mean() < 0.05
