import numpy as np
import pytest

from research import codecs, corpora
from research.codecs.byte_models.ngram import UnigramModel
from research.codecs.windows import EqualInfoCodec
from research.errors import FreevocabError, UsageError
from research.testing.tiny import TinyCodec
from research.training.data import batches, token_store
from research.training.parallelism import DataShard

LENGTH = 6


@pytest.fixture(scope="module")
def corpus():
    return corpora.load("synthetic:20000")


@pytest.fixture(scope="module")
def stores(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")

    def build(codec, split="train"):
        return token_store.build(corpus, split, codec, folder)

    return build


@pytest.fixture(scope="module")
def windows(corpus, stores, tmp_path_factory):
    codec = TinyCodec()
    store = stores(codecs.load("bytes"))
    folder = tmp_path_factory.mktemp("starts")
    return store, batches.window_starts(store, stores(codec), codec, folder), folder


def test_starts_are_where_the_codec_cuts(corpus, windows):
    store, starts, folder = windows
    expected, position, codec = [], 0, TinyCodec()
    for document in corpus.documents("train"):
        lengths = codec.byte_lengths(codec.encode([document])[0])
        expected += [position + start for start in np.cumsum(lengths) - lengths]
        position += len(document) + 1  # EOS
    assert position == store.num_tokens
    np.testing.assert_array_equal(starts, expected)
    assert len(list(folder.iterdir())) == 1


def test_windows_of_several_ids_count_once(stores, tmp_path):
    model = UnigramModel.train([b"some text or other " * 9], beta=12)
    store = stores(codecs.load("bytes"), "valid")
    codec = EqualInfoCodec(model, 16, 8)
    starts = batches.window_starts(store, stores(codec, "valid"), codec, tmp_path)
    text = store.document(0).astype(np.uint8).tobytes()
    lengths = codec.windows([text])[0].lengths_N
    np.testing.assert_array_equal(starts[: len(lengths)], np.cumsum(lengths) - lengths)


def test_stores_of_other_texts_and_codecs_without_windows_are_refused(stores, tmp_path):
    store = stores(codecs.load("bytes"))
    with pytest.raises(FreevocabError, match="not of the same text"):
        batches.window_starts(store, stores(TinyCodec(), "valid"), TinyCodec(), tmp_path)
    model = UnigramModel.train([b"some text"], beta=12)
    codec = EqualInfoCodec(model, 16, 16, closing="point")
    with pytest.raises((UsageError, FreevocabError), match="decode|windows"):
        batches.window_starts(store, stores(codec), codec, tmp_path)
    assert list(tmp_path.glob("*.npy")) == []


def batch_of(windows, step=0, **options):
    store, starts, _ = windows
    options = {"seed": 5, "batch_size": 8, "length": LENGTH} | options
    return batches.window_batch(store, starts, step=step, **options)


def test_examples_begin_at_windows_and_stop_after_a_document(windows):
    store, starts, _ = windows
    allowed = {tuple(store.ids[start : start + LENGTH]) for start in starts}
    seen_end = False
    for step in range(40):
        batch = batch_of(windows, step)
        np.testing.assert_array_equal(batch["inputs_BxL"][:, 0], store.bos_id)
        np.testing.assert_array_equal(batch["inputs_BxL"][:, 1:], batch["targets_BxL"][:, :-1])
        for targets, weights in zip(batch["targets_BxL"], batch["weights_BxL"], strict=True):
            ends = np.flatnonzero(targets == store.eos_id)
            counted = int(weights.sum())
            assert weights[:counted].all()
            if len(ends):
                seen_end = True
                assert counted == ends[0] + 1  # the end itself is a symbol too
            else:
                assert counted == LENGTH and tuple(targets) in allowed
    assert seen_end


def test_batches_are_a_permutation_of_the_windows_and_pure(windows):
    store, starts, _ = windows
    steps = len(starts) // 8
    first = [batch_of(windows, step)["targets_BxL"] for step in range(steps)]
    rows = sorted(tuple(row) for row in np.concatenate(first))
    distinct = {tuple(row) for row in rows}
    everything = {
        tuple(row)
        for row in batches.window_batch(
            store, starts, seed=0, step=0, batch_size=len(starts), length=LENGTH
        )["targets_BxL"]
    }
    assert distinct <= everything
    assert len(distinct) > 0.9 * len(everything) * steps * 8 / len(starts)
    np.testing.assert_array_equal(first[3], batch_of(windows, 3)["targets_BxL"])
    assert not np.array_equal(first[3], batch_of(windows, 3, seed=6)["targets_BxL"])


def test_evaluation_counts_every_byte_once(corpus, windows):
    store, starts, _ = windows
    counted = [
        batch["targets_BxL"][batch["weights_BxL"] > 0]
        for batch in batches.evaluation_windows(store, starts, batch_size=16)
    ]
    text = b"".join(corpus.documents("train"))
    assert np.concatenate(counted).astype(np.uint8).tobytes() == text
    parts = [
        list(
            batches.evaluation_windows(
                store, starts, batch_size=16, shard=DataShard(i, 2)
            )
        )
        for i in range(2)
    ]
    whole = next(batches.evaluation_windows(store, starts, batch_size=16))
    both = np.concatenate([part[0]["inputs_BxL"] for part in parts])
    np.testing.assert_array_equal(whole["inputs_BxL"], both)


def test_processes_share_a_batch(windows):
    whole = batch_of(windows, 2)
    parts = [batch_of(windows, 2, shard=DataShard(i, 2)) for i in range(2)]
    for name, array in whole.items():
        np.testing.assert_array_equal(array, np.concatenate([part[name] for part in parts]))
    with pytest.raises(UsageError, match="does not divide"):
        batch_of(windows, shard=DataShard(0, 3))
    with pytest.raises(UsageError, match="16 does not divide among 3"):
        store, starts = windows[:2]
        next(batches.evaluation_windows(store, starts, batch_size=16, shard=DataShard(0, 3)))
