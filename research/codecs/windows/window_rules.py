"""Which windows: the options of the equal-info codec, and what coding a document gives."""

import dataclasses

import numpy as np

from research.codecs.coder import frequencies
from research.errors import UsageError

CLOSINGS = ("point+delay", "point", "dyadic")
RESETS = ("every", "every-other", "never")
EXTRA_BITS = 16  # an interval is computed to W + 16 bits


@dataclasses.dataclass(frozen=True)
class Windows:
    """A coded document.

    Attributes:
      codes_NxG: uint32, 16-bit digits of each window's code, least significant first.
      lengths_N: int32, bytes that each window stands for.
    """

    codes_NxG: np.ndarray
    lengths_N: np.ndarray

    @property
    def codes(self) -> list[int]:
        """The codes as integers."""
        return [sum(int(d) << 16 * g for g, d in enumerate(row)) for row in self.codes_NxG]


@dataclasses.dataclass(frozen=True)
class WindowRules:
    """Everything but the model that says how text becomes windows (see windows.py).

    Attributes:
      window_bits: W.
      beta: precision of the frequencies.
      closing: 'point+delay', 'point' or 'dyadic'.
      reset: when the model's context starts anew: 'every' window, 'every-other', 'never' (that
        is, with the document). The coder's interval is always reset.

    Raises:
      UsageError: a value that is none of these.
    """

    window_bits: int
    beta: int
    closing: str = "point+delay"
    reset: str = "every"

    def __post_init__(self):
        bits = self.window_bits
        if not (bits == 12 or bits in range(8, 129, 8)):
            raise UsageError(f"a window has 12 bits or a multiple of 8 up to 128, not {bits!r}")
        if self.beta > bits:
            raise UsageError(
                f"beta={self.beta} exceeds window_bits={bits}: a byte might not fit a window"
            )
        frequencies.check(256, self.beta)
        if self.closing not in CLOSINGS:
            raise UsageError(f"closing is one of {', '.join(CLOSINGS)}, not {self.closing!r}")
        if self.reset not in RESETS:
            raise UsageError(f"reset is one of {', '.join(RESETS)}, not {self.reset!r}")

    @property
    def stored_digits(self) -> int:
        """G, 16-bit digits that hold a code."""
        return -(-self.window_bits // 16)

    def resets_after(self, windows_done: int) -> bool:
        """Whether the context starts anew after so many windows of a document."""
        if self.reset == "every-other":
            return windows_done % 2 == 0
        return self.reset == "every"
