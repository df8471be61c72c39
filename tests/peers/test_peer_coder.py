"""Our arithmetic coder's messages beside constriction's range coder on the same frequencies."""

import constriction
import numpy as np
import pytest

from research.codecs.arithmetic import ArithmeticCodec
from research.codecs.byte_models.ngram import NGramModel, UnigramModel
from research.testing.tiny import tiny_corpus

MODELS = {
    "unigram": lambda texts: UnigramModel.train(texts, beta=14),
    "ngram": lambda texts: NGramModel.train(texts, order=3, beta=14),
}


@pytest.fixture(scope="module")
def texts():
    corpus = tiny_corpus(60_000)
    train, valid = (list(corpus.documents(split)) for split in ("train", "valid"))
    # Bytes that no training text has, so that the floor of one is used too.
    return train, b"".join(valid)[:5000] + bytes(range(256)) + b"\xff" * 300


def frequencies(model, text):
    """uint32 [N + 1, 257]: of each byte of the text and of its end."""
    order = len(text) if model.order is None else model.order
    contexts = [text[max(0, n - order) : n] for n in range(len(text) + 1)]
    index = {context: n for n, context in enumerate(dict.fromkeys(contexts))}
    rows_NxA = model.window_frequencies(list(index), 257)
    return rows_NxA[[index[context] for context in contexts]]


@pytest.mark.parametrize("kind", MODELS)
def test_messages_are_as_short(kind, texts):
    train, text = texts
    model = MODELS[kind](train)
    frequencies_NxA = frequencies(model, text)
    symbols_N = np.append(np.frombuffer(text, np.uint8), 256).astype(np.int32)
    # Multiples of 2^-14 are exact in its 24 bits but for the few that it moves to fill them up.
    probabilities_NxA = (frequencies_NxA / 2.0**14).astype(np.float32)
    family = constriction.stream.model.Categorical(perfect=False)
    encoder = constriction.stream.queue.RangeEncoder()
    encoder.encode(symbols_N, family, probabilities_NxA)
    words = encoder.get_compressed()
    decoder = constriction.stream.queue.RangeDecoder(words)
    np.testing.assert_array_equal(decoder.decode(family, probabilities_NxA), symbols_N)

    codec = ArithmeticCodec(model, 16, example_bytes=len(text) + 1)
    bits = len(codec.messages([text])[0])
    information = codec.information(text)
    chosen_N = np.take_along_axis(frequencies_NxA, symbols_N[:, None], axis=1)
    assert information == pytest.approx(float(np.sum(14 - np.log2(chosen_N))), rel=1e-9)
    # Both are within their own overhead of the information; theirs ends on a word of 32 bits.
    assert bits <= 1.001 * information + 2
    assert 32 * len(words) <= 1.001 * information + 64
    assert bits <= 32 * len(words)
