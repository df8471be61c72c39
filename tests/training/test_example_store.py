"""Examples of equal size, each encoded by itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from research import codecs
from research.codecs.arithmetic import ArithmeticCodec
from research.codecs.basic import GZipCodec
from research.codecs.byte_models.ngram import NGramModel
from research.codecs.windows import EqualInfoCodec
from research.errors import UsageError
from research.testing.tiny import corpus_of, tiny_corpus
from research.training.data import batches, example_store
from research.training.data.example_store import Examples


def _model() -> NGramModel:
    return NGramModel.train(list(tiny_corpus().documents("train")), order=2, beta=12)


CODECS = {
    "bytes": lambda: codecs.load("bytes"),
    "codebook": lambda: codecs.load("english-b16"),
    "gzip": lambda: GZipCodec(bits_per_token=12),
    "arithmetic": lambda: ArithmeticCodec(_model(), bits_per_token=12, beta=12),
    "windows": lambda: EqualInfoCodec(
        _model(), window_bits=24, bits_per_token=12, beta=12, closing="point"
    ),
}


@given(
    st.lists(st.binary(max_size=30), max_size=20), st.integers(1, 40), st.integers(1, 60)
)
def test_examples_are_slices_of_the_joined_text(documents, size, stride):
    text = b"".join(documents)
    expected = [text[i : i + size] for i in range(0, len(text) - size + 1, stride)]
    assert list(example_store.cut(documents, size, stride)) == expected


@pytest.mark.parametrize("name", CODECS)
def test_each_sequence_is_the_beginning_of_an_example_encoded_alone(name, tmp_path):
    codec, corpus = CODECS[name](), tiny_corpus(60_000)
    examples = Examples(length=20, example_bytes=900, stride_bytes=300, measured=4)
    store = example_store.build(corpus, "train", codec, tmp_path, examples)
    texts = list(example_store.cut(corpus.documents("train"), 900, 300))
    whole = codec.encode(texts)
    assert store.num_tokens == 20 * len(texts) and store.num_documents == len(texts)
    for number, ids in enumerate(whole):
        assert store.ids[20 * number : 20 * (number + 1)].tolist() == ids[:20].tolist()
    # The ratio is that of whole examples which do not overlap, and stands for the bytes.
    measured = whole[:12:3]
    assert store.bytes_per_token == 4 * 900 / sum(map(len, measured))
    assert abs(store.num_bytes - store.num_tokens * store.bytes_per_token) <= 0.5
    batch = batches.sequence_batch(store, seed=0, step=0, batch_size=8, length=20)
    rows = {ids[:20].tobytes() for ids in whole}
    assert all(row.tobytes() in rows for row in batch["targets_BxL"])
    assert np.all(batch["inputs_BxL"][:, 0] == store.bos_id) and batch["weights_BxL"].all()


def test_sequences_of_another_length_are_refused(tmp_path):
    examples = Examples(length=20, example_bytes=900, measured=2)
    store = example_store.build(tiny_corpus(), "train", CODECS["bytes"](), tmp_path, examples)
    with pytest.raises(UsageError, match="beginnings of 20 ids, not of 32"):
        batches.sequence_batch(store, seed=0, step=0, batch_size=2, length=32)


def test_too_little_text_is_one_line(tmp_path):
    corpus, codec = corpus_of(train=[b"x" * 500]), CODECS["bytes"]()
    with pytest.raises(UsageError, match="shorter than one example of 900 bytes"):
        example_store.build(corpus, "train", codec, tmp_path, Examples(20, 900))
    with pytest.raises(UsageError, match="has 300 ids, fewer than 400"):
        example_store.build(corpus, "train", codec, tmp_path, Examples(400, 300))
