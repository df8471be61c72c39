"""Tensors of a checkpoint <-> our parameters, by a family's names."""

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from research.artifact import flatten, unflatten
from research.errors import FreevocabError, UsageError
from research.models import language_model
from research.models.families.base import Family, Weight
from research.models.language_model import LanguageModelConfig
from research.models.safetensors_shards import Tensor


def params_of(
    tensors: Mapping[str, Tensor], family: Family, config: LanguageModelConfig, where: Any
) -> dict[str, Any]:
    """Float32 parameters from a checkpoint's tensors.

    Raises:
      FreevocabError: naming the first tensor that is missing, has another shape, belongs to no
        parameter, or is a copy unlike its original.
    """
    tensors = _with_prefix(tensors, family, config)
    weights, copies = family.weights(config), family.copies(config)
    layers = config.trunk.num_layers
    places = [(weight, layer) for weight in weights for layer in _layers(weight, layers)]
    keys = {place: _find(tensors, copies, _name(*place), where) for place in places}
    _check_others(tensors, set(keys.values()), family, copies, where)
    shapes = _shapes(config)
    params = {path: np.empty(shape, np.float32) for path, shape in shapes.items()}
    for (weight, layer), key in keys.items():
        parts = [shapes[path] if layer is None else shapes[path][1:] for path in weight.paths]
        tensor, shape = tensors[key], _shape(weight, parts)
        if tuple(tensor.shape) != shape:
            raise FreevocabError(
                f"{where}: {key} is {list(tensor.shape)}, config.json asks for {list(shape)}"
            )
        array = tensor.read().astype(np.float32)
        for path, part in zip(weight.paths, _split(weight, parts, array), strict=True):
            params[path][... if layer is None else layer] = part
    return unflatten(params)


def tensors_of(
    params: Mapping[str, Any], family: Family, config: LanguageModelConfig, dtype: np.dtype
) -> Iterator[tuple[str, np.ndarray]]:
    """A checkpoint's tensors from parameters, one after another."""
    flat = flatten(dict(params))
    copies = {
        original: copy
        for copy, original in family.copies(config).items()
        if copy in family.written_copies
    }
    for weight in family.weights(config):
        for layer in _layers(weight, config.trunk.num_layers):
            tensor = _tensor(flat, weight, layer).astype(dtype)
            yield _name(weight, layer), tensor
            if weight.name in copies:
                yield copies[weight.name], tensor


class TrunkTensor(NamedTuple):
    """A part of a trunk as a checkpoint's tensor: its shape, and its numbers when called."""

    shape: tuple[int, ...]
    make: Callable[[], np.ndarray]


def trunk_tensors(
    trunk: Mapping[str, Any], family: Family, config: LanguageModelConfig
) -> dict[str, TrunkTensor]:
    """A trunk's tensors by their whole names.

    Raises:
      UsageError: the trunk is not of this config; the first parameter that differs is named.
    """
    flat = flatten({"trunk": dict(trunk)})
    shapes = {path: shape for path, shape in _shapes(config).items() if path.startswith("trunk/")}
    for path in sorted(flat.keys() | shapes.keys()):
        shape = flat[path].shape if path in flat else None
        if shape != shapes.get(path):
            raise UsageError(f"{path} is {shape}, the model's is {shapes.get(path)}")
    return {
        _name(weight, layer): TrunkTensor(
            _shape(weight, [shapes[path][0 if layer is None else 1 :] for path in weight.paths]),
            functools.partial(_tensor, flat, weight, layer),
        )
        for weight in family.weights(config)
        if weight.paths[0] in flat
        for layer in _layers(weight, config.trunk.num_layers)
    }


def _tensor(flat: Mapping[str, Any], weight: Weight, layer: int | None) -> np.ndarray:
    theirs = []
    for path in weight.paths:
        part = np.asarray(flat[path] if layer is None else flat[path][layer])
        shape = _shape(Weight("", (path,), weight.form), [part.shape])
        theirs.append(
            part.reshape(shape[::-1]).T if weight.form == "linear" else part.reshape(shape)
        )
    return np.ascontiguousarray(np.concatenate(theirs, axis=-1))


def _layers(weight: Weight, count: int) -> Iterable[int | None]:
    """The layers that have such a tensor; None: it belongs to no layer."""
    return range(count) if "{n}" in weight.name else (None,)


def _name(weight: Weight, layer: int | None) -> str:
    return weight.name.format(n=layer)


def _with_prefix(
    tensors: Mapping[str, Tensor], family: Family, config: LanguageModelConfig
) -> dict[str, Tensor]:
    """The tensors by full names; a checkpoint of the bare model leaves the prefix out."""
    prefix = family.prefix
    if any(name.startswith(prefix) for name in tensors):
        return dict(tensors)
    known = {weight.name for weight in family.weights(config)} | set(family.copies(config))
    whole = {name for name in known if not name.startswith(prefix)}
    return {name if name in whole else prefix + name: one for name, one in tensors.items()}


def _find(tensors: Mapping[str, Tensor], copies: Mapping[str, str], name: str, where: Any) -> str:
    """The name under which a tensor is there: its own or a copy's."""
    for candidate in (name, *(copy for copy, original in copies.items() if original == name)):
        if candidate in tensors:
            return candidate
    raise FreevocabError(f"{where}: the tensor {name} is missing")


def _check_others(
    tensors: Mapping[str, Tensor],
    used: set[str],
    family: Family,
    copies: Mapping[str, str],
    where: Any,
) -> None:
    for name, tensor in tensors.items():
        if name in used or family.is_ignored(name):
            continue
        original = copies.get(name)
        if original is None:
            raise FreevocabError(
                f"{where}: the tensor {name} has no place in a model of this config.json"
            )
        if not equal(tensor, tensors[original]):
            raise FreevocabError(
                f"{where}: {name} differs from {original}, though config.json ties them"
            )


def equal(one: Tensor, other: Tensor) -> bool:
    """Do two tensors hold the same numbers? Types may differ: a tied copy is saved in another."""
    if one.shape != other.shape:
        return False
    if one.code == other.code:
        return all(x == y for x, y in zip(one.chunks(), other.chunks(), strict=True))
    return np.array_equal(one.read().astype(np.float32), other.read().astype(np.float32))


def _shapes(config: LanguageModelConfig) -> dict[str, tuple[int, ...]]:
    params = language_model.abstract_params(config)
    return {path: leaf.shape for path, leaf in flatten(params).items()}


def _shape(weight: Weight, parts: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    """The tensor's shape, from those of our parts."""
    shapes = []
    for path, part in zip(weight.paths, parts, strict=True):
        if weight.form in ("linear", "conv"):
            # Contracted axes: heads and their width for attention's output.
            axes = 2 if path.endswith("attention/out/kernel") else 1
            matrix = (math.prod(part[:axes]), math.prod(part[axes:]))
            shapes.append(matrix[::-1] if weight.form == "linear" else matrix)
        else:
            shapes.append(part if weight.form == "table" else (math.prod(part),))
    return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))


def _split(weight: Weight, parts: list[tuple[int, ...]], array: np.ndarray) -> Iterator[np.ndarray]:
    """The parts of a tensor, each in our shape."""
    widths = [_shape(Weight("", (path,), weight.form), [part])[-1]
              for path, part in zip(weight.paths, parts, strict=True)]  # fmt: skip
    pieces = np.split(array, np.cumsum(widths)[:-1], axis=-1)
    for piece, part in zip(pieces, parts, strict=True):
        yield (piece.T if weight.form == "linear" else piece).reshape(part)
