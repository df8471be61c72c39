"""Equal-info windows as a codec: any W and N, any reset, host and compiled loop."""

import functools

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research import codecs
from research.codecs.byte_models import transformer_step
from research.codecs.byte_models.ngram import NGramModel, UnigramModel
from research.codecs.byte_models.transformer import TransformerModel
from research.codecs.windows import EqualInfoCodec
from research.errors import EncodeOnlyError, FreevocabError, UsageError
from research.models import language_model
from research.models.sizes import TrunkConfig
from tests.codecs import bigint_reference as reference

TEXT = b"the cat sat on the mat. the dog sat on the log. " * 40
EDGES = [b"", b"x", bytes(90), b"\xff\xfe\x80 invalid \xc3(", TEXT[:200]]
trip = settings(max_examples=12, deadline=None, derandomize=True)


@pytest.fixture(scope="module")
def ngram():
    return NGramModel.train([TEXT], order=3)


def _transformer(**changes) -> TransformerModel:
    config = language_model.LanguageModelConfig(TrunkConfig(16, 2, 8, 1, 32, **changes), 258)
    shapes = jax.eval_shape(lambda key: language_model.init(key, config), jax.random.key(0))
    # Logits far enough apart that windows hold several bytes.
    random = np.random.default_rng(0)
    return TransformerModel(
        jax.tree.map(lambda x: random.normal(0, 0.3, x.shape).astype(np.float32), shapes), config
    )


@pytest.fixture(scope="module")
def live():
    return EqualInfoCodec(_transformer(), 32, 16, batch_size=4)


@pytest.fixture(scope="module")
def live_never():
    """A context so short that it starts anew and closes windows early all the time."""
    model = _transformer(positions="rotary")
    return EqualInfoCodec(model, 24, 16, reset="never", batch_size=4, context_bytes=16)


@trip
@given(
    text=st.binary(max_size=60),
    shape=st.sampled_from([(16, 16), (16, 8), (24, 16), (24, 7), (32, 16), (64, 1), (128, 16)]),
    reset=st.sampled_from(["every", "every-other", "never"]),
)
def test_any_bytes_come_back(ngram, text, shape, reset):
    codec = EqualInfoCodec(ngram, *shape, reset=reset)
    ids = codec.encode([text, text[::-1]])
    assert codec.decode(ids) == [text, text[::-1]]
    assert codec.byte_lengths(ids[0]).sum() == len(text)


def test_edges_come_back_through_the_compiled_loop(live, live_never):
    for codec in (live, live_never):
        ids = codec.encode(EDGES)
        assert codec.decode(ids) == EDGES
        for text, array in zip(EDGES, ids, strict=True):
            assert codec.byte_lengths(array).sum() == len(text)


def test_the_compiled_loop_follows_the_definition(live):
    """Windows by unbounded integers, from the frequencies of the stepper itself."""
    text = EDGES[4][:40]
    stepper = live._engine._stepper
    step = jax.jit(stepper.step)
    first, state = jax.jit(stepper.start)(stepper.params)
    known = {b"": np.asarray(first)}

    def frequencies(context: bytes):
        if context not in known:
            here = state
            for position, last in enumerate(context, 1):
                row, here = step(stepper.params, here, np.full(4, last), np.full(4, position))
            known[context] = np.asarray(row[0])
        return known[context]

    coded = live.windows([text])[0]
    pairs = list(zip(coded.codes, coded.lengths_N.tolist(), strict=True))
    assert pairs == reference.encode_windows(text, frequencies, 32, 14)


def test_a_window_has_the_same_ids_at_every_position_in_any_company(live):
    text = TEXT[:60]
    alone = live.encode([text])[0]
    others = [bytes([n]) * (20 * n + 5) for n in range(6)]
    for place in range(7):
        crowd = live.encode([*others[:place], text, *others[place:]])
        assert np.array_equal(crowd[place], alone)
    assert all(np.array_equal(same, alone) for same in live.encode([text] * 9))


def test_frequencies_do_not_depend_on_the_row():
    model = _transformer()
    context = b"the ca"
    rows = model.window_frequencies([context] * model.batch_size + [b"", b"other"])
    assert (rows[: model.batch_size] == rows[0]).all()
    assert np.array_equal(model.window_frequencies([context])[0], rows[0])
    assert (rows.sum(1) == 2**14).all() and (rows >= 1).all()
    with_end = model.window_frequencies([context], 257)
    assert with_end.shape == (1, 257) and with_end.sum() == 2**14


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_kv_heads": 1, "positions": "rotary", "qk_norm": True, "mlp": "gelu"},
        {"positions": "none", "mlp": "gated_silu", "scale_inputs": False},
    ],
    ids=["t5", "rotary", "none"],
)
def test_the_cached_step_equals_the_whole_sequence(options):
    model = _transformer(**options)
    ids = np.random.default_rng(1).integers(0, 256, (3, 40), np.int32)
    ids[:, 0] = model.config.bos_id
    full = jax.jit(language_model.logits, static_argnums=1)(model.params, model.config, ids)
    # Slots in three segments; the last row stays behind, the second goes back on its way.
    weights, first, cache, step = _step_functions(model, 3, 40)
    compare = functools.partial(np.testing.assert_allclose, rtol=2e-4, atol=2e-4)
    compare(first, full[0, 0, :256])
    position = np.ones(3, np.int32)
    for turn in range(48):
        here = position * np.array([1, 1, turn < 9])  # 0: idle
        last = ids[np.arange(3), here]
        logits, cache = step(weights, model.config, last, here, cache)
        for row in np.flatnonzero(here):
            compare(logits[row], full[row, here[row], :256])
        position = np.minimum(position + (here > 0), 39)
        position[1] -= 7 * (turn in (9, 19, 36))


def _step_functions(model, batch, size):
    """Weights and start of `transformer_step` with all bytes as symbols, and the compiled step."""
    weights = transformer_step.prepare(model.params, model.config, tuple(range(256)))
    start = jax.jit(transformer_step.start, static_argnums=(1, 2, 3))
    step = jax.jit(transformer_step.step_logits, static_argnums=1)
    return weights, *start(weights, model.config, batch, size), step


def test_a_ring_forgets_what_lies_too_far_back():
    model = _transformer(positions="none")
    weights, _, cache, step = _step_functions(model, 2, 20)
    random = np.random.default_rng(2)
    # From symbol 30 on both rows have the same ones.
    ids = random.integers(0, 256, (60, 2), np.int32)
    ids[30:, 1] = ids[30:, 0]
    for position in range(1, 60):
        last, where = ids[position - 1], np.full(2, position, np.int32)
        logits, cache = step(weights, model.config, last, where, cache)
        same = np.array_equal(logits[0], logits[1])
        assert same == (position >= 50)


@pytest.mark.parametrize("positions", ["t5", "rotary"])
def test_a_row_has_the_same_logits_however_far_the_others_are(positions):
    """To the bit: segments that only others look at, a START that was run before."""
    model = _transformer(positions=positions)
    weights, _, cache, step = _step_functions(model, 4, 64)
    random = np.random.default_rng(3)
    ids = random.integers(0, 256, 64, np.int32)
    known = {}
    for turn in range(150):
        # Row 0 goes from 1 to 20 again and again, the others further; 3 is idle at times.
        lengths = np.array([turn % 20, turn % 35, turn % 60, turn % 50 * (turn % 3 > 0)])
        logits, cache = step(weights, model.config, ids[lengths], lengths.astype(np.int32), cache)
        for row, length in enumerate(lengths[:3]):
            if length:
                assert np.array_equal(known.setdefault(length, logits[row]), logits[row])


def test_start_is_never_run_again():
    model = _transformer()
    weights, first, cache, step = _step_functions(model, 4, 16)
    fixed = [np.asarray(x[0][:, :, 0]) for x in (*cache.keys, *cache.values)]
    assert all((array == array[:1]).all() for array in fixed)
    for position in range(40):
        last = np.full(4, 65 + position, np.int32)
        _, cache = step(weights, model.config, last, last * 0 + position, cache)
    after = [np.asarray(x[0][:, :, 0]) for x in (*cache.keys, *cache.values)]
    assert all(np.array_equal(x, y) for x, y in zip(fixed, after, strict=True))
    assert np.isfinite(first).all()


def test_a_long_text_through_the_compiled_loop(live):
    random = np.random.default_rng(0)
    words = [bytes(random.integers(97, 123, size).tolist()) for size in random.integers(2, 9, 200)]
    text = b" ".join(words[n] for n in random.integers(0, 200, 13_000))[: 1 << 16]
    pieces = [text[start : start + (1 << 14)] for start in range(0, 1 << 16, 1 << 14)]
    ids = live.encode(pieces)
    assert b"".join(live.decode(ids)) == text


def test_one_repeated_byte_on_the_host():
    for byte in (b"a", b"\0", b"\xff"):
        text = byte * 100_000
        codec = EqualInfoCodec(UnigramModel.train([text]), 16, 16)
        assert codec.decode(codec.encode([text])) == [text]


def test_any_ids_decode(ngram, live, live_never):
    random = np.random.default_rng(1)
    for codec in (EqualInfoCodec(ngram, 24, 16), live, live_never):
        drawn = [random.integers(0, 65536, size) for size in (0, 1, 7, 30)]
        texts = codec.decode(drawn)
        windows = [16 * len(ids) // codec.rules.window_bits for ids in drawn]
        assert all(len(text) >= count for text, count in zip(texts, windows, strict=True))
        assert texts[0] == b""
        with pytest.raises(FreevocabError, match="outside"):
            codec.decode([np.array([-1])])


def test_a_straddling_token_carries_the_window_that_ends_in_it(ngram):
    codec = EqualInfoCodec(ngram, 24, 16)
    ids = codec.encode([TEXT[:100]])[0]
    coded = codec.windows([TEXT[:100]])[0]
    lengths = codec.byte_lengths(np.stack([ids, ids]))
    assert lengths.shape == (2, len(ids))
    ends = [(24 * (n + 1) - 1) // 16 for n in range(len(coded.lengths_N))]
    assert lengths[1][ends].tolist() == coded.lengths_N.tolist()
    assert lengths[0].sum() == 100


def test_greedy_closings_hold_at_least_as_much_and_cannot_be_decoded(ngram):
    sizes = {}
    for closing in ("point+delay", "point", "dyadic"):
        codec = EqualInfoCodec(ngram, 16, 16, closing=closing)
        sizes[closing] = len(codec.encode([TEXT])[0])
        assert codec.lossless == (closing == "point+delay")
    assert sizes["point"] <= sizes["dyadic"] and sizes["point"] <= sizes["point+delay"]
    ids = codec.encode([TEXT])
    for ask in (codec.decode, lambda ids: codec.byte_lengths(ids[0])):
        with pytest.raises(EncodeOnlyError, match="point\\+delay"):
            ask(ids)


def test_longer_contexts_compress_better(ngram):
    count = {
        reset: len(EqualInfoCodec(ngram, 16, 16, reset=reset).encode([TEXT])[0])
        for reset in ("every", "every-other", "never")
    }
    assert count["never"] < count["every-other"] < count["every"]


def test_saved_codecs_open_and_match(tmp_path, ngram, live):
    for number, codec in enumerate((EqualInfoCodec(ngram, 32, 8), live)):
        codec.save(tmp_path / str(number))
        opened = codecs.load(tmp_path / str(number))
        assert opened.fingerprint() == codec.fingerprint()
        assert opened.name == codec.name and opened.decode(codec.encode(EDGES[:2])) == EDGES[:2]
    other = EqualInfoCodec(ngram, 32, 8, reset="never")
    assert other.fingerprint() != EqualInfoCodec(ngram, 32, 8).fingerprint()


def test_wrong_options_are_refused(ngram):
    with pytest.raises(UsageError, match="padding"):
        EqualInfoCodec(ngram, 16, 24)
    with pytest.raises(UsageError, match="beta"):
        EqualInfoCodec(ngram, 16, 16, beta=16)
    with pytest.raises(UsageError, match="causal"):
        _transformer(causal=False)
