"""Accuracy as tables give it, and weights that a table keeps."""

import dataclasses

import numpy as np
import pytest

from configs.tokenizer_transfer import zero_shot as config
from experiments.shared import weights
from experiments.tokenizer_transfer import accuracy, base_models, hypernetworks, zero_shot
from research.reporting import results


def test_columns_of_known_answers():
    own_N = np.arange(200) < 160
    right_N = own_N & (np.arange(200) % 4 > 0)
    alone = accuracy.columns(own_N)
    assert alone["accuracy"] == pytest.approx(80)
    assert set(alone) == {"accuracy", "accuracy_interval"}
    moved = accuracy.columns(right_N, own_N)
    assert (moved["accuracy"], moved["kept"]) == pytest.approx((60, 75))
    low, high = map(float, moved["kept_interval"].split(" to "))
    assert 66 < low < 75 < high < 83
    of_seeds = accuracy.columns(np.stack([right_N, own_N]), own_N)
    assert (of_seeds["accuracy"], of_seeds["kept"]) == pytest.approx((70, 87.5))
    # The same answers keep everything, however few questions there are.
    assert accuracy.columns(own_N, own_N)["kept_interval"] == "100.0 to 100.0"


def test_a_table_with_weights_is_the_same_from_the_repository(tmp_path, monkeypatch):
    quick = dataclasses.replace(config.quick(), methods=("fvt", "hypernetwork"), donors=None)
    retrained = dataclasses.replace(quick, weights="retrain")
    rows = zero_shot.run(retrained, workdir=tmp_path / "runs", log=str)
    assert [row["method"] for row in rows] == ["original", "fvt", "hypernetwork"]
    names = {path.parent.name for path in tmp_path.glob("runs/weights/*/record.json")}
    assert names == {"base", "hypernetwork"}
    monkeypatch.setattr(results, "COMMITTED", tmp_path / "committed")
    committed = dataclasses.replace(quick, weights="committed")
    with pytest.raises(weights.MissingWeights, match="zero_shot --scale hours --retrain"):
        base_models.trained(committed, 0, tmp_path / "other", str)
    kept = tmp_path / "committed" / "tokenizer_transfer" / "weights"
    kept.parent.mkdir(parents=True)
    (tmp_path / "runs" / "weights").rename(kept)

    def untrained(*args, **options):
        raise AssertionError("trained, though there are weights")

    monkeypatch.setattr(base_models.language_models, "trained", untrained)
    monkeypatch.setattr(hypernetworks, "_train", untrained)
    again = zero_shot.run(committed, workdir=tmp_path / "again", log=str)
    for row, other in zip(rows, again, strict=True):
        del row["seconds"], other["seconds"]
    assert again == rows
