"""AC and StaticAC: round trips, lengths, any ids, the compiled loop."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research import codecs
from research.codecs import byte_models
from research.codecs.arithmetic import ArithmeticCodec
from research.codecs.byte_models.ngram import NGramModel, UnigramModel
from research.codecs.byte_models.transformer import TransformerModel
from research.errors import FreevocabError, UsageError
from research.models import language_model
from research.models.sizes import TrunkConfig

TEXT = b"the cat sat on the mat. the dog sat on the log. " * 40
EDGES = [b"", b"x", bytes(300), b"\xff\xfe\x80 invalid \xc3(", TEXT[:500]]
trip = settings(max_examples=20, deadline=None, derandomize=True)


@pytest.fixture(scope="module")
def unigram():
    return UnigramModel.train([TEXT])


@pytest.fixture(scope="module")
def ngram():
    return NGramModel.train([TEXT], order=3)


def _random_params(config):
    """Parameters without compiling an initialiser."""
    shapes = jax.eval_shape(lambda key: language_model.init(key, config), jax.random.key(0))
    random = np.random.default_rng(0)
    return jax.tree.map(lambda x: random.normal(0, 0.3, x.shape).astype(np.float32), shapes)


@pytest.fixture(scope="module")
def live():
    config = language_model.LanguageModelConfig(TrunkConfig(16, 2, 8, 1, 32), 258)
    model = TransformerModel(_random_params(config), config)
    return ArithmeticCodec(model, 16, example_bytes=50, batch_size=4, context_bytes=32)


@trip
@given(st.lists(st.binary(max_size=60), min_size=1, max_size=3), st.sampled_from([1, 8, 16]))
def test_any_bytes_come_back(unigram, ngram, texts, n):
    for model in (unigram, ngram):
        codec = ArithmeticCodec(model, n, example_bytes=20)
        ids = codec.encode(texts)
        assert all(array.dtype == np.int32 for array in ids)
        assert codec.decode(ids) == texts
        assert [codec.byte_lengths(array).sum() for array in ids] == [len(text) for text in texts]


def test_edges_come_back_through_the_compiled_loop(live):
    ids = live.encode(EDGES)
    assert live.decode(ids) == EDGES
    assert live.decode(live.encode(["naïve"])) == ["naïve".encode()]


def test_a_document_has_the_same_ids_in_any_company(live):
    ids = live.encode(EDGES)
    alone = live.encode([EDGES[4]])[0]
    assert np.array_equal(alone, ids[4])
    crowd = live.encode([TEXT[:70]] * 5 + [EDGES[4]])
    assert np.array_equal(crowd[5], alone)
    assert all(np.array_equal(one, crowd[0]) for one in crowd[:5])
    assert live.decode([alone, *crowd]) == [EDGES[4], *[TEXT[:70]] * 5, EDGES[4]]


def test_a_long_text_survives_one_repeated_byte(unigram):
    text = b"a" * 100_000
    for model in (unigram, UnigramModel.train([text])):
        codec = ArithmeticCodec(model, 16)
        assert codec.decode(codec.encode([text])) == [text]


def information(codec, text):
    """Bits: the sum of -log2 of the integer frequencies of the text's bytes and its end."""
    lower, upper = codec._engine._symbol_intervals(text)
    return float(len(lower) * codec.beta - np.log2(upper - lower).sum())


def test_the_length_is_the_information_of_the_integers(unigram, ngram):
    for model in (unigram, ngram):
        codec = ArithmeticCodec(model, 8, example_bytes=100)
        length, bits = len(codec.messages([TEXT])[0]), information(codec, TEXT)
        # A message may be a little shorter: the zeros behind it come for free.
        assert bits - 2 <= length <= 1.001 * bits + 2
        # AC's ratio is 8 / bits per byte of the integers, within 1 %.
        ratio = len(TEXT) / len(codec.encode([TEXT])[0])
        assert ratio == pytest.approx(8 / (bits / len(TEXT)), rel=0.01)


def test_twice_the_bits_per_token_is_twice_the_ratio(unigram):
    one, two = (ArithmeticCodec(unigram, n).encode([TEXT])[0] for n in (8, 16))
    assert len(two) == -(-len(one) // 2)


def test_any_ids_decode(unigram, ngram, live):
    random = np.random.default_rng(0)
    drawn = [np.zeros(0, int), np.zeros(5, int), np.full(5, 65535), random.integers(0, 65536, 20)]
    for codec in (ArithmeticCodec(unigram, 16), ArithmeticCodec(ngram, 16), live):
        texts = codec.decode(drawn)
        assert texts[0] == b"" and len(texts) == 4
        assert codec.decode(drawn) == texts
        with pytest.raises(FreevocabError, match="outside"):
            codec.decode([np.array([65536])])


def test_the_example_is_all_the_context_there_is(ngram):
    codec = ArithmeticCodec(ngram, 8, example_bytes=16)
    whole = information(codec, TEXT[:16] * 4)
    once = information(codec, TEXT[:16])
    end = information(codec, b"")
    assert whole == pytest.approx(4 * (once - end) + end, rel=1e-6)


def test_saved_codecs_open_and_match(tmp_path, ngram, live):
    for number, codec in enumerate((ArithmeticCodec(ngram, 16), live)):
        codec.save(tmp_path / str(number))
        opened = codecs.load(tmp_path / str(number))
        assert opened.fingerprint() == codec.fingerprint()
        assert opened.decode(codec.encode(EDGES[:2])) == EDGES[:2]
    assert ArithmeticCodec(ngram, 8).fingerprint() != ArithmeticCodec(ngram, 16).fingerprint()


def test_damaged_models_and_wrong_options_are_refused(tmp_path, unigram):
    with pytest.raises(UsageError, match="beta"):
        ArithmeticCodec(unigram, 16, beta=16)
    with pytest.raises(UsageError, match="example_bytes"):
        ArithmeticCodec(unigram, 16, example_bytes=0)
    with pytest.raises(FreevocabError, match="no byte model"):
        byte_models.load(tmp_path)
    unigram.save(tmp_path / "m")
    path = tmp_path / "m" / "model.json"
    text = path.read_text()
    for damage in (text.replace('"unigram"', '"bigram"'), text.replace("counts", "c"), text[:20]):
        path.write_text(damage)
        with pytest.raises(FreevocabError):
            byte_models.load(tmp_path / "m")
