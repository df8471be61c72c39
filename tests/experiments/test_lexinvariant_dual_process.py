"""The table dual_process: its quick configuration, and what its records say of the other scales."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

from configs.lexinvariant import dual_process as configs
from experiments.lexinvariant import dual_process, masked_answers
from experiments.lexinvariant.dual_process import AT, Model
from research.errors import UsageError
from research.lexinvariance.tasks.part_of_speech import SPLITS
from research.models import sizes
from research.reporting import plots, results
from research.training import optimizers
from tests.experiments.lowering import Step, lower
from tests.experiments.table_checks import check_table

QUICK = configs.quick()


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    lines = []
    found = dual_process.run(QUICK, workdir=tmp_path_factory.mktemp("dual"), log=lines.append)
    assert lines
    return found


def test_the_quick_configuration_runs(rows):
    names = [(row["split"], row["method"]) for row in rows]
    assert names == [(split, method) for split in SPLITS for method in configs.METHODS]
    check_table(dual_process, rows, "panel")
    for row in rows:
        curve = [row[name] for name in AT]
        assert row["best"] == max(curve)
        assert all(0 <= value <= 100 for value in curve)
    assert len(dual_process.remarks(rows)) == 6


def test_it_is_drawn_with_a_panel_for_each_split_and_skew(rows, tmp_path):
    axes = plots.axes_of(dual_process.COLUMNS, dual_process.PLOT)
    assert plots.save(tmp_path / "plot.png", "title", axes, {"ours": results.plain(rows)}, [])


def test_remarks_follow_the_rows(rows):
    """Made-up curves: every figure comes from its row."""

    def made(last):
        found = []
        for row in rows:
            curve = {name: 90.0 for name in AT}
            key = (row["method"], row["split"])
            found.append(row | curve | {"best": 90.0, AT[-1]: last.get(key, 90.0)})
        return dual_process.remarks(found)

    told = made({("vanilla", "unseen"): 50.0})
    assert told[0].endswith(" 1.5: best 90 %, in the end 50 %")
    assert told[1].endswith(" 1.5: 90 % against 50 %")
    assert told[2].endswith("1.5: 90 and 90 % (vanilla 90 and 90 %)")
    other = made({("gaussian", "tail"): 79.0})
    assert other[5].endswith("ends at 1.5: 79 to 90 %")


def test_a_schedule_for_each_row():
    config = dataclasses.replace(QUICK, every=10, until=(500, 1_000))
    schedules = dual_process._schedules(config)
    assert list(schedules) == ["vanilla", "active", "temporary 500", "temporary 1000", "gaussian"]
    due = {
        name: [step for step in range(2_000) if schedule.due(step)]
        for name, schedule in schedules.items()
        if schedule is not None
    }
    assert due["vanilla"] == []
    assert due["active"] == list(range(10, 2_000, 10))
    assert due["temporary 500"] == list(range(10, 501, 10))
    task = Model(config, "learned").task
    assert {schedule.keep for name, schedule in schedules.items() if schedule} == {
        (task.copula, task.mask)
    }


def test_only_the_unseen_rows_are_fresh():
    model = Model(QUICK, "learned")
    params = model.init(jax.random.key(1))
    given = model._with_fresh_rows(params)
    old, new = (np.asarray(tree["vocabulary"]["input_VxD"]) for tree in (params, given))
    changed = np.flatnonzero((old != new).any(axis=1))
    assert changed.tolist() == [20, 21, 22, 23]
    assert model.task.copula == 24 and model.task.mask == 25
    jax.tree.map(np.testing.assert_array_equal, params["trunk"], given["trunk"])
    gaussian = Model(QUICK, "gaussian")
    assert gaussian._with_fresh_rows(params) is params


def test_an_answer_is_right_only_as_a_whole():
    """With rows that are read out as they are, one wrong id of three spoils an example."""
    model = Model(QUICK, "learned")
    params = model.init(jax.random.key(0))
    batch = model._batch(0.0, 0, "tail", 8)
    loss = functools.partial(masked_answers.exact_loss, config=model.model)
    table, x_BxNxD = masked_answers._at_masks(params, batch, model.model)
    logits = model.model.vocabulary.readout(table, x_BxNxD, model.model.vocab_size)
    best_BxN = np.asarray(logits.argmax(axis=-1))
    assert x_BxNxD.shape == (8, 3, 16)
    wrong = best_BxN.copy()
    wrong[:2, 1] = (wrong[:2, 1] + 1) % 20
    for targets_BxN, right in ((best_BxN, 8), (wrong, 6)):
        total, sums = loss(params, {**batch, "targets_BxN": targets_BxN})
        assert (float(sums["right"]), float(sums["examples"]), float(sums["tokens"])) == (
            right, 8, 24
        )
    log_p = np.asarray(jax.nn.log_softmax(logits[:, :, : model.model.vocab_size]))
    expected = -np.take_along_axis(log_p, wrong[:, :, None], axis=-1).sum()
    np.testing.assert_allclose(float(total), expected, rtol=1e-5)


def test_steps_that_do_not_divide_get_one_line():
    model = Model(dataclasses.replace(QUICK, steps=7), "learned")
    with pytest.raises(UsageError, match="steps must be a multiple of 10, not 7"):
        model._train_config(None)


@pytest.mark.parametrize("scale", ["cpu", "gpu", "paper"])
def test_the_papers_numbers_where_we_have_them(scale):
    config = getattr(configs, scale)()
    assert config.skews == (0.0, 1.0001, 1.2, 1.5)
    # A learning rate times steps, and examples for each type, as the paper's.
    moved = config.optimizer.learning_rate * config.steps
    assert moved == pytest.approx(5e-5 * 1e6 / 128, rel=0.03)
    assert config.batch_size * config.steps / config.types == pytest.approx(100, rel=0.03)
    assert max(config.until) / config.steps == pytest.approx(2_000 / 7_812, rel=0.03)
    # Evaluations come as long after a reset as can be, all of them.
    assert config.steps % (10 * config.every) == 0


@pytest.mark.parametrize("scale", ["gpu", "paper"])
def test_the_record_is_what_is_lowered(scale):
    """The step of the learned vocabulary, on eight devices without memory."""
    config = getattr(configs, scale)()
    model = Model(config, "learned")
    optimizer = optimizers.make_optimizer(config.optimizer, config.steps, by_row=True)
    params = jax.eval_shape(model.init, jax.random.key(0))
    lowered_step = lower(Step(model.loss, params, optimizer, model._batch(0.0, 0)))
    count, held = lowered_step.parameters, lowered_step.device_bytes
    kernels = sizes.kernel_count(model.model.trunk)
    line = f"{scale}: {count:,} parameters ({kernels:,} kernels), {held / 1e6:.2f} MB a device"
    assert line in " ".join(configs.__doc__.split())
