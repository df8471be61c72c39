"""The tensors of the new checkpoint, one after another: new tables, all else as it was.

Or as n-shot training left the trunk, tensor by tensor in the checkpoint's own names and layout:

    new = own + weight * (after - before)

`after` is what training left, `before` the trunk of the model that it began with: the model itself,
which becomes `after` for weight 1, or the base of a fine-tuned variant.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from research.errors import FreevocabError, UsageError
from research.models import families, tensor_layout
from research.models.safetensors_shards import PIECE_BYTES, Entry, StoredTensors, Tensor, sized
from research.models.tensor_layout import TrunkTensor
from research.transfer.convert.hf_tables import HFTables
from research.transfer.hypernet import task_vectors
from research.vocabularies.protocol import EmbeddingTable

FLOATS = ("F64", "F32", "F16", "BF16")


class TrunkChange(NamedTuple):
    """What is done to a checkpoint's trunk."""

    after: Mapping[str, TrunkTensor]
    """What training left, by the checkpoint's names; each tensor is computed when it is used."""
    before: Mapping[str, Tensor] | None
    """The base model's tensors by the same names; None: the model's own."""
    weight: float
    """How much of the change is added."""

    def read(self, tensor: Tensor) -> np.ndarray:
        """The tensor as it is to be written: float32 if it changes.

        Raises:
          FreevocabError: if the sum is not finite.
        """
        if tensor.name not in self.after:
            return tensor.read()
        own = tensor.read().astype(np.float32)
        before = own if self.before is None else self.before[tensor.name].read().astype(np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            new = task_vectors.added(own, before, self.after[tensor.name].make(), self.weight)
        task_vectors.check_finite(tensor.name, new, self.weight)
        return new

    def fingerprint(self, tensors: StoredTensors) -> str:
        """`task_vectors.fingerprint` of the trunk that training began with.

        Args:
          tensors: of the model that is changed.
        """
        before = self.before or {name: tensors[name] for name in self.after}
        return task_vectors.fingerprint(one.read().astype(np.float32) for one in before.values())


def trunk_change(
    config: Mapping[str, Any],
    tensors: StoredTensors,
    trunk: Mapping[str, Any],
    weight: float,
    base: tuple[Mapping[str, Any], StoredTensors] | None,
) -> TrunkChange:
    """The change of a checkpoint by a trunk that was trained from it, or from `base`.

    Args:
      config: of config.json.
      trunk: of our layout.
      base: config and tensors of the model that training began with; None: this one.

    Raises:
      UsageError: if they are not of one shape.
    """
    trained, own = _in(config, tensors, trunk)
    after = {tensor.name: trained[name] for name, tensor in own.items()}
    if base is None:
        return TrunkChange(after, None, weight)
    _, of_base = _in(*base, trunk)
    if of_base.keys() != own.keys():
        raise UsageError(f"{base[1].directory} and {tensors.directory} are not of one family")
    before = {tensor.name: of_base[name] for name, tensor in own.items()}
    return TrunkChange(after, before, weight)


def _in(
    config: Mapping[str, Any], tensors: StoredTensors, trunk: Mapping[str, Any]
) -> tuple[dict[str, TrunkTensor], dict[str, Tensor]]:
    """The trunk's tensors, and the checkpoint's in their place; both by whole names."""
    family, where = families.of_config(config), tensors.directory
    model = family.language_model_config(config)
    try:
        trained = tensor_layout.trunk_tensors(trunk, family, model)
    except UsageError as error:
        raise UsageError(
            f"the trunk that the hypernetwork was trained with is of another shape than {where}'s: "
            f"{error}"
        ) from None
    own = {}
    for name, tensor in trained.items():
        # A checkpoint of the bare model leaves the prefix out.
        known = name if name in tensors else name.removeprefix(family.prefix)
        if known not in tensors:
            raise FreevocabError(f"{where} is not complete: {name} is missing")
        if tuple(tensors[known].shape) != tensor.shape:
            raise FreevocabError(
                f"{where}: {known} is {list(tensors[known].shape)}, config.json asks for "
                f"{list(tensor.shape)}"
            )
        own[name] = tensors[known]
    return trained, own


def entries(
    tables: HFTables,
    new_table: EmbeddingTable,
    *,
    padding: tuple[int, int] | None = None,
    dtype: np.dtype | None = None,
    trunk: TrunkChange | None = None,
) -> Iterator[Entry]:
    """What to write, in the order of the checkpoint.

    Args:
      new_table: numpy, float32; its rows become those of the checkpoint.
      padding: ids of padding before and after, if the position table moves with them.
      dtype: turn every float tensor into this type; None: each keeps its own, to the bit.
      trunk: what is done to other tensors.
    """
    read = Tensor.read if trunk is None else trunk.read
    rows_of: dict[str, Any] = {
        **dict.fromkeys(tables.inputs, new_table.input_VxD),
        **dict.fromkeys(tables.outputs, new_table.output_VxD),
        **dict.fromkeys(tables.biases, new_table.bias_V),
    }
    for name, tensor in tables.tensors.items():
        if name in rows_of:
            yield of_array(name, rows_of[name], dtype or tensor.dtype)
        elif padding is not None and name == tables.positions:
            moved = move_positions(read(tensor), *padding)
            yield of_array(name, moved, dtype or tensor.dtype)
        elif padding is not None and _is_buffer(tables, name):
            continue
        elif trunk is not None and name in trunk.after:
            yield _changed(tensor, trunk, dtype or tensor.dtype)
        elif dtype is None or tensor.code not in FLOATS or tensor.dtype == dtype:
            yield tensor.entry()
        else:
            yield _converted(tensor, dtype)


def sizes(
    tables: HFTables,
    rows: int,
    *,
    padding: tuple[int, int] | None = None,
    dtype: np.dtype | None = None,
) -> tuple[int, int]:
    """(parameters, bytes) of what `entries` would yield for a table of `rows` rows."""
    zeros_VxD = np.broadcast_to(np.float32(0), (rows, tables.d_model))
    table = EmbeddingTable(zeros_VxD, zeros_VxD, zeros_VxD[:, 0])
    written = [sized(one) for one in entries(tables, table, padding=padding, dtype=dtype)]
    return sum(math.prod(one.shape) for one in written), sum(one.nbytes for one in written)


def padding_ids(tables: HFTables, old: int | None, new: int | None) -> tuple[int, int] | None:
    """The padding ids before and after, if the position table has to move with them.

    Raises:
      UsageError: the family counts from a padding id and the new tokenizer has none.
    """
    if tables.positions is None:
        return None
    if old is None or new is None:
        raise UsageError(
            f"{tables.family.title} counts positions from its padding token, and the new tokenizer "
            "has none: name a special token that never occurs in text, --map-special pad=TOKEN"
        )
    return None if old == new else (old, new)


def move_positions(positions_PxD: np.ndarray, old: int, new: int) -> np.ndarray:
    """The position table for another padding id: every position keeps its row.

    Position p of a text has row padding + 1 + p; padding itself has row `padding`. Rows before it
    are never read; they repeat it.

    Args:
      positions_PxD: rows 0 to `old` and those of the positions.

    Returns:
      [P + new - old, D], same dtype.
    """
    before = np.repeat(positions_PxD[old : old + 1], new + 1, axis=0)
    return np.concatenate([before, positions_PxD[old + 1 :]])


def of_array(name: str, array: np.ndarray, dtype: np.dtype) -> Entry:
    """An array to be written as another type, a piece at a time."""
    return Entry(name, array.shape, dtype, lambda: _pieces(name, array, dtype))


def _is_buffer(tables: HFTables, name: str) -> bool:
    """Does the tensor count positions, so that it changes with their number?"""
    return name in tables.family.spellings(*tables.family.buffers)


def _pieces(name: str, array: np.ndarray, dtype: np.dtype) -> Iterator[bytes]:
    flat, step = np.ascontiguousarray(array).reshape(-1), PIECE_BYTES // 4
    for start in range(0, len(flat), step):
        yield _cast(name, flat[start : start + step], dtype)


def _changed(tensor: Tensor, trunk: TrunkChange, dtype: np.dtype) -> Entry:
    name = tensor.name
    return Entry(name, tensor.shape, dtype, lambda: _pieces(name, trunk.read(tensor), dtype))


def _converted(tensor: Tensor, dtype: np.dtype) -> Entry:
    def chunks() -> Iterator[bytes]:
        for chunk in tensor.chunks():
            yield _cast(tensor.name, np.frombuffer(chunk, tensor.dtype), dtype)

    return Entry(tensor.name, tensor.shape, dtype, chunks)


def _cast(name: str, numbers: np.ndarray, dtype: np.dtype) -> bytes:
    with np.errstate(over="ignore"):
        cast = numbers.astype(dtype)
    if cast.dtype.itemsize < 4 and not np.isfinite(cast.astype(np.float32)).all():
        if np.isfinite(numbers.astype(np.float32)).all():
            raise FreevocabError(f"{name} has numbers too large for {dtype}: give another --dtype")
    return cast.tobytes()
