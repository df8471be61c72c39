"""Where the tables of each Hugging Face family lie, by the names of config.json and tensors.

No trunk is needed to exchange tables, so this knows names alone.
"""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from research.errors import FreevocabError, UsageError
from research.models.pretrained.shards import Checkpoint, Tensor
from research.tokenizers import Tokenizer
from research.vocabularies.protocol import EmbeddingTable


class Family(NamedTuple):
    """Tensor names of a family; of several spellings a checkpoint uses one.

    Attributes:
      title: how people write it.
      inputs: of the input table.
      outputs: of the readout's table.
      biases: of the readout's bias; a checkpoint may hold each of them.
      tied: what `tie_word_embeddings` is where config.json does not say.
      positions: of the position table that begins after the padding id (RoBERTa).
      vanishing: buffers of old checkpoints that a program makes anew by itself.
    """

    title: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...] = ("lm_head.weight",)
    biases: tuple[str, ...] = ()
    tied: bool = False
    positions: tuple[str, ...] = ()
    vanishing: tuple[str, ...] = ()


def _llama(title: str, tied: bool = False) -> Family:
    return Family(title, ("model.embed_tokens.weight", "embed_tokens.weight"), tied=tied)


def _roberta(title: str) -> Family:
    names = {
        part: (f"roberta.embeddings.{part}", f"embeddings.{part}")
        for part in ("word_embeddings.weight", "position_embeddings.weight", "position_ids",
                     "token_type_ids")
    }  # fmt: skip
    return Family(
        title,
        names["word_embeddings.weight"],
        ("lm_head.decoder.weight",),
        ("lm_head.bias", "lm_head.decoder.bias"),
        True,
        names["position_embeddings.weight"],
        (*names["position_ids"], *names["token_type_ids"]),
    )


FAMILIES = {
    "gpt2": Family("GPT-2", ("transformer.wte.weight", "wte.weight"), tied=True),
    "llama": _llama("Llama"),
    "mistral": _llama("Mistral"),
    "qwen2": _llama("Qwen2"),
    "qwen3": _llama("Qwen3"),
    "gemma2": _llama("Gemma 2", tied=True),
    "roberta": _roberta("RoBERTa"),
    "xlm-roberta": _roberta("XLM-R"),
}


class Layout(NamedTuple):
    """The tables of one checkpoint.

    Attributes:
      inputs, outputs, biases: names of tensors that hold each; tied ones are among the inputs.
      positions: name of RoBERTa's position table, or None.
      rows: V of the checkpoint, padding rows included.
      d_model: D.
      dtype: of the tables.
    """

    family: Family
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    biases: tuple[str, ...]
    positions: str | None
    rows: int
    d_model: int
    dtype: np.dtype

    @property
    def tied(self) -> bool:
        """The readout uses the input table, or there is none."""
        return not self.outputs

    @property
    def replaced(self) -> tuple[str, ...]:
        """All tensors with a row for each id."""
        return (*self.inputs, *self.outputs, *self.biases)


def read_config(directory: str | os.PathLike) -> dict[str, Any]:
    """The content of config.json, of a family known here.

    Raises:
      UsageError: no folder, no config.json, another architecture (named).
      FreevocabError: it is no JSON object.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise UsageError(f"there is no folder {directory}")
    path = directory / "config.json"
    if not path.is_file():
        raise UsageError(f"{directory} is no checkpoint: it has no config.json")
    try:
        config = json.loads(path.read_text("utf-8"))
        kind = config.get("model_type")
    except (ValueError, AttributeError) as error:
        raise FreevocabError(f"{path} is damaged ({error}): get it again") from None
    if kind not in FAMILIES:
        what = (config.get("architectures") or [kind])[0]
        titles = ", ".join(family.title for family in FAMILIES.values())
        raise UsageError(f"{directory} holds {what} (model_type {kind}); known are {titles}")
    return config


def layout(config: dict[str, Any], checkpoint: Checkpoint) -> Layout:
    """Finds the tables and checks their shapes against each other and against config.json.

    Raises:
      FreevocabError: a table is missing, or has another shape or type than it should.
    """
    family, where = FAMILIES[config["model_type"]], checkpoint.directory
    inputs = tuple(name for name in family.inputs if name in checkpoint)
    outputs = tuple(name for name in family.outputs if name in checkpoint)
    if config.get("tie_word_embeddings", family.tied):
        if inputs and outputs and not _equal(checkpoint[inputs[0]], checkpoint[outputs[0]]):
            raise FreevocabError(
                f"{where}: config.json ties input and readout, but {inputs[0]} and {outputs[0]} "
                'differ: set "tie_word_embeddings" in config.json to what is meant'
            )
        inputs, outputs = (*inputs, *outputs), ()
    elif not outputs and _has_head(config):
        raise FreevocabError(f"{where} is not complete: {family.outputs[0]} is missing")
    if not inputs:
        raise FreevocabError(f"{where} is not complete: {family.inputs[0]} is missing")
    biases = tuple(name for name in family.biases if name in checkpoint)
    first = checkpoint[inputs[0]]
    if len(first.shape) != 2 or first.dtype.kind not in "fV" or first.dtype.itemsize < 2:
        raise FreevocabError(f"{where}: {inputs[0]} is {first.code}{list(first.shape)}, no table")
    rows, d_model = first.shape
    width = config.get("hidden_size", config.get("n_embd", d_model))
    if width != d_model:
        raise FreevocabError(
            f"{where}: config.json says a width of {width}, but {inputs[0]} has {d_model}"
        )
    for name in (*inputs, *outputs, *biases):
        shape = (rows,) if name in biases else (rows, d_model)
        if checkpoint[name].shape != shape:
            raise FreevocabError(f"{where}: {name} has the shape {checkpoint[name].shape}, "
                                 f"not {shape}")  # fmt: skip
    if config.get("vocab_size", rows) != rows:
        raise FreevocabError(
            f"{where}: config.json says vocab_size {config['vocab_size']}, "
            f"but {inputs[0]} has {rows} rows"
        )
    positions = next((name for name in family.positions if name in checkpoint), None)
    return Layout(family, inputs, outputs, biases, positions, rows, d_model, first.dtype)


def check_tokenizer(where: Layout, checkpoint: Checkpoint, tokenizer: Tokenizer) -> None:
    """Raises FreevocabError if the tokenizer has ordinary ids beyond the table's last row."""
    if not np.asarray(tokenizer.special_V)[where.rows :].all():
        raise FreevocabError(
            f"{checkpoint.directory}: its tokenizer has {tokenizer.vocab_size:,} ids, its table "
            f"only {where.rows:,} rows: it is the tokenizer of another model"
        )


def read_table(where: Layout, checkpoint: Checkpoint, tokenizer: Tokenizer) -> EmbeddingTable:
    """The model's table as float32 numpy arrays of one row for each of the tokenizer's ids.

    Padding rows are left out. Special tokens beyond the last row (people add some without making
    the table longer) get the mean of the others.

    Raises:
      FreevocabError: a number of the table is not finite.
    """
    size = tokenizer.vocab_size

    def read(names: tuple[str, ...]) -> np.ndarray | None:
        if not names:
            return None
        array = checkpoint[names[0]].read()[:size].astype(np.float32)
        if not np.isfinite(array).all():
            raise FreevocabError(
                f"{checkpoint.directory}: {names[0]} has numbers that are not finite"
            )
        mean = array.mean(0, dtype=np.float64).astype(np.float32)
        more = np.broadcast_to(mean, (size - len(array), *array.shape[1:]))
        return np.concatenate([array, more]) if len(more) else array

    return EmbeddingTable(read(where.inputs), read(where.outputs), read(where.biases[:1]))


def _has_head(config: dict[str, Any]) -> bool:
    ends = ("ForCausalLM", "LMHeadModel", "ForMaskedLM")
    return any(name.endswith(ends) for name in config.get("architectures") or ["ForCausalLM"])


def _equal(a: Tensor, b: Tensor) -> bool:
    if (a.code, a.shape) != (b.code, b.shape):
        return False
    return all(x == y for x, y in zip(a.chunks(), b.chunks(), strict=True))
