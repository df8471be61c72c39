"""The arrays of an integer model and what their numbers mean; the specification is in __init__.py.

A "linear" is {"kernel": int8 [I, J], "scale": int16 [J], "shift": int8 [J]}.
"""

from typing import Any

import numpy as np

from research.errors import UsageError
from research.models.sizes import TrunkConfig

SYMBOLS = 257  # that are read (256 bytes, START) and that are written (256 bytes, END)
START = 256
LIMIT_BITS = 24  # of what a rounding shift gives
HEAD_LIMIT = 2047  # of queries, keys and values
MLP_LIMIT = 32767  # of up and gate
LOG_BITS = 10  # of the fraction of a base-2 logarithm
EXP_BITS = 20  # of the exponential's peak
SHARE_BITS = 18  # of attention's shares
ROTARY_BITS, ROTARY_STEPS = 14, 256
GATE_BITS, GATE_ENTRIES = 7, 4096
WIDEST, WIDEST_HEAD, LONGEST = 1 << 16, 512, 1 << 15  # inputs of a linear, K, S
MLP_ONE = 15  # bits of the activation table's one


def abstract_arrays(config: TrunkConfig) -> dict[str, Any]:
    """Arrays of zeros without memory, by name, with the shapes and dtypes that a model has.

    Raises:
      UsageError: a shape that has no integer form.
    """
    _check(config)
    width, heads, head_dim = config.d_model, config.num_heads, config.head_dim
    hidden = config.mlp_dim * (2 if config.gated else 1)
    layer: dict[str, Any] = {
        "inputs": _linear(width, (heads + 2 * config.kv_heads) * head_dim),
        "score": {"scale": _zeros(np.int16), "shift": _zeros(np.int8)},
        "out": _linear(heads * head_dim, width),
        "hidden": _linear(width, hidden),
        "down": _linear(config.mlp_dim, width),
    }
    arrays: dict[str, Any] = {
        "embedding": _zeros(np.int16, SYMBOLS, width),
        "exp2": _zeros(np.int32, 1 << LOG_BITS),
        "readout": _linear(width, SYMBOLS),
        "readout_bias": _zeros(np.int32, SYMBOLS),
    }
    if config.qk_norm:
        for name in ("query_norm", "key_norm"):
            layer[name] = {"scale": _zeros(np.int16, head_dim), "shift": _zeros(np.int8, head_dim)}
    if config.positions == "t5":
        layer["bias_HxM"] = _zeros(np.int32, heads, config.max_distance + 1)
    if config.positions == "rotary":
        arrays["rotary"] = _zeros(np.int16, 2, 2, ROTARY_STEPS, head_dim // 2)
    if not is_relu(config):
        layer["gate_shift"] = _zeros(np.int8)
        arrays["activation"] = _zeros(np.uint16, GATE_ENTRIES)
    return arrays | {"layers": {str(number): layer for number in range(config.num_layers)}}


def is_relu(config: TrunkConfig) -> bool:
    """Whether the MLP's activation needs no table."""
    return config.mlp.removeprefix("gated_") == "relu"


def headroom(inputs: int) -> int:
    """Bits by which the sums of a linear with so many inputs can be shifted up: `up`."""
    return 16 - (inputs - 1).bit_length()


def square_bits(width: int) -> int:
    """Bits of the numbers whose squares are summed by the norm of a row of D = `width`: `b`."""
    return (29 - width.bit_length()) // 2


def _check(config: TrunkConfig) -> None:
    if options := [*config.family_options, *(("ngram_heads",) if config.ngram_heads else ())]:
        raise UsageError(f"a byte model with {', '.join(options)} has no integer form")
    widest = max(config.d_model, config.mlp_dim, config.num_heads * config.head_dim)
    if widest > WIDEST or config.head_dim > WIDEST_HEAD:
        raise UsageError(
            f"the integer form of a byte model has at most {WIDEST} inputs to a matrix and heads"
            f" of at most {WIDEST_HEAD}, not {widest} and {config.head_dim}"
        )


def _linear(inputs: int, outputs: int) -> dict[str, np.ndarray]:
    return {
        "kernel": _zeros(np.int8, inputs, outputs),
        "scale": _zeros(np.int16, outputs),
        "shift": _zeros(np.int8, outputs),
    }


def _zeros(dtype: type, *shape: int) -> np.ndarray:
    return np.broadcast_to(np.zeros((), dtype), shape)
