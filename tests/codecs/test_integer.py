"""The byte model of integers: one specification, equal integers whoever computes it."""

import dataclasses
import functools
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.artifact import flatten, unflatten
from research.codecs import byte_models
from research.codecs.byte_models.integer import IntegerModel, layout, measure, reference, xla
from research.codecs.byte_models.integer.quantize import quantized
from research.codecs.byte_models.transformer import TransformerModel
from research.codecs.coder.frequencies import frequencies_from_counts
from research.errors import FreevocabError, UsageError
from research.models import language_model
from research.models.sizes import TrunkConfig

ROOT = Path(__file__).resolve().parents[2]
# A model of integers and a digest of its frequencies: what any machine, numpy and JAX have to give.
FIXTURE = Path(__file__).parent / "integer_model"
GOLDEN = FIXTURE.with_suffix(".sha256")
TEXT = b"Counts, not floats: na\xc3\xafve caf\xc3\xa9. " + bytes(range(0, 256, 3)) + b"\0\0\xff" * 9

SHAPES = {
    "t5": {},
    "rotary": {"num_kv_heads": 1, "positions": "rotary", "qk_norm": True, "mlp": "gelu"},
    "none": {"positions": "none", "mlp": "gated_silu", "scale_inputs": False},
    "relu": {"mlp": "gated_relu", "num_layers": 1},
}


def transformer(scale: float = 0.3, **changes) -> TransformerModel:
    """Random, with logits far enough apart that windows hold several bytes."""
    trunk = dataclasses.replace(TrunkConfig(16, 2, 8, 2, 32), **changes)
    config = language_model.LanguageModelConfig(trunk, 258)
    shapes = jax.eval_shape(lambda key: language_model.init(key, config), jax.random.key(0))
    random = np.random.default_rng(0)
    return TransformerModel(
        jax.tree.map(lambda x: random.normal(0, scale, x.shape).astype(np.float32), shapes), config
    )


def every_context(text: bytes) -> list[bytes]:
    return [text[:end] for end in range(len(text) + 1)]


@functools.cache
def whole_text(config: TrunkConfig, size: int):
    """`xla.text_logits` and counts of all positions, compiled."""

    def run(params, ids_BxL):
        logits_BxLxA = xla.text_logits(params, config, ids_BxL, size)
        return logits_BxLxA, xla.counts(params["exp2"], logits_BxLxA)

    return jax.jit(run)


def ids_of(*texts: bytes) -> np.ndarray:
    return np.array([[layout.START, *text] for text in texts], np.int32)


@pytest.mark.parametrize("shape", SHAPES)
def test_numpy_and_jax_give_equal_integers(shape):
    """With hostile bytes, more of them than a position sees."""
    model = quantized(transformer(**SHAPES[shape]))
    texts = [np.random.default_rng(n).bytes(40) for n in range(2)]
    size = 20
    host = model.on_host(size)
    for text in texts:
        host.window_frequencies(every_context(text))
    logits, counts = whole_text(model.config, size)(model.arrays, ids_of(*texts))
    for row, text in enumerate(texts):
        logits_LxA = np.stack([host._known[part].logits_A for part in every_context(text)])
        assert np.array_equal(logits[row], logits_LxA)
        assert np.array_equal(counts[row], reference.counts(model.arrays["exp2"], logits_LxA))


def test_the_cached_step_gives_the_integers_of_numpy():
    """Row 0 is idle at times, row 2 goes back on its way. (The codecs' tests run other shapes.)"""
    model, size = quantized(transformer(**SHAPES["rotary"])), 20
    texts = [np.random.default_rng(n).bytes(40) for n in (0, 1, 0)]
    host = model.on_host(size)
    expected = [host.window_frequencies(every_context(text), 257) for text in texts]
    stepper = model.stepper(3, size, 257)
    first, state = jax.jit(stepper.start)(stepper.params)
    step = jax.jit(stepper.step)
    assert np.array_equal(first, expected[0][0])
    position = np.ones(3, np.int32)
    for turn in range(44):
        here = np.minimum(position, 40) * np.array([turn % 4 > 0, 1, 1])
        last = [texts[row][max(0, at - 1)] for row, at in enumerate(here)]
        rows, state = step(stepper.params, state, np.array(last, np.int32), here)
        for row in np.flatnonzero(here):
            assert np.array_equal(rows[row], expected[row][here[row]])
        position += here > 0
        position[2] -= 7 * (turn in (9, 16))  # while the ring holds all


def test_neither_compilation_nor_the_batch_changes_an_integer():
    model = byte_models.load(FIXTURE)
    texts = [np.random.default_rng(n).bytes(12) for n in range(5)]
    run = whole_text(model.config, 1024)
    _, together = run(model.arrays, ids_of(*texts))
    _, alone = run(model.arrays, ids_of(texts[3]))
    with jax.disable_jit():
        _, plain = run.__wrapped__(jax.tree.map(jnp.asarray, model.arrays), ids_of(texts[3][:2]))
    assert np.array_equal(together[3], alone[0]) and np.array_equal(plain[0], alone[0, :3])


@pytest.mark.parametrize("seed", range(3))
def test_no_sum_overflows_whatever_the_weights(seed):
    """int64 is the reference; weights, scales and shifts are at their extremes."""
    model = byte_models.load(FIXTURE)
    random = np.random.default_rng(seed)

    def hostile(name: str, array: np.ndarray) -> np.ndarray:
        kind = name.rpartition("/")[2]
        if kind == "kernel":
            return random.choice([-128, -127, 127], array.shape).astype(np.int8)
        if kind == "scale":
            return random.choice([0, 1, 32767], array.shape, p=[0.1, 0.1, 0.8]).astype(np.int16)
        if kind in ("shift", "gate_shift"):
            return random.integers(-40, 50, array.shape).astype(np.int8)
        if kind in ("bias_HxM", "readout_bias"):
            return random.integers(-(2**24), 2**24, array.shape).astype(np.int32)
        if kind == "embedding":
            return random.choice([-32768, 32767, 0], array.shape).astype(np.int16)
        return array

    flat = {name: hostile(name, array) for name, array in flatten(model.arrays).items()}
    wild = dataclasses.replace(model, arrays=unflatten(flat))
    text = random.bytes(12)
    expected = wild.window_frequencies(every_context(text), 257)
    logits, counts = whole_text(model.config, 1024)(wild.arrays, ids_of(text))
    for at, part in enumerate(every_context(text)):
        assert np.array_equal(logits[0, at], wild._host._known[part].logits_A)
    assert counts.min() >= 0 and counts.sum(-1).max() < 2**22
    assert (expected.sum(1) == 2**14).all() and expected.min() >= 1


def test_the_longest_rows_and_heads_stay_within_32_bits():
    """The bounds of the specification, for every shape that is let in."""
    for inputs in (1, 2, 3, 255, 256, 257, 1040, 65_535, layout.WIDEST):
        assert inputs * 127 * 128 << layout.headroom(inputs) < 2**31
        assert inputs << 2 * layout.square_bits(inputs) < 2**30
    assert layout.WIDEST_HEAD * layout.HEAD_LIMIT**2 < 2**31
    shares = 2**layout.SHARE_BITS * (1 + 2**-13) + layout.LONGEST / 2
    assert shares * layout.HEAD_LIMIT < 2**30
    assert layout.MLP_LIMIT**2 < 2**30
    with pytest.raises(UsageError, match="at most 65536 inputs"):
        layout.abstract_arrays(TrunkConfig(8, 1, 8, 1, 70_000))
    with pytest.raises(UsageError, match="embedding_dim has no integer form"):
        layout.abstract_arrays(TrunkConfig(8, 1, 8, 1, 16, embedding_dim=4))


@pytest.mark.parametrize("shape", ["t5", "rotary"])
def test_integers_compress_as_floats_do(shape):
    """Within 1 % of the bits that the float model takes for what it thinks likely."""
    model = transformer(0.5, **SHAPES[shape])
    integer = quantized(model)
    random, text = np.random.default_rng(3), b""
    for _ in range(60):  # a text that the model itself writes
        row_A = integer.window_frequencies([text])[0]
        text += bytes([random.choice(256, p=row_A / row_A.sum())])
    bits = [measure.bits_per_byte(one, text, len(text)) for one in (model, integer)]
    assert bits[0] < 7.9 and abs(bits[1] / bits[0] - 1) < 0.01


def test_the_fixture_has_the_frequencies_that_it_always_had(request):
    if request.config.getoption("update_golden"):
        quantized(transformer()).save(FIXTURE)
        GOLDEN.write_text(digest_of(byte_models.load(FIXTURE)) + "\n")
    model = byte_models.load(FIXTURE)
    assert digest_of(model) == GOLDEN.read_text().strip()
    assert sum(path.stat().st_size for path in FIXTURE.iterdir()) < 50_000
    # What makes one of a trained model is float arithmetic on the host, but not more.
    again = flatten(quantized(transformer()).arrays)
    for name, array in flatten(model.arrays).items():
        assert np.abs(array.astype(np.int64) - again[name]).max() <= 1, name


def test_one_thread_gives_what_many_do():
    """Another process, whose XLA and BLAS have one thread and whose batch has another shape."""
    script = (
        "import jax; from pathlib import Path; from tests.codecs import test_integer as t;"
        "model = t.byte_models.load(t.FIXTURE);"
        "print(t.compiled_digest(model, 3), jax.device_count())"
    )
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    environment = os.environ | {"XLA_FLAGS": flags, "NPROC": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    golden = GOLDEN.read_text().strip()
    assert done.stdout.split() == [golden, "1"]
    assert compiled_digest(byte_models.load(FIXTURE), 1) == golden


def digest_of(model: IntegerModel) -> str:
    """Of the frequencies after every beginning of TEXT, by numpy."""
    frequencies = model.window_frequencies(every_context(TEXT), 257)
    return hashlib.sha256(frequencies.astype("<u4").tobytes()).hexdigest()


def compiled_digest(model: IntegerModel, rows: int) -> str:
    """The same by JAX, with `rows` equal texts."""
    _, counts = whole_text(model.config, 1024)(model.arrays, ids_of(*[TEXT] * rows))
    frequencies = frequencies_from_counts(counts[-1], model.beta)
    return hashlib.sha256(np.asarray(frequencies).astype("<u4").tobytes()).hexdigest()


def test_a_saved_model_is_the_same_and_damage_is_named(tmp_path):
    model = quantized(transformer(num_layers=1))
    model.save(tmp_path / "m")
    again = byte_models.load(tmp_path / "m")
    assert isinstance(again, IntegerModel) and again.fingerprint() == model.fingerprint()
    assert again.fingerprint() != quantized(transformer(num_layers=1, scale=0.2)).fingerprint()
    path = tmp_path / "m" / "integers.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(FreevocabError, match="is damaged"):
        byte_models.load(tmp_path / "m")


def test_contexts_are_remembered_and_forgotten_without_a_difference(monkeypatch):
    model = byte_models.load(FIXTURE)
    texts = [b"abcabd", b"abcabcabc", b"", b"x", b"abcabcabd", b"abc"]
    expected = [model.on_host(1024).window_frequencies([text])[0] for text in texts]
    monkeypatch.setattr("research.codecs.byte_models.integer.host._KNOWN", 2)
    host = model.on_host(1024)
    for order in ([0, 1, 2, 3, 4, 5], [5, 0], [4, 2, 4], [1]):
        rows = host.window_frequencies([texts[n] for n in order])
        assert np.array_equal(rows, [expected[n] for n in order])
        assert len(host._known) <= 2 + len(order)


def test_weights_that_cannot_be_quantized_are_named():
    model = transformer(num_layers=1)
    model.params["trunk"]["final_norm"]["scale"] = np.full(16, np.nan, np.float32)
    with pytest.raises(UsageError, match="not finite"):
        quantized(model)
