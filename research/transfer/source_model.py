"""The model whose tokenizer is to be exchanged: a folder of ours or of Hugging Face's."""

import hashlib
import os
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from research import contents
from research.codecs.codec_tokenizer import CodecTokenizer
from research.errors import UsageError
from research.models import pretrained, saved
from research.models.language_model import LanguageModelConfig
from research.tokenizers import Tokenizer
from research.vocabularies import learned
from research.vocabularies.hypernetwork import HypernetworkConfig
from research.vocabularies.protocol import EmbeddingTable


class SourceModel(NamedTuple):
    """A language model and its tokenizer."""

    params: Any
    """{'trunk', 'vocabulary'}."""
    config: LanguageModelConfig
    """Of the language model."""
    tokenizer: Tokenizer
    """Whose ids the first rows of the tables belong to."""

    @property
    def table(self) -> EmbeddingTable:
        """The rows of real ids, without padding; float32.

        Special tokens beyond the last row get the mean of the others, as in a transfer.
        """
        size = self.tokenizer.vocab_size

        def of_ids(rows: jax.Array) -> jax.Array:
            rows = jnp.asarray(rows, jnp.float32)[:size]
            if len(rows) == size:
                return rows
            shape = (size - len(rows), *rows.shape[1:])
            return jnp.concatenate([rows, jnp.broadcast_to(rows.mean(0), shape)])

        return jax.tree.map(of_ids, learned.table(self.params["vocabulary"]))


def load(directory: str | os.PathLike) -> SourceModel:
    """Opens a folder that `freevocab train` wrote, or one with config.json and safetensors.

    Raises:
      UsageError: if it is neither, has no tokenizer, or its vocabulary is not a learned table.
      FreevocabError: if it is damaged.
    """
    directory = Path(directory)
    if saved.is_own(directory):
        from research.codecs import lm_folder

        params, config, codec, _ = lm_folder.load(directory)
        if config.vocabulary.kind != "learned":
            raise UsageError(
                f"{directory} has a {config.vocabulary.kind} vocabulary; only a learned one has "
                "rows to predict others from"
            )
        return SourceModel(params, config, CodecTokenizer(codec))
    if not pretrained.is_hugging_face(directory):
        lacking = "it has no model.json or config.json"
        raise UsageError(contents.not_a("model folder", directory, lacking))
    model = pretrained.load(directory)
    if model.tokenizer is None:
        raise UsageError(f"{directory} has no tokenizer; put its tokenizer.json beside the weights")
    pretrained.check_ids(model.tokenizer, model.config.rows, directory)
    return SourceModel(model.params, model.config, model.tokenizer)


def network_for(source: SourceModel, **options: Any) -> HypernetworkConfig:
    """The hypernetwork's config that fits a model: its width, its tables, its bias."""
    vocabulary = source.params["vocabulary"]
    fixed = {
        "d_model": int(vocabulary["input_VxD"].shape[1]),
        "tied": "output_VxD" not in vocabulary,
        "bias": "bias_V" in vocabulary,
    }
    return HypernetworkConfig(**(fixed | options))


def digest(table: EmbeddingTable) -> str:
    """SHA-256 of a table's float32 rows: which model a hypernetwork was trained for."""
    sha = hashlib.sha256()
    for name, part in zip(EmbeddingTable._fields, table, strict=True):
        if part is not None:
            array = np.ascontiguousarray(np.asarray(part, np.float32))
            sha.update(f"{name} {array.shape} ".encode())
            sha.update(array.data)
    return sha.hexdigest()
