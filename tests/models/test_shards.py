"""Checkpoints as tensors that are read when asked, and written in pieces."""

import json
import tracemalloc

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from research.errors import FreevocabError, UsageError
from research.models import safetensors_format
from research.models import safetensors_shards as shards

DTYPES = [np.float32, np.float16, ml_dtypes.bfloat16, np.int64, np.int8, np.bool_, np.uint16]


def arrays_of(seed, count=6):
    rng = np.random.default_rng(seed)
    shapes = [(3, 5), (7,), (), (2, 0, 3), (1, 1), (4, 3, 2)]
    return {
        f"layer.{i}.weight": rng.integers(0, 100, shapes[i % 6]).astype(DTYPES[(seed + i) % 7])
        for i in range(count)
    }


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def write(folder, arrays, **options):
    folder.mkdir(exist_ok=True)
    entries = [shards.entry(*one) for one in arrays.items()]
    return shards.write_checkpoint(folder, entries, **options)


@pytest.fixture
def sharded(tmp_path):
    """A folder of three shards, and its arrays."""
    arrays = {name: np.full((10, 10), i, np.float32) for i, name in enumerate("abcde")}
    names = write(tmp_path / "m", arrays, max_shard_bytes=800)
    assert names == [*(f"model-0000{n}-of-00003.safetensors" for n in (1, 2, 3)), shards.INDEX]
    return tmp_path / "m", arrays


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([1, 60, 5e9]))
def test_what_is_written_comes_back_and_the_library_reads_it(tmp_path_factory, seed, limit):
    folder, arrays = tmp_path_factory.mktemp("checkpoint"), arrays_of(seed)
    names = write(folder, arrays, max_shard_bytes=limit)
    checkpoint = shards.open_checkpoint(folder)
    assert set(checkpoint) == set(arrays) and checkpoint.metadata == {"format": "pt"}
    assert all(same(checkpoint[name].read(), array) for name, array in arrays.items())
    assert checkpoint.nbytes == sum(array.nbytes for array in arrays.values())
    read = {}
    for name in names:
        if name.endswith(".safetensors"):
            read |= load_file(folder / name)
    assert all(same(read[name], array) for name, array in arrays.items()) and len(read) == 6
    if len(names) > 1:
        index = json.loads((folder / shards.INDEX).read_text())
        assert index["metadata"] == {"total_size": checkpoint.nbytes}
        assert index["weight_map"] == {n: checkpoint[n].path.name for n in arrays}


def test_the_librarys_files_are_read(tmp_path):
    arrays = arrays_of(3)
    save_file(arrays, tmp_path / shards.SINGLE, metadata={"format": "np", "note": "é"})
    checkpoint = shards.open_checkpoint(tmp_path)
    assert checkpoint.metadata == {"format": "np", "note": "é"}
    assert all(same(checkpoint[name].read(), array) for name, array in arrays.items())


def test_numbers_lie_at_multiples_of_their_size(tmp_path):
    arrays = {"a": np.zeros(3, np.uint8), "b": np.zeros(3, np.float16), "c": np.ones(2)}
    write(tmp_path / "m", arrays)
    with safe_open(tmp_path / "m" / shards.SINGLE, "numpy") as file:
        assert file.get_tensor("c").tolist() == [1, 1]
    places, _ = safetensors_format.read_header(tmp_path / "m" / shards.SINGLE)
    for name, place in places.items():
        assert place.offset % arrays[name].itemsize == 0


def test_copying_passes_types_that_numpy_lacks(tmp_path):
    header = safetensors_format.header_bytes({"x": ("F4", (4,), 2), "y": ("F32", (1,), 4)}, {})
    (tmp_path / shards.SINGLE).write_bytes(header + bytes(range(6)))
    source = shards.open_checkpoint(tmp_path)
    with pytest.raises(FreevocabError, match="x has type F4, unknown here"):
        source["x"].read()
    (tmp_path / "copy").mkdir()
    shards.write_checkpoint(tmp_path / "copy", (tensor.entry() for tensor in source.values()))
    copy = shards.open_checkpoint(tmp_path / "copy")
    assert b"".join(copy["x"].chunks()) == b"\0\1" and copy["x"].code == "F4"


def test_a_copy_holds_one_piece_in_memory(tmp_path):
    megabytes = 80
    one = np.zeros(1 << 20, np.uint8).data

    def chunks():
        return (one for _ in range(megabytes))

    big = shards.Entry("big", (megabytes << 19,), ml_dtypes.bfloat16, chunks)
    (tmp_path / "m").mkdir()
    (tmp_path / "copy").mkdir()
    tracemalloc.start()
    seen = []
    shards.write_checkpoint(tmp_path / "m", [big], progress=seen.append)
    source = shards.open_checkpoint(tmp_path / "m")
    shards.write_checkpoint(tmp_path / "copy", [tensor.entry() for tensor in source.values()])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(seen) == source.nbytes == megabytes << 20
    assert peak < 3 * shards.PIECE_BYTES
    assert (tmp_path / "copy" / shards.SINGLE).stat().st_size > megabytes << 20


def test_writing_that_fails_leaves_nothing(tmp_path):
    def full():
        yield bytes(400)
        raise OSError(28, "No space left on device")

    good = shards.entry("a", np.zeros((10, 10), np.float32))
    for chunks, error in ((full, OSError), ([bytes(399)], FreevocabError)):
        with pytest.raises(error):
            bad = shards.Entry("b", (100,), np.float32, chunks)
            shards.write_checkpoint(tmp_path, [good, bad], max_shard_bytes=400)
        assert list(tmp_path.iterdir()) == []
    with pytest.raises(FreevocabError, match="b has more bytes than its shape"):
        shards.write_checkpoint(tmp_path, [shards.Entry("b", (1,), np.float32, [bytes(5)])])
    with pytest.raises(FreevocabError, match="two tensors have the name a"):
        shards.write_checkpoint(tmp_path, [good, good])
    with pytest.raises(FreevocabError, match="no type complex64"):
        shards.write_checkpoint(tmp_path, [shards.entry("a", np.zeros(1, np.complex64))])


def message(folder, kind=FreevocabError):
    with pytest.raises(kind) as caught:
        shards.open_checkpoint(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_no_checkpoint_is_said_to_be_none(tmp_path):
    assert "there is no folder" in message(tmp_path / "nowhere", UsageError)
    assert "is no checkpoint: it has neither" in message(tmp_path, UsageError)
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    said = message(tmp_path, UsageError)
    assert "pytorch_model.bin" in said and "save_pretrained" in said


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda data: b"", "no safetensors file, or cut short"),
        (lambda data: data[:30], "no safetensors file, or cut short"),
        (lambda data: b"\xff" * 8 + data, "no safetensors file, or cut short"),
        (lambda data: data[:-1], "is cut short"),
        (lambda data: data + b"x", "is too long"),
        (lambda data: data.replace(b'"dtype"', b'"dtypo"', 1), "is damaged"),
        (lambda data: data.replace(b"{", b"[", 1), "is damaged"),
        (lambda data: data.replace(b"[10,10]", b"[10,11]", 1), "is damaged"),
        (lambda data: data.replace(b"[0,400]", b"[4,404]", 1), "out of place"),
        (lambda data: data.replace(b"[0,400]", b"[0,-40]", 1), "is damaged"),
    ],
)
def test_a_damaged_file_is_named(sharded, change, says):
    folder, _ = sharded
    path = folder / "model-00002-of-00003.safetensors"
    path.write_bytes(change(path.read_bytes()))
    said = message(folder)
    assert path.name in said and says in said


def test_a_damaged_index_is_named(sharded):
    folder, arrays = sharded
    index = json.loads((folder / shards.INDEX).read_text())

    def with_index(**weight_map):
        (folder / shards.INDEX).write_text(json.dumps({"weight_map": weight_map}))
        return message(folder)

    first = index["weight_map"]["a"]
    assert f"says that {first} holds z; it does not" in with_index(**index["weight_map"], z=first)
    assert "is damaged" in with_index(a="../elsewhere.safetensors")
    assert "is damaged" in with_index()
    (folder / shards.INDEX).write_text("{")
    assert "is damaged" in message(folder)
    (folder / shards.INDEX).write_text(json.dumps(index))
    (folder / "model-00003-of-00003.safetensors").unlink()
    assert "model-00003-of-00003.safetensors is missing" in message(folder)
    copy = folder / "model-00002-of-00003.safetensors"
    (folder / "model-00003-of-00003.safetensors").write_bytes(copy.read_bytes())
    assert "both model-00002-of-00003" in message(folder)


def test_a_file_that_shrinks_while_it_is_read(sharded):
    folder, _ = sharded
    tensor = shards.open_checkpoint(folder)["a"]
    tensor.path.write_bytes(b"")
    with pytest.raises(FreevocabError, match="became shorter"):
        tensor.read()
