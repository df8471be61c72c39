"""The tensors of the new checkpoint, one after another: new tables, all else as it was (or as
n-shot training left it)."""

from collections.abc import Iterator

import numpy as np

from research.errors import FreevocabError
from research.models.pretrained.safetensors_format import DTYPES, code_of
from research.models.pretrained.shards import PIECE_BYTES, Checkpoint, Entry, Tensor
from research.transfer.convert import positions
from research.transfer.convert.families import Layout
from research.transfer.convert.trunk import TrunkChange
from research.vocabularies.protocol import EmbeddingTable

FLOATS = ("F64", "F32", "F16", "BF16")


def entries(
    where: Layout,
    checkpoint: Checkpoint,
    table: EmbeddingTable,
    *,
    padding: tuple[int, int] | None = None,
    dtype: np.dtype | None = None,
    trunk: TrunkChange | None = None,
) -> Iterator[Entry]:
    """What to write, in the order of the checkpoint.

    Args:
      table: numpy, float32; its rows become those of the checkpoint.
      padding: RoBERTa's padding ids before and after, if they differ.
      dtype: turn every float tensor into this type; None: each keeps its own, to the bit.
      trunk: what is done to other tensors.
    """
    read = Tensor.read if trunk is None else trunk.read
    rows_of = {
        **dict.fromkeys(where.inputs, table.input_VxD),
        **dict.fromkeys(where.outputs, table.output_VxD),
        **dict.fromkeys(where.biases, table.bias_V),
    }
    for name, tensor in checkpoint.items():
        if name in rows_of:
            yield of_array(name, rows_of[name], dtype or tensor.dtype)
        elif padding is not None and name == where.positions:
            moved = positions.move(read(tensor), *padding)
            yield of_array(name, moved, dtype or tensor.dtype)
        elif padding is not None and name in where.family.vanishing:
            continue
        elif trunk is not None and name in trunk.after:
            yield _changed(tensor, trunk, dtype or tensor.dtype)
        elif dtype is None or tensor.code not in FLOATS or tensor.dtype == dtype:
            yield tensor.entry()
        else:
            yield _converted(tensor, dtype)


def sizes(
    where: Layout,
    checkpoint: Checkpoint,
    rows: int,
    *,
    padding: tuple[int, int] | None = None,
    dtype: np.dtype | None = None,
) -> tuple[int, int]:
    """(parameters, bytes) of what `entries` would yield for a table of `rows` rows."""
    numbers = nbytes = 0
    for name, tensor in checkpoint.items():
        count = int(np.prod(tensor.shape, dtype=np.int64))
        here = tensor.nbytes
        if dtype is not None and tensor.code in FLOATS:
            here = count * dtype.itemsize
        if name in where.replaced:
            here, count = here // where.rows * rows, count // where.rows * rows
        elif padding is not None and name == where.positions:
            more = (padding[1] - padding[0]) * tensor.shape[1]
            here, count = here + here // count * more, count + more
        elif padding is not None and name in where.family.vanishing:
            continue
        numbers, nbytes = numbers + count, nbytes + here
    return numbers, nbytes


def of_array(name: str, array: np.ndarray, dtype: np.dtype) -> Entry:
    """An array to be written as another type, a piece at a time."""
    return Entry(name, array.shape, dtype, lambda: _pieces(name, array, dtype))


def _pieces(name: str, array: np.ndarray, dtype: np.dtype) -> Iterator[bytes]:
    flat, step = np.ascontiguousarray(array).reshape(-1), PIECE_BYTES // 4
    for start in range(0, len(flat), step):
        yield _cast(name, flat[start : start + step], dtype)


def _changed(tensor: Tensor, trunk: TrunkChange, dtype: np.dtype) -> Entry:
    def chunks() -> Iterator[bytes]:
        yield from _pieces(tensor.name, trunk.read(tensor), dtype)

    return Entry(tensor.name, tensor.shape, dtype, chunks)


def _converted(tensor: Tensor, dtype: np.dtype) -> Entry:
    def chunks() -> Iterator[bytes]:
        for chunk in tensor.chunks():
            yield _cast(tensor.name, np.frombuffer(chunk, DTYPES[tensor.code]), dtype)

    return Entry(tensor.name, tensor.shape, code_of(dtype), chunks)


def _cast(name: str, numbers: np.ndarray, dtype: np.dtype) -> bytes:
    with np.errstate(over="ignore"):
        cast = numbers.astype(dtype)
    if cast.dtype.itemsize < 4 and not np.isfinite(cast.astype(np.float32)).all():
        if np.isfinite(numbers.astype(np.float32)).all():
            raise FreevocabError(f"{name} has numbers too large for {dtype}: give another --dtype")
    return cast.tobytes()
