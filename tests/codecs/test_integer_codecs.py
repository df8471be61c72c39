"""Codecs of a model of integers: what JAX encodes numpy decodes, and the file says so."""


import numpy as np
import pytest

from research import codecs
from research.codecs import byte_models, container
from research.codecs.arithmetic import ArithmeticCodec
from research.codecs.byte_models.ngram import UnigramModel
from research.codecs.container import format as fmt
from research.codecs.windows import EqualInfoCodec
from research.errors import UsageError
from tests.codecs.test_integer import FIXTURE, transformer

TEXTS = [b"", b"x", b"the cat sat on the mat. " * 3, bytes(60), b"\xff\xfe no \xc3(", b"ab" * 9]


@pytest.fixture(scope="module")
def model():
    return byte_models.load(FIXTURE)


@pytest.fixture(scope="module")
def arithmetic(model):
    return ArithmeticCodec(model, 16, batch_size=3, example_bytes=40, context_bytes=16)


@pytest.fixture(scope="module")
def windows(model):
    """A context so short that it starts anew and closes windows early all the time."""
    return EqualInfoCodec(model, 24, 16, reset="never", batch_size=3, context_bytes=12)


@pytest.mark.parametrize("name", ["arithmetic", "windows"])
def test_numpy_and_jax_make_the_same_ids_and_read_each_others(name, request):
    codec = request.getfixturevalue(name)
    host = codec.on_host()
    ids = codec.encode(TEXTS)
    assert all(map(np.array_equal, ids, host.encode(TEXTS)))
    assert host.decode(ids) == TEXTS == codec.decode(ids)
    random = np.random.default_rng(0)
    garbage = [random.integers(0, 1 << 16, size, np.int32) for size in (1, 9, 20)]
    assert host.decode(garbage) == codec.decode(garbage)


def test_a_digest_depends_on_the_model_and_the_context_alone(model, arithmetic, tmp_path):
    options = {"example_bytes": 40, "context_bytes": 16}
    assert arithmetic.any_machine and arithmetic.on_host().any_machine
    same = [ArithmeticCodec(model, 16, batch_size=9, **options), arithmetic.on_host()]
    assert {codec.fingerprint() for codec in same} == {arithmetic.fingerprint()}
    other = ArithmeticCodec(model, 16, example_bytes=40, context_bytes=17)
    assert other.fingerprint() != arithmetic.fingerprint()
    arithmetic.save(tmp_path / "codec")
    assert codecs.load(tmp_path / "codec").fingerprint() == arithmetic.fingerprint()


def test_files_say_where_they_decode(tmp_path):
    """Shipped codecs and tables everywhere; floats where they were computed, and by JAX alone."""
    (tmp_path / "text").write_bytes(b"some text")
    floats = ArithmeticCodec(transformer(num_layers=1), 16, batch_size=2, context_bytes=16)
    counts = ArithmeticCodec(UnigramModel.train([b"some text"]), 16)
    for codec, anywhere in (("gzip", True), (floats, False), (counts, True)):
        container.compress(tmp_path / "text", tmp_path / "small", codec, verify=False)
        inspection = container.inspect(tmp_path / "small")
        assert inspection.header.any_machine == anywhere
        assert ("any machine" in str(inspection)) == anywhere
    container.decompress(tmp_path / "small", tmp_path / "back", counts, engine="numpy")
    assert (tmp_path / "back").read_bytes() == b"some text"
    with pytest.raises(UsageError, match="freevocab quantize makes a codec of integers"):
        container.compress(tmp_path / "text", tmp_path / "small", floats, engine="numpy")


def test_a_header_keeps_where_it_decodes():
    for shipped, any_machine in ((True, True), (False, True), (False, False)):
        header = fmt.Header("x", shipped, bytes(16), 256, 9, any_machine)
        assert fmt.unpack_header(fmt.pack_header(header), "x") == header


def test_contexts_that_are_too_long_are_refused(model):
    codec = ArithmeticCodec(model, 16, context_bytes=1 << 16)
    for ask in (codec.encode, lambda texts: codec.on_host().encode(texts)):
        with pytest.raises(UsageError, match="looks back 1 to 32768"):
            ask([b"x"])
