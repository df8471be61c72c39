"""`freevocab reproduce`, `list` and `report` on a toy paper."""

import dataclasses
import json
import sys

from research.cli import progress
from research.reporting import environment, results
from research.reporting.report import BEGIN, END
from tests.one_line import is_one_line


def test_a_table_is_run_recorded_and_shown_beside_the_papers(toy_paper, freevocab):
    code, out, err = freevocab("reproduce", "toy/adding", "--set", "terms=5", "inner.factor=2")
    assert code == 0
    plan, table = out.split("toy/adding at cpu scale")
    assert "1 table at cpu scale, expected time: about 2.0 min" in plan
    assert "0:00 adding 5 terms" in err
    ours, papers = (line for line in table.splitlines() if "by hand" in line)
    assert "ours, cpu" in ours and " 3 " in ours and "paper" in papers and "1.25" in papers
    assert "- 2 ways were tried" in out
    written = results.load(toy_paper / "runs/results/toy/adding/cpu.json")
    assert written.rows[0] == {
        "method": "by hand", "FLOPs/byte": 5, "bits/byte": 3.0, "exact": True
    }
    assert written.config == {"terms": 5, "seed": 7, "inner": {"factor": 2.0}}
    assert written.seeds == [7] and written.notes == ["2 ways were tried"]
    assert not (toy_paper / "results").exists()


def test_the_next_time_is_expected_from_the_last(toy_paper, freevocab):
    freevocab("reproduce")
    path = toy_paper / "runs/results/toy/adding/cpu.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps(values | {"seconds": 7200.0}))
    out = freevocab("reproduce", "toy", "--again")[1]
    assert "toy/adding: about 2.0 h, last measured on" in out


def test_record_also_writes_the_committed_place(toy_paper, freevocab, monkeypatch):
    monkeypatch.setattr(environment, "commit", lambda: "c" * 40)
    assert freevocab("reproduce", "--record")[0] == 0
    run, committed = (toy_paper / root / "toy/adding" for root in ("runs/results", "results"))
    assert (run / "cpu.json").read_text() == (committed / "cpu.json").read_text()


def test_record_is_of_committed_code(toy_paper, freevocab, monkeypatch):
    monkeypatch.setattr(environment, "commit", lambda: "c" * 40 + environment.DIRTY)
    code, out, err = freevocab("reproduce", "--record")
    assert (code, out) == (2, "") and "commit research, experiments, configs first" in err
    assert list(toy_paper.iterdir()) == []
    assert freevocab("reproduce")[0] == 0
    kept = results.load(toy_paper / "runs/results/toy/adding/cpu.json")
    assert kept.commit == "c" * 40 + "+dirty"


def test_another_text_than_the_committed_results_is_said(toy_paper, freevocab, monkeypatch):
    path = toy_paper.parent / "experiments/toy/adding.py"
    source = path.read_text()
    monkeypatch.setattr(environment, "commit", lambda: "c" * 40)
    monkeypatch.setattr(results, "COMMITTED", toy_paper / "results")
    for digest in ("a1", "b22"):
        path.write_text(source.replace('"exact": True', f'"exact": 1, "corpus": "it, {digest}"'))
        sys.modules.pop("experiments.toy.adding", None)
        out = freevocab("reproduce", "--again", *["--record"] * (digest == "a1"))[1]
        said = "- another text than the committed result's, which was measured on it, a1"
        assert (said in out) == (digest == "b22")


def test_quick_numbers_are_not_recorded_and_not_reported(toy_paper, freevocab):
    assert freevocab("reproduce", "--quick", "--record")[0] == 2
    assert freevocab("reproduce", "--quick")[0] == 0
    assert (toy_paper / "runs/results/toy/adding/quick.json").exists()
    assert "not yet run" in freevocab("list")[1]


def test_a_failed_table_does_not_stop_the_others(toy_paper, freevocab):
    code, out, err = freevocab("reproduce", "toy/all")
    assert code == 1
    assert "toy/failing failed: the sum ran away: use fewer terms" in err
    assert "ZeroDivisionError: division by zero (see runs/toy/broken-cpu-traceback.txt)" in err
    assert err.splitlines()[-1] == "freevocab: failed: toy/failing, toy/broken, toy/full"
    assert "toy/full failed: [Errno 28] No space left on device: 'big.bin'\n" in err
    assert "Traceback" not in err
    assert "return 1 / 0" in (toy_paper / "runs/toy/broken-cpu-traceback.txt").read_text()
    assert (toy_paper / "runs/results/toy/adding/cpu.json").exists()


def test_nothing_runs_after_a_wrong_argument(toy_paper, freevocab):
    for argv, words in (
        (["tay"], "unknown paper 'tay': did you mean toy?"),
        (["toy/addin"], "did you mean adding"),
        (["toy/absent"], "unknown table 'absent'"),
        (["--set", "trems=3"], "did you mean terms"),
        (["toy/failing", "--scale", "gpu"], "no gpu scale"),
        (["toy/adding", "--scale", "gpu"], "needs a GPU or TPU"),
    ):
        code, out, err = freevocab("reproduce", *argv)
        assert (code, out) == (2, "") and words in err
    assert list(toy_paper.iterdir()) == []


def test_force_runs_the_gpu_scale_without_one(toy_paper, freevocab):
    assert freevocab("reproduce", "--scale", "gpu", "--force")[0] == 0
    assert (toy_paper / "runs/results/toy/adding/gpu.json").exists()


def test_a_damaged_result_is_one_line(toy_paper, freevocab):
    freevocab("reproduce")
    path = toy_paper / "runs/results/toy/adding/cpu.json"
    path.write_text(path.read_text()[:50])
    code, _, err = freevocab("list")
    assert code == 1 and "cpu.json is damaged" in err and is_one_line(err)


def test_list_shows_scales_times_and_results(toy_paper, freevocab):
    lines = freevocab("list")[1]
    row = next(line for line in lines.splitlines() if "toy/adding" in line)
    assert "toy/adding *" in row and "2.0 min, not yet run" in row and row.count("not yet run") == 2
    freevocab("reproduce")
    row = next(line for line in freevocab("list")[1].splitlines() if "toy/adding" in line)
    assert "0 s, 20" in row and row.count("not yet run") == 1


def test_report_overlays_runs_over_committed_results(toy_paper, freevocab):
    freevocab("reproduce", "toy/adding")
    code, out, _ = freevocab("report", "--out", "page")
    assert code == 0 and "4 tables, 1 results" in out
    text = (toy_paper / "page/report.md").read_text()
    assert "## toy/adding\n\n**Sums | of terms**" in text
    assert "- gpu: not yet run (`freevocab reproduce toy/adding --scale gpu`)" in text
    assert "| by hand | ours, cpu | 2 | 1.5 | yes |" in text
    assert "![Sums | of terms](toy/adding.png)" in text
    assert (toy_paper / "page/toy/adding.png").read_bytes()[:4] == b"\x89PNG"
    csv = (toy_paper / "page/toy/adding.csv").read_text().splitlines()
    assert csv[:3] == [
        "method,source,FLOPs/byte,bits/byte,exact",
        'by hand,"ours, cpu",2,1.5,True',
        "by hand,paper,3,1.25,",
    ]


def test_report_rewrites_only_the_readmes_table(toy_paper, freevocab, monkeypatch):
    monkeypatch.setattr(environment, "commit", lambda: "c" * 40)
    freevocab("reproduce", "--record")
    monkeypatch.setattr(results, "COMMITTED", toy_paper / "results")
    readme = toy_paper / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert "README.md: updated; 0 pictures" in freevocab("report", "--readme", readme)[1]
    text = readme.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert "| by hand | 2 | 1.5 | yes |" in text
    assert "README.md: as before" in freevocab("report", "--readme", readme)[1]
    assert readme.read_text() == text
    readme.write_text("no marks")
    assert freevocab("report", "--readme", readme)[0] == 2


def test_a_command_reads_every_result_once(toy_paper, freevocab, monkeypatch):
    monkeypatch.setattr(environment, "commit", lambda: "c" * 40)
    freevocab("reproduce", "--record")
    monkeypatch.setattr(results, "COMMITTED", toy_paper / "results")
    (toy_paper / "README.md").write_text(f"{BEGIN}\n{END}\n")
    read, load = [], results.load

    def noted(path):
        read.append(path)
        return load(path)

    monkeypatch.setattr(results, "load", noted)
    committed = toy_paper / "results/toy/adding/cpu.json"
    both = sorted([committed, toy_paper / "runs/results/toy/adding/cpu.json"])
    for words, expected in (
        ("list", both),
        ("claims", both),
        ("report", both),
        ("report --readme README.md", [committed]),
        ("reproduce", both),  # which is finished
    ):
        read.clear()
        freevocab(*words.split())
        assert sorted(path.absolute() for path in read) == expected, words


def test_what_is_trained_is_found_in_a_part():
    @dataclasses.dataclass(frozen=True)
    class Model:
        steps: int = 2_000
        batch_size: int = 16
        length: int = 128

    @dataclasses.dataclass(frozen=True)
    class Config:
        m2: Model = Model()

    words = "2,000 steps of 16 x 128 tokens a model"
    assert progress.training(Config()) == progress.training(Model()) == words
    assert progress.training(Config(m2=None)) is None
