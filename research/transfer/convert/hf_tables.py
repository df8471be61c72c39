"""The tables of a Hugging Face checkpoint, by the names that its family gives to tensors.

No trunk is needed to exchange tables, so this asks for nothing else of config.json.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from research import contents
from research.errors import FreevocabError, UsageError
from research.models import pretrained, tensor_layout
from research.models.families import FAMILIES, Family
from research.models.safetensors_shards import StoredTensors
from research.tokenizers import Tokenizer
from research.vocabularies.protocol import EmbeddingTable


class HFTables(NamedTuple):
    """Where the tables of one checkpoint are."""

    family: Family
    tensors: StoredTensors
    inputs: tuple[str, ...]
    """Tensors that hold the input table; those of a tied readout are among them."""
    outputs: tuple[str, ...]
    """Tensors that hold the readout's table."""
    biases: tuple[str, ...]
    """Tensors that hold the readout's bias."""
    has_readout: bool
    """False for a bare trunk, and for one with a classifier."""
    positions: str | None
    """The position table, if its rows are counted from the padding id."""
    rows: int
    """V of the checkpoint, padding rows included."""
    d_model: int
    dtype: np.dtype

    @property
    def tied(self) -> bool:
        """The readout uses the input table, or there is none."""
        return not self.outputs

    def check_tokenizer(self, tokenizer: Tokenizer) -> None:
        """Raises UsageError if ordinary ids are beyond the table's last row."""
        pretrained.check_ids(tokenizer, self.rows, self.tensors.directory)

    def read(self, tokenizer: Tokenizer) -> EmbeddingTable:
        """The table as float32 numpy arrays of one row for each of the tokenizer's ids.

        Padding rows are left out. Special tokens beyond the last row (people add some without
        making the table longer) get the mean of the others.

        Raises:
          FreevocabError: a number of the table is not finite.
        """
        size = tokenizer.vocab_size

        def read(names: tuple[str, ...]) -> np.ndarray | None:
            if not names:
                return None
            array = self.tensors[names[0]].read()[:size].astype(np.float32)
            if not np.isfinite(array).all():
                raise FreevocabError(
                    f"{self.tensors.directory}: {names[0]} has numbers that are not finite"
                )
            mean = array.mean(0, dtype=np.float64).astype(np.float32)
            more = np.broadcast_to(mean, (size - len(array), *array.shape[1:]))
            return np.concatenate([array, more]) if len(more) else array

        return EmbeddingTable(read(self.inputs), read(self.outputs), read(self.biases[:1]))


def read_config(directory: str | os.PathLike) -> dict[str, Any]:
    """The content of config.json, of a family known here.

    Raises:
      UsageError: no folder, no config.json, another architecture (named).
      FreevocabError: it is not a JSON object.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise UsageError(f"there is no folder {directory}")
    config = pretrained.read_config(directory)
    kind = config.get("model_type")
    if kind not in FAMILIES:
        name = (config.get("architectures") or [kind])[0]
        titles = ", ".join(family.title for family in FAMILIES.values())
        raise UsageError(f"{directory} holds {name} (model_type {kind}); known are {titles}")
    return config


def find(config: Mapping[str, Any], tensors: StoredTensors) -> HFTables:
    """Finds the tables and checks their shapes against each other and against config.json.

    Raises:
      FreevocabError: a table is missing, or has another shape or type than it should.
    """
    family, where = FAMILIES[config["model_type"]], tensors.directory
    inputs = tuple(name for name in family.spellings(family.embedding) if name in tensors)
    outputs = tuple(name for name in (family.head,) if name in tensors)
    if config.get("tie_word_embeddings", family.defaults["tie_word_embeddings"]):
        if inputs and outputs and not tensor_layout.equal(tensors[inputs[0]], tensors[outputs[0]]):
            raise FreevocabError(
                f"{where}: config.json ties input and readout, but {inputs[0]} and {outputs[0]} "
                'differ: set "tie_word_embeddings" in config.json to what is meant'
            )
        inputs, outputs = (*inputs, *outputs), ()
    elif not outputs and _has_head(config):
        raise FreevocabError(f"{where} is not complete: {family.head} is missing")
    if not inputs:
        raise FreevocabError(f"{where} is not complete: {family.embedding} is missing")
    biases = tuple(name for name in family.biases if name in tensors)
    first = tensors[inputs[0]]
    if len(first.shape) != 2 or first.dtype.kind not in "fV" or first.dtype.itemsize < 2:
        if method := contents.quantized(config):
            raise UsageError(
                f"{where}: its table is quantised ({method}), which is not supported: save it as "
                "bfloat16 first, with dequantize() of transformers, or get the original"
            )
        raise FreevocabError(f"{where}: {inputs[0]} is {first.code}{list(first.shape)}, no table")
    rows, d_model = first.shape
    width = config.get("hidden_size", config.get("n_embd", d_model))
    if width != d_model:
        raise FreevocabError(
            f"{where}: config.json says a width of {width}, but {inputs[0]} has {d_model}"
        )
    for name in (*inputs, *outputs, *biases):
        shape = (rows,) if name in biases else (rows, d_model)
        if tensors[name].shape != shape:
            raise FreevocabError(
                f"{where}: {name} has the shape {tensors[name].shape}, not {shape}"
            )
    if config.get("vocab_size", rows) != rows:
        raise FreevocabError(
            f"{where}: config.json says vocab_size {config['vocab_size']}, "
            f"but {inputs[0]} has {rows} rows"
        )
    positions = None
    if family.position_table:
        spellings = family.spellings(family.position_table)
        positions = next((name for name in spellings if name in tensors), None)
    has_readout = _has_head(config) or bool(outputs)
    return HFTables(
        family, tensors, inputs, outputs, biases, has_readout, positions, rows, d_model, first.dtype
    )


def _has_head(config: Mapping[str, Any]) -> bool:
    ends = ("ForCausalLM", "LMHeadModel", "ForMaskedLM")
    return any(name.endswith(ends) for name in config.get("architectures") or ["ForCausalLM"])
