"""A hypernetwork as a folder: hypernetwork.json, params.safetensors and perhaps trunk.safetensors.

hypernetwork.json: {"format": "freevocab-hypernetwork", "version": 1, "config": {...}, "source":
{what it was trained for}, "params": SHA-256, "trunk": SHA-256 or null, "meta": {...}}. The arrays
are float32, or stored as bfloat16, and named by their path; trunk.safetensors is the source model's
trunk after n-shot training.
"""

import dataclasses
import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from research.artifact import Spec, flatten, unflatten, write_arrays
from research.errors import MALFORMED, FreevocabError, UsageError
from research.files import atomic_path
from research.tokenizers import Tokenizer
from research.transfer.hypernet import task_vectors
from research.transfer.source_model import SourceModel, digest
from research.vocabularies import hypernetwork
from research.vocabularies.hypernetwork import HypernetworkConfig
from research.vocabularies.hypernetwork.config import from_dict
from research.vocabularies.protocol import EmbeddingTable

_SPEC = Spec("hypernetwork", "hypernetwork.json")
DESCRIPTION = _SPEC.file
_PARAMS, _TRUNK = "params.safetensors", "trunk.safetensors"


class Saved(NamedTuple):
    """What a folder holds."""

    params: Any
    """Of the network, numpy."""
    config: HypernetworkConfig
    """Its shape."""
    meta: dict[str, Any]
    """'source' (rows, d_model, tied, digest of the table, tokenizer's fingerprint and name,
    fingerprint of the trunk if there is one), and what `save` was told."""


def save(
    directory: str | os.PathLike,
    params: Any,
    config: HypernetworkConfig,
    source: SourceModel,
    facts: Mapping[str, Any] | None = None,
    *,
    trunk: Any = None,
    dtype: str | None = None,
) -> None:
    """Writes the folder whole or not at all; a hypernetwork that stands there is replaced.

    Args:
      source: the model that it was trained for.
      facts: about the training (JSON values).
      trunk: the source model's, if it was trained as well.
      dtype: 'bfloat16' to store rounded parameters; None: float32.

    Raises:
      UsageError: if what stands there is not a hypernetwork as this program wrote it.
      FreevocabError: if it cannot be written.
    """
    table = source.table
    fields = {
        "config": dataclasses.asdict(config),
        "source": {
            "rows": int(table.input_VxD.shape[0]),
            "d_model": int(table.input_VxD.shape[1]),
            "tied": table.output_VxD is None,
            "table": digest(table),
            "tokenizer": source.tokenizer.fingerprint(),
            "tokenizer_name": source.tokenizer.name,
            "trunk": None if trunk is None else task_vectors.fingerprint_of(source.params["trunk"]),
        },
        "trunk": None,
        "meta": dict(facts or {}),
    }
    with atomic_path(directory, directory=True, mark=DESCRIPTION) as temporary:
        fields["params"] = _write(temporary / _PARAMS, params, directory, dtype)
        if trunk is not None:
            fields["trunk"] = _write(temporary / _TRUNK, trunk, directory, dtype)
        _SPEC.write(temporary, fields)


def load(directory: str | os.PathLike) -> Saved:
    """Opens a folder that `save` wrote; arrays are numpy.

    Raises:
      UsageError: if there is no such folder, or it is not a hypernetwork.
      FreevocabError: if it is damaged or of a newer version.
    """
    directory = Path(directory)
    described = _SPEC.read(directory)
    try:
        config = from_dict(described["config"])
        source, rows = dict(described["source"]), int(described["source"]["rows"])
        meta = {**described["meta"], "source": source}
        if any(not isinstance(name, str) for name in meta.get("languages", [])):
            raise TypeError("a language's name is no string")
        shapes = _arrays_of(config, rows)
    except (*MALFORMED, UsageError) as error:
        raise FreevocabError(f"{directory / DESCRIPTION} is damaged: {error}") from None
    params = _SPEC.read_arrays(directory / _PARAMS, described.get("params"), shapes)
    return Saved(unflatten(params), config, meta)


def load_trunk(directory: str | os.PathLike) -> Any:
    """The trunk after n-shot training, numpy; None if the folder has none.

    Raises:
      UsageError, FreevocabError: as `load`.
    """
    directory = Path(directory)
    described = _SPEC.read(directory)
    if described.get("trunk") is None:
        return None
    return unflatten(_SPEC.read_arrays(directory / _TRUNK, described["trunk"]))


def fingerprint(directory: str | os.PathLike) -> dict[str, str]:
    """SHA-256 of a folder's parameters and, if it has one, of its trunk.

    Raises:
      UsageError, FreevocabError: as `load`.
    """
    described = _SPEC.read(Path(directory))
    return {name: described[name] for name in ("params", "trunk") if described.get(name)}


def check(
    saved: Saved, table: EmbeddingTable, tokenizer: Tokenizer, model: str = "the model"
) -> bool:
    """Whether it was trained for exactly this table; False is a variant of that model
    (fine-tuned, say), whose rows it takes as well.

    Args:
      table: the source's rows of real ids.
      model: what a message is to call it.

    Raises:
      UsageError: if the table has another shape, or ids mean something else.
    """
    source = saved.meta["source"]
    kind = {True: "tied", False: "untied"}
    rows, width = table.input_VxD.shape
    tied = table.output_VxD is None
    if (rows, width, tied) != (source["rows"], source["d_model"], source["tied"]):
        raise UsageError(
            f"the hypernetwork is for {kind[source['tied']]} tables of {source['rows']} x "
            f"{source['d_model']}, {model} has {kind[tied]} ones of {rows} x {width}: train one "
            "for this model (freevocab train hypernetwork)"
        )
    if tokenizer.fingerprint() != source["tokenizer"]:
        raise UsageError(
            f"the hypernetwork reads pieces of the tokenizer {source['tokenizer_name']}, {model} "
            f"has another ({tokenizer.name}): train one for this model"
        )
    if saved.config.bias and table.bias_V is None:
        raise UsageError(f"the hypernetwork predicts a bias of the logits, {model} has none")
    return digest(table) == source["table"]


def start_from(
    directory: str | os.PathLike,
    saved: Saved,
    source: SourceModel,
    network: HypernetworkConfig,
    *,
    model: str,
    train_trunk: bool,
) -> tuple[Any, Any]:
    """The parameters that another training begins with, and the trunk; None: the model's own.

    Args:
      directory: where `saved` was loaded from.
      network: of the training.
      model: what a message is to call the source.
      train_trunk: it trains the trunk as well.

    Raises:
      UsageError: the network is of another shape or model, or its trunk is.
    """
    check(saved, source.table, source.tokenizer)
    same = dataclasses.replace(saved.config, dtype=network.dtype, remat=network.remat)
    if same != network:
        raise UsageError(
            f"{directory} has another shape than asked for: give the same --form, "
            "--residual, --layers and --slots"
        )
    params = jax.tree.map(jax.numpy.asarray, saved.params)
    trained_with = saved.meta["source"]["trunk"]
    if trained_with is None:
        return params, None
    if not train_trunk:
        raise UsageError(
            f"{directory} was trained together with a trunk, which is not {model}'s"
            " any more: go on with both by --tokenizer FILE --train-trunk"
        )
    if trained_with != task_vectors.fingerprint_of(source.params["trunk"]):
        raise UsageError(
            f"{directory} was trained together with the trunk of another model than {model}"
        )
    return params, load_trunk(directory)


def _write(path: Path, tree: Any, directory: str | os.PathLike, dtype: str | None) -> str:
    arrays = {
        name: np.asarray(leaf, np.float32) for name, leaf in flatten(jax.device_get(tree)).items()
    }
    return write_arrays(path, arrays, directory, dtype)


def _arrays_of(config: HypernetworkConfig, rows: int) -> dict[str, Any]:
    """Names, shapes and dtypes of the parameters for a table of `rows`."""
    row = jax.ShapeDtypeStruct((rows, config.d_model), np.float32)
    bias = jax.ShapeDtypeStruct((rows,), np.float32) if config.bias else None
    source = EmbeddingTable(row, None if config.tied else row, bias)
    init = functools.partial(hypernetwork.init, config=config)
    return flatten(jax.eval_shape(init, jax.random.key(0), source=source))
