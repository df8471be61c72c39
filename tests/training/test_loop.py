import json
import math
import os
import signal

import jax
import numpy as np
import pytest

from research import interrupts
from research.errors import FreevocabError
from research.training import loop, run_folder
from research.training.compile import compile_step
from research.training.config import OptimizerConfig, TrainConfig
from research.training.run_folder import Checkpoints

FAST = OptimizerConfig(learning_rate=0.1, schedule="constant")


@pytest.fixture(scope="module")
def compiled(bigram):
    """One compiled step for all runs here that do not need another."""
    return compile_step(
        bigram.loss, bigram.init, bigram.batch(0), TrainConfig(steps=1, optimizer=FAST)
    )


@pytest.fixture
def train(bigram, compiled):
    def run(workdir, steps=6, batch=None, init=None, compiled=compiled, log=str, **options):
        names = {"eval_fn", "initial_params", "description"}
        arguments = {name: options.pop(name) for name in names & options.keys()}
        config = TrainConfig(steps=steps, optimizer=options.pop("optimizer", FAST), **options)
        return loop.train(
            bigram.loss,
            init or bigram.init,
            batch or bigram.batch,
            config,
            workdir,
            compiled=compiled,
            log=log,
            **arguments,
        )

    return run


def saved_steps(workdir):
    with Checkpoints(workdir / "checkpoints") as saved:
        return saved.latest()


def test_it_learns_and_says_so(train, bigram, tmp_path):
    lines = []
    result = train(tmp_path, steps=60, log_every=20, log=lines.append)
    losses = [row["loss"] for row in result.history]
    assert losses == sorted(losses, reverse=True) and losses[-1] < 0.8 * losses[0]
    assert result.step == 60 and result.metrics["loss"] == losses[-1]
    # Memory and FLOPs come before the first step.
    assert "parameters" in lines[0] and "optimizer" in lines[0] and "activations" in lines[0]
    assert "FLOPs a step" in lines[1]
    assert [line.split()[1] for line in lines[2:]] == ["20/60", "40/60", "60/60"]
    assert all("tokens/s" in line and "left" in line for line in lines[2:])


def test_the_logged_loss_is_all_nats_over_all_tokens_since_the_last_line(train, bigram, tmp_path):
    fine = train(tmp_path / "a", steps=4, log_every=1)
    coarse = train(tmp_path / "b", steps=4, log_every=4)
    tokens = [bigram.batch(step)["weights_BxL"].sum() for step in range(4)]
    losses = [row["loss"] for row in fine.history]
    assert coarse.metrics["loss"] == pytest.approx(np.dot(losses, tokens) / sum(tokens), rel=1e-6)


def test_metrics_file(train, tmp_path):
    train(tmp_path, steps=4, log_every=2, eval_fn=lambda params: {"bits_per_byte": 1.5})
    rows = run_folder.read_metrics(tmp_path)
    assert [row["kind"] for row in rows] == ["run", "train", "train", "eval"]
    assert rows[0]["config"]["steps"] == 4
    assert rows[0]["settings"]["optimizer"]["learning_rate"] == 0.1
    assert rows[0]["versions"]["jax"] == jax.__version__
    assert rows[0]["hardware"]["devices"] == 8
    assert rows[0]["estimate"]["params"] == 2 * 64 * 8
    assert [row["step"] for row in rows[1:]] == [2, 4, 4]
    assert rows[3]["bits_per_byte"] == 1.5
    assert {"loss", "grad_norm", "tokens_per_second", "seconds"} <= rows[1].keys()
    # A line cut off by a crash does not spoil the next.
    with open(tmp_path / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.write('{"kind": "tra')
    train(tmp_path, steps=6, log_every=2)
    rows = run_folder.read_metrics(tmp_path)
    assert [row["kind"] for row in rows[4:]] == ["run", "train"]
    assert rows[4]["step"] == 4
    assert rows[5]["seconds"] > rows[2]["seconds"]


def test_a_loss_that_is_not_finite_stops_the_run(train, bigram, tmp_path):
    def poisoned(step):
        batch = bigram.batch(step)
        if step == 4:
            batch["weights_BxL"] = batch["weights_BxL"] * np.float32(np.nan)
        return batch

    with pytest.raises(FreevocabError, match="loss of step 5 is not finite") as caught:
        train(tmp_path, steps=12, batch=poisoned, log_every=100, save_every=2)
    message = str(caught.value)
    # No finite loss has been seen of what step 4 left.
    assert "step 2 in" in message and "\n" not in message
    assert saved_steps(tmp_path) == 4
    # Every line is JSON, though the loss is not a number.
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    last = [json.loads(line, parse_constant=pytest.fail) for line in lines][-1]
    assert (last["step"], last["nats"]) == (5, "nan")
    # From the good checkpoint, with good data, the run ends well.
    assert train(tmp_path, steps=12).step == 12


def test_a_result_that_no_loss_has_seen_is_looked_at(train, bigram, tmp_path):
    """The last update, and an evaluation, may be the first that are not finite."""
    wild = OptimizerConfig(
        name="adamw", learning_rate=3e38, schedule="constant", warmup_steps=0, clip_norm=0.0
    )

    def nats(params):
        return {"nats": float(jax.numpy.sum(jax.tree.leaves(params)[0]))}

    for steps, extra in ((1, {}), (1, {"eval_fn": lambda params: {"nats": math.nan}})):
        optimizer = FAST if extra else wild
        compiled = compile_step(
            bigram.loss, bigram.init, bigram.batch(0), TrainConfig(steps=1, optimizer=optimizer)
        )
        workdir = tmp_path / str(len(extra))
        given = extra or {"eval_fn": nats}
        with pytest.raises(FreevocabError, match="not finite; no good checkpoint") as caught:
            train(workdir, steps=steps, optimizer=optimizer, compiled=compiled, **given)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_saves_and_the_same_command_goes_on(
    train, bigram, compare, tmp_path, number, code
):
    def interrupted(step):
        if step == 3:
            os.kill(os.getpid(), number)
        return bigram.batch(step)

    before = signal.getsignal(number)
    with pytest.raises(loop.Interrupted, match="stopped at step 4 and saved to") as caught:
        train(tmp_path / "a", batch=interrupted)
    assert caught.value.exit_code == code
    assert not isinstance(caught.value, Exception)  # so that what handles errors lets it pass
    assert "\n" not in str(caught.value)
    assert signal.getsignal(number) is before
    assert saved_steps(tmp_path / "a") == 4
    lines = []
    resumed = train(tmp_path / "a", log=lines.append)
    assert any("going on from step 4" in line for line in lines)
    assert compare.bit_equal(resumed.params, train(tmp_path / "b").params)


def test_a_signal_in_the_last_step_stops_too(train, bigram, compare, tmp_path):
    def interrupted(step):
        if step == 11:
            os.kill(os.getpid(), signal.SIGINT)
        return bigram.batch(step)

    with pytest.raises(loop.Interrupted, match="stopped at step 12 and saved to"):
        train(tmp_path / "a", steps=12, batch=interrupted)
    # Nothing is left to train.
    resumed = train(tmp_path / "a", steps=12, batch=pytest.fail)
    assert compare.bit_equal(resumed.params, train(tmp_path / "b", steps=12).params)


def test_a_signal_that_was_lost_before_stops_at_the_first_step(train, tmp_path, monkeypatch):
    monkeypatch.setattr(interrupts, "_noted", signal.SIGTERM)
    with pytest.raises(loop.Interrupted, match="stopped at step 1 and saved to") as caught:
        train(tmp_path)
    assert caught.value.exit_code == 143


def test_what_was_logged_before_an_interruption_is_part_of_the_history(train, bigram, tmp_path):
    def interrupted(step):
        if step == 7:
            os.kill(os.getpid(), signal.SIGINT)
        return bigram.batch(step)

    def evaluate(params):
        return {"norm": float(np.sum(np.abs(jax.tree.leaves(params)[0])))}

    given = {"steps": 12, "log_every": 2, "eval_every": 3, "eval_fn": evaluate}
    with pytest.raises(loop.Interrupted):
        train(tmp_path / "a", batch=interrupted, **given)
    for _ in range(2):  # the second has nothing to train
        resumed = train(tmp_path / "a", **given)
        whole = train(tmp_path / "b", **given)
        histories = [
            [(line["step"], line.get("norm"), line.get("loss")) for line in one.history]
            for one in (resumed, whole)
        ]
        assert histories[0] == histories[1] and len(histories[0]) == 10
        assert resumed.metrics["loss"] == whole.metrics["loss"]


def test_a_second_control_c_acts_at_once(train, bigram, tmp_path):
    def impatient(step):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        return bigram.batch(step)

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, batch=impatient)


def test_the_order_of_starts(train, bigram, compare, tmp_path):
    """Own checkpoint, else the given one, else given weights, else the seed."""
    ones = jax.tree.map(np.ones_like, jax.device_get(bigram.init(jax.random.key(0))))
    calls = []

    def weights():
        calls.append(1)
        return ones

    other = tmp_path / "other"
    theirs = train(other, steps=4)
    lines = []

    def start(name, **options):
        lines.clear()
        result = train(tmp_path / name, log=lines.append, **options)
        return result, " ".join(lines)

    scratch, _ = start("scratch")
    assert [row["step"] for row in scratch.history] == [6]

    given_weights, said = start("weights", initial_params=weights)
    assert "starting from given weights" in said and calls == [1]
    assert not compare.bit_equal(given_weights.params, scratch.params)

    given, said = start("given", initial_params=weights, checkpoint=str(other))
    assert "starting from step 4" in said and calls == [1]
    assert compare.bit_equal(given.params, scratch.params)  # the same seed and optimizer

    own, said = start("weights", steps=8, initial_params=weights, checkpoint=str(other))
    assert "going on from step 6" in said and calls == [1]
    assert own.step == 8
    assert theirs.step == 4


def test_given_weights_are_not_used_up(train, bigram, compare):
    weights = jax.jit(bigram.init)(jax.random.key(3))
    first = train(None, initial_params=lambda: weights)
    second = train(None, initial_params=lambda: weights)
    assert compare.bit_equal(first.params, second.params)
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(weights))


def test_a_workdir_that_cannot_be_gets_one_line(train, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FreevocabError, match="cannot use .* as a workdir") as caught:
        train(tmp_path / "file")
    assert "\n" not in str(caught.value)


def test_weights_of_another_model_get_one_line(train, tmp_path):
    def weights():
        return {"vocabulary": {"input_VxD": np.zeros((3, 8)), "output_VxD": np.zeros((64, 8))}}

    with pytest.raises(FreevocabError, match=r"input_VxD \(3, 8\) instead of \(64, 8\)"):
        train(tmp_path, initial_params=weights)


def test_a_workdir_of_another_run_is_refused(train, bigram, tmp_path):
    train(tmp_path, description={"model": {"width": 8}})
    with pytest.raises(FreevocabError, match="model.width is 9, was 8.*another workdir"):
        train(tmp_path, description={"model": {"width": 9}})
    slower = OptimizerConfig(learning_rate=0.05, schedule="constant")
    with pytest.raises(FreevocabError, match="optimizer.learning_rate is 0.05, was 0.1"):
        train(tmp_path, optimizer=slower, compiled=None, description={"model": {"width": 8}})
    with pytest.raises(FreevocabError, match="at step 6, beyond the 2 asked for"):
        train(tmp_path, steps=2, description={"model": {"width": 8}})


def test_nothing_is_fetched_between_log_points(train, monkeypatch, tmp_path):
    fetches = []
    real = jax.device_get

    def counted(tree):
        fetches.append(len(tree))
        return real(tree)

    monkeypatch.setattr(loop.jax, "device_get", counted)
    train(None, steps=12, log_every=6)
    assert fetches == [6, 6]


def test_few_steps_are_under_way_and_no_silence_is_long(train, bigram, monkeypatch, tmp_path):
    waited = []
    real = jax.block_until_ready
    monkeypatch.setattr(
        loop.jax, "block_until_ready", lambda metrics: waited.append(1) or real(metrics)
    )
    monkeypatch.setattr(loop, "QUIET_SECONDS", -1.0)
    lines = []
    talking = train(tmp_path / "a", steps=6, log_every=6, log=lines.append)
    assert len(waited) == 6 - loop.IN_FLIGHT
    said = [line for line in lines if line.startswith("step ")]
    assert [line.split()[1] for line in said] == [f"{step}/6" for step in range(1, 7)]
    assert all("loss" in line and "left" in line for line in said)
    # What is only said is no part of the history.
    monkeypatch.setattr(loop, "QUIET_SECONDS", 1e9)
    quiet = train(tmp_path / "b", steps=6, log_every=6)
    assert [row["loss"] for row in talking.history] == [row["loss"] for row in quiet.history]


def test_without_a_workdir_nothing_is_written(train, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = train(None, steps=2, eval_every=1, eval_fn=lambda params: {"x": 1.0})
    assert [row.get("x") for row in result.history] == [1.0, None, 1.0]
    assert list(tmp_path.iterdir()) == []


def test_a_step_compiled_for_something_else_is_refused(train, tmp_path):
    with pytest.raises(ValueError, match="another optimizer"):
        train(tmp_path, optimizer=OptimizerConfig(learning_rate=0.2))
