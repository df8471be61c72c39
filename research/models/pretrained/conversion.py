"""A Llama-like model that was trained here, as one of other people's families."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp

from research.errors import UsageError
from research.models.language_model import LanguageModelConfig
from research.models.pretrained import config_files
from research.models.pretrained.model import PretrainedLM
from research.tokenizers import Tokenizer


def from_language_model(
    params: dict[str, Any],
    config: LanguageModelConfig,
    tokenizer: Tokenizer | None = None,
    family: str | None = None,
    *,
    context: int = 2048,
    dtype: str = "float32",
) -> PretrainedLM:
    """The same model as a Llama, Mistral, Qwen2 or Qwen3 (QK-norm); logits are the same.

    It needs rotary positions, a gated MLP and RMSNorm: `sizes.size("llama-3m")`. Rows that pad the
    tables are cut off. Where the trunk scales its inputs, sqrt(D) goes into the input table; a
    tied table becomes two, of which the readout's keeps its numbers.

    Args:
      tokenizer: of the model's ids; its files are saved too, if it has any.
      family: None: the one that fits.
      context: positions that it was trained with, for config.json.

    Raises:
      UsageError: naming what the model has and no such family.
    """
    family = family or config_files.family_for(config)
    if tokenizer is not None and tokenizer.vocab_size != config.vocab_size:
        raise UsageError(
            f"the model has {config.vocab_size} ids, its tokenizer {tokenizer.vocab_size}"
        )
    trunk, vocabulary = config.trunk, dict(params["vocabulary"])
    if trunk.scale_inputs:
        rows_VxD = vocabulary["input_VxD"]
        vocabulary.setdefault("output_VxD", rows_VxD)
        vocabulary["input_VxD"] = rows_VxD * jnp.float32(math.sqrt(trunk.d_model))
    tied = "output_VxD" not in vocabulary
    config = dataclasses.replace(
        config,
        trunk=dataclasses.replace(trunk, scale_inputs=False, dtype="float32"),
        padded_vocab_size=config.vocab_size,
        vocabulary=dataclasses.replace(config.vocabulary, tied=tied),
    )
    config_files.family_for(config)  # says what stands in the way
    raw = config_files.llama_like(config, family, context=context, dtype=dtype)
    cut = jax.tree.map(lambda rows: jnp.asarray(rows)[: config.vocab_size], vocabulary)
    return PretrainedLM(params | {"vocabulary": cut}, config, raw, tokenizer, dtype)
