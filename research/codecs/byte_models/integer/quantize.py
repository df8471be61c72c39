"""A trained Transformer byte model in integers (the formats are in __init__.py).

No text is needed. Every range follows from the weights: the input of a linear after a norm has
length sqrt(D), so by Cauchy-Schwarz an output is at most sqrt(D) times the length of its column,
and nothing is clipped that the float model has. Activations get the scale of their own row as the
model runs.
"""

import math
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from research.codecs.byte_models import transformer_step
from research.codecs.byte_models.integer import IntegerModel, layout
from research.codecs.byte_models.transformer import BYTES, TransformerModel
from research.errors import UsageError
from research.models.sizes import TrunkConfig
from research.vocabularies import learned

_LOG2E = math.log2(math.e)
_ROW_UNITS = 1 << 10  # of the residual stream, for the root mean square of the embedding
_ONE = 127  # of a quantised row


def quantized(model: TransformerModel) -> IntegerModel:
    """The model in integers, with the same beta.

    Raises:
      UsageError: a shape that has no integer form, or weights that are not finite.
    """
    config = model.config.trunk
    layout.abstract_arrays(config)
    params = jax.tree.map(lambda x: np.asarray(x, np.float64), dict(model.params))
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params)):
        raise UsageError("the byte model has weights that are not finite: train it again")
    table = learned.table(params["vocabulary"])
    size = math.sqrt(config.d_model)
    input_VxD = table.input_VxD[[*range(BYTES), model.config.bos_id]]
    input_VxD = input_VxD * (size if config.scale_inputs else 1.0)
    mean_square, largest = np.mean(input_VxD**2), np.abs(input_VxD).max()
    row_unit = min(_ROW_UNITS / math.sqrt(mean_square), 32767 / largest) if largest else 1.0
    symbols = [*range(BYTES), model.config.eos_id]
    readout_DxA = params["trunk"]["final_norm"]["scale"][:, None] * table.readout_VxD[symbols].T
    bias_A = np.zeros(layout.SYMBOLS) if table.bias_V is None else table.bias_V[symbols]
    log_unit = _LOG2E * (1 << layout.LOG_BITS)
    arrays = {
        "embedding": np.rint(input_VxD * row_unit).astype(np.int16),
        "exp2": _exponentials(),
        "readout": _linear(readout_DxA, size / _ONE * log_unit),
        "readout_bias": np.rint(np.clip(bias_A * log_unit, -(2**24), 2**24)).astype(np.int32),
        "layers": {
            str(number): _layer(
                jax.tree.map(lambda x, n=number: x[n], params["trunk"]["layers"]), config, row_unit
            )
            for number in range(config.num_layers)
        },
    }
    if config.positions == "rotary":
        arrays["rotary"] = _rotations(config)
    if not layout.is_relu(config):
        arrays["activation"] = _activations(config)
    name = model.name.removeprefix("transformer-")
    return IntegerModel(arrays, config, model.beta, f"integer-{name}", model.context)


def _layer(layer: Mapping[str, Any], config: TrunkConfig, row_unit: float) -> dict[str, Any]:
    """Arrays of a layer; a unit is how many there are to 1.0 of the float model."""
    attention, mlp, size = layer["attention"], layer["mlp"], math.sqrt(config.d_model)
    arrays: dict[str, Any] = {}

    # Queries, keys, values.
    columns, units, head_units = [], [], []
    for name in ("query", "key", "value"):
        kernel = attention[name]["kernel"].reshape(config.d_model, -1)
        kernel = layer["attention_norm"]["scale"][:, None] * kernel
        unit = layout.HEAD_LIMIT / _at_least(size * _lengths(kernel).max())
        columns.append(kernel)
        units.append(np.full(kernel.shape[1], unit))
        if config.qk_norm and name != "value":
            scale_K, size_K = attention[f"{name}_norm"]["scale"], math.sqrt(config.head_dim)
            unit = layout.HEAD_LIMIT / _at_least(size_K * np.abs(scale_K).max())
            arrays[f"{name}_norm"] = _scale(scale_K * unit * size_K / _ONE, layout.headroom(1))
        head_units.append(unit)
    joined = np.concatenate(columns, axis=1)
    arrays["inputs"] = _linear(joined, size / _ONE * np.concatenate(units))
    score = _LOG2E * (1 << layout.LOG_BITS) / math.sqrt(config.head_dim)
    arrays["score"] = _scale(np.array(score / (head_units[0] * head_units[1])), 16)
    if config.positions == "t5":
        bias_HxM = np.asarray(transformer_step.bias_by_distance(attention, config), np.float64)
        units_HxM = np.clip(bias_HxM * _LOG2E * (1 << layout.LOG_BITS), -(2**24), 2**24)
        arrays["bias_HxM"] = np.rint(units_HxM).astype(np.int32)
    share_unit = head_units[2] * (1 << layout.SHARE_BITS)
    out = attention["out"]["kernel"].reshape(-1, config.d_model)
    arrays["out"] = _linear(out, row_unit / (_ONE * share_unit))

    # The MLP; up and gate in powers of two, as the table of the activation is read by a shift.
    kernels = [mlp[name]["kernel"] for name in (("up", "gate") if config.gated else ("up",))]
    kernels = [layer["mlp_norm"]["scale"][:, None] * kernel for kernel in kernels]
    bits = [
        math.floor(math.log2(layout.MLP_LIMIT / _at_least(size * _lengths(kernel).max())))
        for kernel in kernels
    ]
    units = np.concatenate(
        [np.full(kernel.shape[1], 2.0**bit) for kernel, bit in zip(kernels, bits, strict=True)]
    )
    arrays["hidden"] = _linear(np.concatenate(kernels, axis=1), size / _ONE * units)
    arrays["down"] = _linear(mlp["down"]["kernel"], row_unit / (_ONE * 2.0 ** sum(bits)))
    if not layout.is_relu(config):
        arrays["gate_shift"] = np.array(bits[-1] - layout.GATE_BITS, np.int8)
    return arrays


def _linear(kernel_IxJ: np.ndarray, unit_J: Any) -> dict[str, np.ndarray]:
    """A linear that gives `unit_J` times the product with the float kernel."""
    largest_J = np.abs(kernel_IxJ).max(0)
    step_J = np.where(largest_J > 0, largest_J, 1.0) / 127
    kernel = np.rint(kernel_IxJ / step_J[None]).astype(np.int8)
    factor_J = np.where(largest_J > 0, step_J, 0.0) * unit_J
    return {"kernel": kernel} | _scale(factor_J, layout.headroom(len(kernel_IxJ)))


def _scale(factor: np.ndarray, up: int) -> dict[str, np.ndarray]:
    """Scale and shift of ((x 2^up scale) >> 16) c >> 16 >> shift = factor x c."""
    fraction, exponent = np.frexp(factor * 2.0 ** (32 - up))
    scale = np.minimum(np.rint(fraction * (1 << 15)), (1 << 15) - 1).astype(np.int16)
    shift = np.where(scale, 15 - exponent, 0)
    if np.abs(shift).max() > 100:
        raise UsageError("the byte model has weights that are too large or too small")
    return {"scale": scale, "shift": shift.astype(np.int8)}


def _exponentials() -> np.ndarray:
    steps = 1 << layout.LOG_BITS
    return np.rint(2.0 ** (layout.EXP_BITS - np.arange(steps) / steps)).astype(np.int32)


def _activations(config: TrunkConfig) -> np.ndarray:
    """Entries x -> f(x) / x in units of 2^-15."""
    half = layout.GATE_ENTRIES // 2
    x = np.arange(-half, half) / (1 << layout.GATE_BITS)
    kind = config.mlp.removeprefix("gated_")
    if kind == "silu":
        share = 1 / (1 + np.exp(-x))
    elif kind == "gelu":
        share = (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2
    else:
        share = np.array([(1 + math.erf(value / math.sqrt(2))) / 2 for value in x])
    return np.rint(share * (1 << 15)).astype(np.uint16)


def _rotations(config: TrunkConfig) -> np.ndarray:
    """[cosine or sine, step, 256, K / 2]: angles of 0, 1, ... and of 0, 256, ... positions."""
    half = config.head_dim // 2
    frequencies = config.rotary_base ** (-np.arange(half) / half)
    steps = np.arange(layout.ROTARY_STEPS)
    positions = np.stack([steps, steps * layout.ROTARY_STEPS])
    angles = positions[:, :, None] * frequencies
    both = np.stack([np.cos(angles), np.sin(angles)])
    return np.rint(both * (1 << layout.ROTARY_BITS)).astype(np.int16)


def _lengths(kernel_IxJ: np.ndarray) -> np.ndarray:
    return np.sqrt((kernel_IxJ**2).sum(0))


def _at_least(value: float) -> float:
    """Not zero, for a kernel that is."""
    return max(float(value), 1e-6)
