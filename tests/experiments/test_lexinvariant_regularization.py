"""The table `regularization`: with and without BIG-Bench Hard."""

import dataclasses
import json
import math

import numpy as np
import pytest

from configs.lexinvariant import regularization as configs
from experiments.lexinvariant import regularization, task_scores
from research.codecs.basic import BytesCodec
from research.evaluation import multiple_choice
from tests.experiments.table_checks import check_table

QUESTIONS = {
    "navigate": ["Yes", "No", "No", "Yes"],
    "boolean_expressions": ["True", "False", "True"],
    "snarks": ["(A)", "(B)", "(A)"],
}


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    return tmp_path_factory.mktemp("regularization")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tasks")
    for name, answers in QUESTIONS.items():
        examples = [
            {"input": f"Is {name} {i}?\nOptions:\n(A) one\n(B) two", "target": answer}
            for i, answer in enumerate(answers)
        ]
        (directory / f"{name}.json").write_text(json.dumps({"examples": examples}))
    return directory


@pytest.fixture(scope="module")
def rows(workdir, folder):
    config = dataclasses.replace(configs.quick(), bbh=str(folder))
    return regularization.run(config, workdir=workdir, log=lambda line: None)


def test_the_quick_configuration_runs(rows):
    check_table(
        regularization, rows, "task_accuracies", "questions", "lookup_interval",
        "permutation_interval", "up/same/down_by_bytes", "sign_p_by_bytes",
    )  # fmt: skip
    measures = [row["measure"] for row in rows]
    assert measures == ["model"] * 2 + ["BBH"] * 6


def test_signs_add_up(rows):
    base, other = (
        [row for row in rows if row.get("shots") == 1 and row["p"] == p][0] for p in (0.0, 0.2)
    )
    assert "signs" not in base and len(other["signs"]) == 3
    up, same, down = map(int, other["up/same/down"].split("/"))
    assert up + same + down == 3
    assert [other["signs"].count(sign) for sign in "+0-"] == [up, same, down]
    expected = "".join(
        "+" if a > b else "-" if a < b else "0"
        for a, b in zip(
            other["task_accuracies"].values(), base["task_accuracies"].values(), strict=True
        )
    )
    assert other["signs"] == expected
    assert list(base["task_accuracies"]) == sorted(QUESTIONS)
    mean = 100 * np.mean(list(other["task_accuracies"].values()))
    assert other["accuracy"] == pytest.approx(mean)


def test_without_the_tasks_a_remark_says_where_they_are(rows, workdir):
    plain = regularization.run(configs.quick(), workdir=workdir, log=lambda line: None)
    assert [row["measure"] for row in plain] == ["model"] * 2
    assert plain[0]["bits_per_byte"] == rows[0]["bits_per_byte"]  # the kept model
    assert regularization.NO_TASKS in regularization.remarks(plain)


def test_the_folder_of_the_environment(folder, monkeypatch, tmp_path):
    assert task_scores.bbh_folder("") is None and task_scores.bbh_folder("given") is not None
    monkeypatch.setenv("FREEVOCAB_DATA", str(tmp_path))
    assert task_scores.bbh_folder("") is None
    (tmp_path / "bbh" / "bbh").mkdir(parents=True)
    (tmp_path / "bbh" / "bbh" / "snarks.json").write_bytes((folder / "snarks.json").read_bytes())
    assert task_scores.bbh_folder("") == tmp_path / "bbh"


def test_the_likeliest_option_is_chosen(folder, monkeypatch):
    """Given nats: by their sum the short option wins, by the byte the long one."""
    def questions(context):
        return task_scores.bbh_questions(
            folder, BytesCodec(), shots=(0, 2), count=0, context=context, seed=0
        )

    asked = questions(200)
    runs = []

    def nats(params, model, found, *, batch_size):
        runs.extend(found)
        return [np.array([3.0 if bytes(ids.astype("u1")) in (b" Yes", b" True", b" (A)") else 3.1
                          for ids in choice.options]) for choice in found]

    monkeypatch.setattr(multiple_choice, "option_nats", nats)
    found = task_scores.bbh_accuracies(None, None, asked, batch_size=1)
    names = [task.name for task in asked.tasks]
    assert names == ["boolean_expressions", "navigate", "snarks"]
    assert found[0, "summed"] == pytest.approx([2 / 3, 1 / 2, 2 / 3])
    # ' False' is longer than ' True', ' No' shorter than ' Yes', letters are equally long.
    assert found[2, "per byte"] == pytest.approx([1 / 3, 1 / 2, 2 / 3])
    assert asked.majority() == pytest.approx((2 / 3 + 1 / 2 + 2 / 3) / 3)
    assert asked.chance() == pytest.approx(1 / 2)
    assert len(runs) == 20
    runs.clear()
    task_scores.bbh_accuracies(None, None, questions(60), batch_size=1)
    assert len(runs) == 10  # no shot fits: the prompts are those without


def test_the_papers_sign_test():
    last = regularization.PAPER_ROWS[-1]
    # 22 or more heads of 33, both sides.
    expected = 2 * sum(math.comb(33, k) for k in range(22, 34)) / 2**33
    assert last["up/same/down"] == "22/3/11" and last["sign_p"] == pytest.approx(expected)
