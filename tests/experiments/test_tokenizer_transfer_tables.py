"""Every table of the third paper runs in its quick configuration, and says what its rows say."""

import dataclasses
import importlib
import os
import signal

import jax
import numpy as np
import pytest

from configs import tokenizer_transfer
from experiments.tokenizer_transfer import (
    base_models,
    hypernetworks,
    n_shot,
    transfer_methods,
    zero_shot,
)
from research import interrupts
from research.models import pretrained
from research.reporting import environment
from research.transfer.convert import target_tokenizer
from tests.experiments.table_checks import check_table

NAMES = tokenizer_transfer.TABLES


def experiment(name):
    return importlib.import_module(f"experiments.tokenizer_transfer.{name}")


def config_module(name):
    return importlib.import_module(f"configs.tokenizer_transfer.{name}")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """name -> rows, each table run once; they share the base model and the hypernetwork."""
    workdir, done = tmp_path_factory.mktemp("tables"), {}

    def rows_of(name):
        if name not in done:
            config, lines = config_module(name).quick(), []
            done[name] = experiment(name).run(config, workdir=workdir, log=lines.append)
            assert lines
        return done[name]

    return rows_of


@pytest.mark.parametrize("name", NAMES)
def test_the_quick_configuration_runs(name, found):
    table, rows = experiment(name), found(name)
    labels = {"BPE 280"} if name == "ablations" else set()
    numbered = {column for row in rows for column in row if column.startswith("at ")}
    check_table(table, rows, *labels, *numbered)


def test_zero_shot_has_every_method_on_every_target(found):
    rows = found("zero_shot")
    (target,) = (one.label for one in config_module("zero_shot").quick().targets)
    assert rows[0]["method"] == zero_shot.ORIGINAL
    assert [(row["target"], row["method"]) for row in rows[1:]] == [
        (target, method) for method in transfer_methods.METHODS
    ]
    by_method = {row["method"]: row for row in rows[1:]}
    # Untrained, the residual form is the mean of the pieces.
    fvt, step_0 = by_method["fvt"], by_method[transfer_methods.STEP_0]
    assert step_0["bits_per_byte"] == pytest.approx(fvt["bits_per_byte"], rel=1e-5)
    assert by_method[transfer_methods.HYPERNETWORK]["bits_per_byte"] != fvt["bits_per_byte"]
    for row in rows[1:]:
        lost = row["bits_per_byte"] - rows[0]["bits_per_byte"]
        assert row["lost"] == pytest.approx(lost)
        assert 0 <= row["overlap"] <= 100 and 0 <= row["seen"] <= 100
        low, high = map(float, row["accuracy_interval"].split(" to "))
        assert low - 0.05 <= row["accuracy"] <= high + 0.05
        own = rows[0]["accuracy"] or 100 / config_module("zero_shot").quick().questions.count
        assert row["kept"] == pytest.approx(100 * row["accuracy"] / own)
        shorter = 1 - row["tokens_per_byte"] / rows[0]["tokens_per_byte"]
        assert row["shorter"] == pytest.approx(100 * shorter)


def test_remarks_follow_the_rows(found):
    rows = found("zero_shot")
    target = rows[1]["target"]
    changed = [
        row | {"bits_per_byte": 0.5 if row["method"] == transfer_methods.HYPERNETWORK else 2.0}
        for row in rows
    ]
    (line,) = (line for line in zero_shot.remarks(changed) if line.startswith(f"{target}: "))
    assert f"{transfer_methods.HYPERNETWORK} 0.500 bits/byte" in line
    assert "not trained 2.000" in line


def test_curves_begin_where_the_table_begins(found):
    rows = {row["start"]: row for row in found("n_shot")}
    zero = {row["method"]: row for row in found("zero_shot")}
    same = {one: one for one in ("random", transfer_methods.HYPERNETWORK)}
    for start, method in (same | {n_shot.TOGETHER: transfer_methods.HYPERNETWORK}).items():
        points = n_shot.curve(rows[start])
        assert len(points) == 3 and points[0][0] == 0
        assert points[0][1] == pytest.approx(zero[method]["bits_per_byte"], rel=1e-5)
        assert points[-1][1] == rows[start]["bits_per_byte"]


def stopped_at(part, lines):
    """A table's log that sends Ctrl-C with the first line that has `part`."""

    def log(line):
        if part in line and not any(part in earlier for earlier in lines):
            os.kill(os.getpid(), signal.SIGINT)
        lines.append(line)

    return log


def test_an_interrupted_hypernetwork_goes_on(tmp_path):
    """With the same parameters, and the same entries seen, as without the interruption."""
    config, lines = config_module("zero_shot").quick(), []
    base = base_models.trained(config, 0, tmp_path, lines.append)
    with pytest.raises(interrupts.Interrupted, match="stopped at step 1 and saved"):
        hypernetworks.trained(config, base, 0, tmp_path, stopped_at("hypernetwork: step 1/", lines))
    resumed = hypernetworks.trained(config, base, 0, tmp_path, lines.append)
    assert any("going on from step 1" in line for line in lines)
    assert not list((tmp_path / "runs").iterdir())
    whole = hypernetworks.trained(config, base, 0, tmp_path / "other", lines.append)
    jax.tree.map(np.testing.assert_array_equal, resumed.params, whole.params)
    assert resumed.seen == whole.seen


def test_interrupted_curves_go_on(found, tmp_path, monkeypatch):
    """Finished rows are not trained again; the one in work goes on, its first points with it."""
    monkeypatch.setattr(environment, "commit", lambda: "c" * 40)
    whole = found("n_shot")
    config, lines = config_module("n_shot").quick(), []
    *_, last = config.starts
    with pytest.raises(interrupts.Interrupted, match="stopped at step 1 and saved"):
        n_shot.run(config, workdir=tmp_path, log=stopped_at(f"{last}: step 1/", lines))
    again = []
    rows = n_shot.run(config, workdir=tmp_path, log=again.append)
    steps = [line for line in again if ": step " in line and "bits_per_byte" not in line]
    assert len(steps) == 1 and steps[0].startswith(f"{last}: step 2/2")
    for mine, theirs in zip(rows, whole, strict=True):
        assert {**mine, "seconds": 0} == {**theirs, "seconds": 0}
    assert not list((tmp_path / "runs").iterdir())


def test_a_checkpoint_may_stand_in_for_the_base_model(tmp_path):
    """A folder of Hugging Face's kind with the same weights gives the same figures."""
    config = config_module("zero_shot").quick()
    base = base_models.trained(config, 0, tmp_path, lambda line: None)
    base.codec.save(tmp_path / "codec")
    tokenizer = target_tokenizer.open_target(str(tmp_path / "codec"))
    pretrained.from_language_model(base.params, base.config, tokenizer).save(tmp_path / "llama")
    other = dataclasses.replace(config, checkpoint=str(tmp_path / "llama"))
    opened = base_models.trained(other, 0, tmp_path, lambda line: None)
    assert opened.codec.vocab_size == base.codec.vocab_size + 2  # its own BOS and EOS
    mine, theirs = (base_models.own_bits(one, tmp_path) for one in (base, opened))
    assert theirs.tokens == mine.tokens
    # Two more ids take a little of the probability.
    assert mine.bits_per_byte < theirs.bits_per_byte < 1.01 * mine.bits_per_byte
    to = transfer_methods.target(other, opened, other.targets[0], tmp_path, lambda line: None)
    made = transfer_methods.table("fvt", opened, to, None, seed=0)
    assert made.input_VxD.shape[0] == to.tokenizer.vocab_size
    np.testing.assert_array_equal(made.output_VxD[-1], opened.table.output_VxD[-1])


def test_how_soon_a_curve_reaches_a_goal():
    points = [(0.0, 4.0), (10.0, 3.0), (20.0, 2.0)]
    assert n_shot.tokens_to(points, 2.5) == pytest.approx(15.0)
    assert n_shot.tokens_to(points, 5.0) == 0.0
    assert n_shot.tokens_to(points, 1.0) is None


def test_the_weight_of_a_task_vector_counts(found):
    rows = {row["method"]: row["bits_per_byte"] for row in found("fine_tuned")}
    assert rows["n-shot, lambda 0"] != rows["n-shot, lambda 0.5"]


def test_packing_costs_less_and_is_as_full(found):
    padded, packed = found("amortization")
    assert packed["network_tflops"] < padded["network_tflops"]
    assert packed["filled"] > padded["filled"]
    assert packed["mflops_per_token"] == padded["mflops_per_token"]
