"""Bits per byte of a byte model's integer frequencies on a text, all positions at once."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from research.codecs.byte_models.integer import IntegerModel, xla
from research.codecs.byte_models.transformer import BYTES, START, TransformerModel
from research.codecs.coder.frequencies import frequencies_from_counts, integer_frequencies
from research.models import language_model

_BATCH = 8  # texts at once


def bits_per_byte(model: TransformerModel | IntegerModel, text: bytes, length: int) -> float:
    """Bits that coding takes for each byte of `text`, cut into pieces of `length` bytes that are
    coded alone; the end of each counts nothing."""
    if not text:
        raise ValueError("no text to measure on")
    count = -(-len(text) // length)
    rows = -(-count // _BATCH) * _BATCH
    bytes_BxL = np.zeros((rows, length), np.uint8)
    bytes_BxL.reshape(-1)[: len(text)] = np.frombuffer(text, np.uint8)
    params = model.arrays if isinstance(model, IntegerModel) else model.params
    params = jax.tree.map(jnp.asarray, params)
    costs = [
        np.asarray(_bits(params, bytes_BxL[start : start + _BATCH], _static(model)))
        for start in range(0, rows, _BATCH)
    ]
    return float(np.concatenate(costs).reshape(-1)[: len(text)].sum(dtype=np.float64) / len(text))


def _static(model: TransformerModel | IntegerModel) -> tuple[Any, int]:
    return model.config, model.beta


@functools.partial(jax.jit, static_argnames="static")
def _bits(params, bytes_BxL, static):
    """float32 [B, L]."""
    config, beta = static
    batch, length = bytes_BxL.shape
    targets_BxL = bytes_BxL.astype(jnp.int32)
    start_Bx1 = jnp.full((batch, 1), START, jnp.int32)
    ids_BxL = jnp.concatenate([start_Bx1, targets_BxL[:, :-1]], axis=1)
    if isinstance(config, language_model.LanguageModelConfig):
        logits_BxLxV = language_model.logits(params, config, ids_BxL)
        shares = jax.nn.softmax(logits_BxLxV[..., :BYTES], axis=-1)
        frequencies = integer_frequencies(shares, beta)
    else:
        logits_BxLxA = xla.text_logits(params, config, ids_BxL, length)[..., :BYTES]
        counts_BxLxA = xla.counts(params["exp2"], logits_BxLxA)
        frequencies = frequencies_from_counts(counts_BxLxA, beta)
    chosen = jnp.take_along_axis(frequencies, targets_BxL[..., None], axis=-1)[..., 0]
    return beta - jnp.log2(chosen.astype(jnp.float32))
