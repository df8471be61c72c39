"""The table `deciphering`: it runs, scores what it says it scores, and draws its matrices."""

import numpy as np
import pytest

from configs.lexinvariant import deciphering as configs
from experiments.lexinvariant import deciphering
from research.lexinvariance import probe
from research.lexinvariance.ciphers import key_decoding
from tests.experiments.table_checks import check_table


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    return tmp_path_factory.mktemp("deciphering")


@pytest.fixture(scope="module")
def rows(workdir):
    return deciphering.run(configs.quick(), workdir=workdir, log=lambda line: None)


def test_the_quick_configuration_runs(rows, workdir):
    config = configs.quick()
    assert [(row["model"], row["reading"]) for row in rows] == [
        (model.vocabulary, reading) for model in config.models for reading in key_decoding.READINGS
    ]
    check_table(deciphering, rows)
    assert all(0 <= row[f"start {start}"] <= 1 for row in rows for start in config.starts)
    pictures = sorted((workdir / "pictures" / "deciphering").iterdir())
    assert [path.stem for path in pictures] == [
        f"{model}-{what}" for model in ("canonical", "gaussian") for what in ("keys", "symbol")
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)


def test_the_windows_have_columns_and_fit_the_sequences():
    for scale in (configs.cpu(), configs.gpu(), configs.paper()):
        assert {f"start {start}" for start in scale.starts} <= set(deciphering.COLUMNS)
        assert max(scale.starts) + scale.window <= scale.models[0].length


LETTERS = np.arange(3, 7)  # of eight ids, four are letters


def read(plain, wrong=()):
    """A text whose posterior is certain, and right but at some places."""
    plain_L = np.asarray(plain)
    said_L = plain_L.copy()
    said_L[list(wrong)] = (said_L[list(wrong)] + 1) % 8
    logs_LxA = np.full((len(plain_L), 8), -20.0)
    logs_LxA[np.arange(len(plain_L)), said_L] = 0.0
    return deciphering.Read(plain_L, (plain_L + 5) % 8, logs_LxA)


def test_precision_counts_letters_that_occur_once_each():
    text = read([3, 3, 3, 4, 5, 0, 0], wrong=(0, 3, 5, 6))
    # 3 is outvoted, 4 is wrong, 5 right, 0 is no letter.
    assert deciphering.precision(text, "majority vote", LETTERS, np.s_[:]) == pytest.approx(2 / 3)
    assert deciphering.precision(text, "last position", LETTERS, np.s_[:1]) == 0.0
    assert deciphering.precision(text, "majority vote", LETTERS, np.s_[5:]) is None


def test_keys_leave_the_space_and_are_not_those_of_training():
    keys = deciphering._keys(0, 3, 20, 7, step=0)
    assert (keys[:, 7] == 7).all() and (np.sort(keys, axis=1) == np.arange(20)).all()
    assert (keys[0] != keys[1]).any()
    assert (keys != deciphering._keys(0, 3, 20, 7, step=8)).any(axis=1).all()
    trained = probe.permutations(0, 3, 19)
    held_out = probe.permutations(deciphering._KEYS, 3, 19)
    assert (trained != held_out).any(axis=1).all()


def test_key_matrices_are_means_over_the_window():
    texts = [read([3, 4, 3, 5], wrong=(2,)), read([4, 4, 6, 3])]
    letters = np.arange(26) + 3  # more letters than occur
    logs = [
        deciphering.Read(t.plain_L, t.cipher_L, np.pad(t.logs_LxA, ((0, 0), (0, 21)),
                                                       constant_values=-20.0))
        for t in texts
    ]  # fmt: skip
    found = deciphering.key_matrices(logs, letters, (0, 2, 9), 2)
    assert list(found) == ["positions 0 to 2", "positions 2 to 4"]
    first, second = found.values()
    assert first[0, 0] == 0 and first[1, 1] == 0 and np.isnan(first[2]).all()
    assert second[0, 0] == pytest.approx(-10.0) and second[0, 1] == pytest.approx(-10.0)


def test_candidates_are_of_a_rare_letter_that_recurs():
    letters = np.arange(26) + 3
    plain = [3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 3, 5]
    text = deciphering.Read(np.array(plain), np.array(plain), np.full((12, 29), -9.0))
    text.logs_LxA[5:8, 3 + 7] = -0.1  # b is taken for h at first
    text.logs_LxA[8:10, 4] = -0.1
    places, candidates, truth = deciphering.candidates_of(text, letters, shown=2)
    assert truth == "b" and places.tolist() == [5, 6, 7, 8, 9] and list(candidates) == ["b", "h"]
    np.testing.assert_allclose(candidates["h"], np.exp([-0.1] * 3 + [-9.0] * 2))
