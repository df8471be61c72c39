"""Batches are a function of (seed, step), and hold the text that they say."""

import itertools

import numpy as np
import pytest

from research import corpora
from research.codecs.basic import BytesCodec
from research.errors import UsageError
from research.testing.tiny import corpus_of, tiny_store
from research.training.data import token_store
from research.transfer.sampling import SampledBatches, Sampling, TextWindows, byte_store
from research.transfer.sampling.batches import encoded

DOCUMENTS = list(itertools.islice(corpora.load("builtin:topics").documents("train"), 30))
STORE = byte_store(DOCUMENTS)
SAMPLING = Sampling(vocab_size=400, queue=3)


def batches(store=STORE, rows=4, size=300, length=20, sampling=SAMPLING, seed=3):
    windows = TextWindows(store, rows=rows, size=size, seed=seed)
    return SampledBatches(sampling, [(windows, 1.0)], length=length, seed=seed)


def equal(one, other):
    assert one.tokenizer.fingerprint() == other.tokenizer.fingerprint()
    assert one.rows == other.rows
    for name in ("inputs_BxL", "targets_BxL", "weights_BxL"):
        np.testing.assert_array_equal(one.batch[name], other.batch[name])


def test_a_step_from_scratch_is_the_step_in_sequence():
    running = batches()
    sequence = [running.at(step) for step in range(8)]
    for step in (7, 0, 4):
        equal(batches().at(step), sequence[step])
        equal(running.at(step), sequence[step])
    first, second = sequence[:2]
    assert first.tokenizer.fingerprint() != second.tokenizer.fingerprint()
    assert first.rows != second.rows
    assert batches(seed=4).at(0).rows != first.rows


def test_rows_are_the_text_in_the_tokenizers_ids():
    made = batches(length=40).at(2)
    bos, eos = made.tokenizer.roles["bos"], made.tokenizer.roles["eos"]
    assert (made.batch["inputs_BxL"][:, 0] == bos).all()
    np.testing.assert_array_equal(
        made.batch["inputs_BxL"][:, 1:], made.batch["targets_BxL"][:, :-1]
    )
    for row, targets_L in zip(made.rows, made.batch["targets_BxL"], strict=True):
        ids = [[*part, eos] for part in made.tokenizer.encode(row)]
        joined = list(itertools.chain(*ids))[:-1][:40]
        assert targets_L[: len(joined)].tolist() == joined


def test_documents_end_with_eos_and_short_rows_have_weights():
    tokenizer = batches().at(0).tokenizer
    got = encoded(tokenizer, [[b"", b"a b", b""], [b"c"]], 12)
    eos = tokenizer.roles["eos"]
    row = got["targets_BxL"][0][got["weights_BxL"][0] == 1].tolist()
    assert row == [eos, *tokenizer.encode([b"a b"])[0], eos]
    assert got["weights_BxL"][1].sum() == 1 and got["targets_BxL"][1, 0] == ord("c")
    assert (got["targets_BxL"][got["weights_BxL"] == 0] == eos).all()


def test_an_epoch_shows_all_of_the_text_once():
    documents = [b"0123456789" * 7, b"abcdefghij" * 9, b"xyz" * 11]
    windows = TextWindows(byte_store(documents), rows=3, size=8, seed=0)
    total = sum(map(len, documents)) + 3
    count = total // 8
    assert count % 3 == 0
    numbers = range(2 * count // 3)
    every = [tuple(row) for number in numbers for row in windows.batch(number)]
    shown = [sorted(every[:count]), sorted(every[count:])]
    for rows in shown:
        size = sum(len(part) for row in rows for part in row) + sum(len(row) - 1 for row in rows)
        assert size == count * 8 and len(rows) == count
    assert shown[0] != shown[1]  # cut at other places


def test_windows_cut_no_character():
    text = "日本語のテキスト、ünd ein wénig mehr 😀😀 ".encode() * 20
    windows = TextWindows(byte_store([text, text]), rows=5, size=61, seed=1)
    for number in range(12):
        for row in windows.batch(number):
            assert all(part.decode() in text.decode() for part in row)


def test_sources_take_turns_by_weight_and_each_keeps_its_own_place():
    other = byte_store([document.upper() for document in DOCUMENTS])
    windows = [TextWindows(store, rows=4, size=300) for store in (STORE, other)]
    sources = [(windows[0], 3.0), (windows[1], 1.0)]
    made = SampledBatches(SAMPLING, sources, length=20, seed=0)
    turns = [made.source(step) for step in range(200)]
    for source in (0, 1):
        assert [turn for s, turn in turns if s == source] == list(
            range(sum(s == source for s, _ in turns))
        )
    assert 120 < sum(source == 0 for source, _ in turns) < 180
    step = next(step for step, (source, turn) in enumerate(turns) if source == 1 and turn == 2)
    assert made.at(step).rows == windows[1].batch(2)
    equal(SampledBatches(SAMPLING, sources, length=20, seed=0).at(step), made.at(step))


def test_a_store_on_disk_is_as_good(tmp_path):
    store = token_store.build(corpus_of(train=DOCUMENTS), "train", BytesCodec(), tmp_path)
    equal(batches(store).at(1), batches().at(1))


def test_what_makes_no_batches_is_refused():
    with pytest.raises(UsageError, match="store of bytes"):
        TextWindows(tiny_store(), rows=1, size=8)
    with pytest.raises(UsageError, match="fewer than one batch"):
        TextWindows(byte_store([b"short"]), rows=2, size=8)
    with pytest.raises(UsageError, match="give all the same"):
        windows = [TextWindows(STORE, rows=rows, size=300) for rows in (2, 4)]
        SampledBatches(SAMPLING, [(one, 1.0) for one in windows], length=20, seed=3)
    with pytest.raises(UsageError, match="needs bos and eos"):
        batches(sampling=Sampling(special=("unk",)))
