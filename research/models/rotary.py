"""How rotary frequencies are stretched for texts longer than those of the training."""

import dataclasses
import math

import numpy as np

from research.errors import UsageError

KINDS = ("default", "linear", "dynamic", "llama3")


@dataclasses.dataclass(frozen=True)
class RotaryScaling:
    """Frequencies f_i = base^(-2 i / K) of a rotary embedding, changed.

    Attributes:
      kind: 'default' leaves them. 'linear' divides them by the factor. 'dynamic' (NTK): for
        sequences of T > length positions the base grows by
        (factor T / length - (factor - 1))^(K / (K - 2)); T is the largest position of the batch
        plus one. 'llama3': wavelengths above length / low_frequency are stretched by the factor,
        those below length / high_frequency stay, those between are interpolated.
      factor: see above.
      length: positions that the model was trained with ('dynamic', 'llama3').
      low_frequency, high_frequency: turns within `length` ('llama3').
    """

    kind: str = "default"
    factor: float = 1.0
    length: int | None = None
    low_frequency: float = 1.0
    high_frequency: float = 4.0

    def __post_init__(self):
        if self.kind not in KINDS:
            raise UsageError(f"rotary scaling {self.kind!r} is not one of {', '.join(KINDS)}")
        if self.kind in ("dynamic", "llama3") and (self.length is None or self.length < 1):
            raise UsageError(f"rotary scaling {self.kind} needs the length of the training")
        if not self.factor >= 1.0 or not 0 < self.low_frequency < self.high_frequency:
            raise UsageError(
                f"rotary scaling needs a factor of at least 1 and frequencies in order, not {self}"
            )


def stretched(head_dim: int, base: float, scaling: RotaryScaling) -> np.ndarray:
    """Float32 [K / 2]: the frequencies of every kind but 'dynamic', which go by the sequence."""
    powers = np.arange(0, head_dim, 2, dtype=np.float32) / np.float32(head_dim)
    plain = (np.float32(1.0) / np.float32(base) ** powers).astype(np.float32)
    if scaling.kind == "linear":
        return plain / np.float32(scaling.factor)
    if scaling.kind != "llama3":
        return plain
    wavelengths = 2.0 * math.pi / plain.astype(np.float64)
    turns = scaling.length / wavelengths
    share = (turns - scaling.low_frequency) / (scaling.high_frequency - scaling.low_frequency)
    share = np.clip(share, 0.0, 1.0)
    return (plain * (share + (1.0 - share) / scaling.factor)).astype(np.float32)
