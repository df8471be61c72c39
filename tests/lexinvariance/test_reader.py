"""The reader's network: exactly lexinvariant, one answer for a symbol, texts apart."""

import jax
import numpy as np
import pytest

from experiments.lexinvariant import train_english_decipherer as training
from research.errors import FreevocabError
from research.lexinvariance import enciphered, reader


@pytest.fixture(scope="module")
def tiny():
    config = reader.make_config(d_model=32, num_layers=1, mlp_dim=32, head_dim=16)
    params = jax.jit(lambda key: reader.init(key, config))(jax.random.key(0))
    run = jax.jit(
        lambda ids, known, segments=None: reader.log_probabilities(
            params, config, ids, known, segments
        )
    )
    return params, config, run


def test_ranks_are_by_frequency_then_by_first_occurrence():
    assert reader.ranked(np.array([7, 3, 3, 9, 5, 5])).tolist() == [2, 0, 0, 3, 1, 1]
    ids = reader.ranked(np.array([7, 3, 3, 9, 3, 7]), clear=3)
    assert ids.tolist() == [0, reader.RANKS, reader.RANKS, 1, reader.RANKS, 0]


def test_another_key_gives_the_same_ids():
    rng = np.random.default_rng(1)
    text = rng.integers(0, 27, 200)
    image = enciphered.permutations(3, 1, 27)[0]
    for clear in (None, 26):
        moved = None if clear is None else int(image[clear])
        np.testing.assert_array_equal(
            reader.ranked(text, clear), reader.ranked(image[text], moved)
        )


def test_a_symbol_has_one_posterior_and_texts_do_not_see_each_other(tiny):
    _, _, run = tiny
    rng = np.random.default_rng(2)
    ids = rng.integers(0, 6, (2, 24)).astype(np.int32)
    segments = np.repeat([[0, 1], [0, 1]], 12, axis=1).astype(np.int32)
    known = np.where(ids < 2, ids, reader.UNKNOWN).astype(np.int32)
    logs = np.asarray(run(ids, known, segments))
    np.testing.assert_allclose(np.exp(logs).sum(-1), 1.0, rtol=1e-5)
    for id_ in range(6):
        of_symbol = logs[0, :12][ids[0, :12] == id_]
        np.testing.assert_allclose(of_symbol, of_symbol[:1].repeat(len(of_symbol), 0), atol=1e-5)
    changed = ids.copy()
    changed[:, 12:] = (changed[:, 12:] + 1) % 6
    after = np.asarray(run(changed, known, segments))
    np.testing.assert_allclose(logs[:, :12], after[:, :12], atol=1e-5)
    assert np.abs(logs[:, 12:] - after[:, 12:]).max() > 1e-3
    known[:, :12] = reader.UNKNOWN  # what is known counts
    assert np.abs(logs[:, :12] - run(ids, known, segments)[:, :12]).max() > 1e-3


def test_a_key_is_read_one_to_one_and_the_same_under_any_other_key(tiny):
    rng = np.random.default_rng(5)
    text = rng.integers(0, 27, (2, 24))
    image = enciphered.permutations(6, 2, 27)
    keys = []
    for symbols in (text, np.take_along_axis(image, text, axis=1)):
        ids = np.stack([reader.ranked(row) for row in symbols])
        plain, logs = reader.read(tiny[2], ids, rounds=3)
        keys.append((plain, logs))
        for row, id_ in zip(plain, ids, strict=True):
            pairs = set(zip(row.tolist(), id_.tolist(), strict=True))
            assert len(pairs) == len(set(row)) == len(set(id_)) and reader.UNKNOWN not in row
        np.testing.assert_allclose(np.exp(logs).sum(-1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(*(plain for plain, _ in keys))
    np.testing.assert_array_equal(*(logs for _, logs in keys))


def test_clear_spaces_are_read_as_spaces_and_nothing_else_is(tiny):
    ids = reader.ranked(np.array([1, 2, 26, 1, 3, 3, 26, 4]), clear=26)[None]
    plain, _ = reader.read(tiny[2], np.tile(ids, (2, 3)))
    np.testing.assert_array_equal(plain == reader.SPACE, np.tile(ids, (2, 3)) == reader.RANKS)


def test_the_surest_letters_are_taken_first():
    ids = np.array([0, 1, 0, 2], np.int32)
    known = np.full(4, reader.UNKNOWN, np.int32)
    logs = np.full((4, reader.PLAIN), -9.0)
    logs[[0, 2], 5], logs[1, 5], logs[1, 6], logs[3, 7] = -0.1, -0.2, -3.0, -1.0
    taken = np.zeros_like(logs)
    reader._take(ids, known, logs, taken, 0.6)
    assert known.tolist() == [5, reader.UNKNOWN, 5, 7]  # 1 would be 6, of which it is less sure


def test_what_is_saved_is_opened_and_damage_is_named(tiny, tmp_path):
    params, config, _ = tiny
    reader.save(tmp_path / "r", reader.Reader(params, config), {"steps": 3})
    found = reader.load(tmp_path / "r")
    assert found.config == config
    for have, want in zip(
        jax.tree.leaves(found.params), jax.tree.leaves(params), strict=True
    ):
        np.testing.assert_allclose(have, want, rtol=1e-3, atol=1e-6)  # float16
    (tmp_path / "r" / "params.safetensors").write_bytes(b"no")
    with pytest.raises(FreevocabError, match="no usable reader"):
        reader.load(tmp_path / "r")


def test_training_rows_are_whole_texts_under_many_keys():
    rng = np.random.default_rng(4)
    text = rng.integers(0, 27, 3_000).astype(np.uint8)
    config = training.Config(batch_size=3, length=64, shortest=8)
    batch = training.batch([text], config, step=5)
    again = training.batch([text], config, step=5)
    assert all(np.array_equal(batch[name], again[name]) for name in batch)
    ids, plain, segments = (batch[n] for n in ("inputs_BxL", "plain_BxL", "segments_BxL"))
    assert ids.shape == (3, 64) and (np.diff(segments, axis=1) >= 0).all()
    for row in range(3):
        for segment in np.unique(segments[row]):
            here = segments[row] == segment
            pairs = set(zip(ids[row][here].tolist(), plain[row][here].tolist(), strict=True))
            assert len(pairs) == len({p for _, p in pairs}) == len({i for i, _ in pairs})
    unknown = batch["known_BxL"] == reader.UNKNOWN
    np.testing.assert_array_equal(batch["known_BxL"][~unknown], plain[~unknown])
    np.testing.assert_array_equal(batch["weights_BxL"], unknown)
    assert not unknown[ids == reader.RANKS].any() and 0 < unknown.mean() < 1
