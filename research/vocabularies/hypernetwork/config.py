"""The shape of a hypernetwork: plain data."""

import dataclasses
from typing import Any, Literal

from research.errors import UsageError

FORMS = ("residual", "zett")


@dataclasses.dataclass(frozen=True)
class HypernetworkConfig:
    """What predicts rows. Hashable, so it can be a static argument of `jax.jit`."""

    d_model: int
    """D, width of the language model and of the network's hidden states."""
    tied: bool
    """The language model reads out with its input table: one head; else two, and the input and the
    output row of a piece enter side by side."""
    bias: bool = False
    """The language model adds a bias to its logits; a head predicts it."""
    form: Literal["residual", "zett"] = "residual"
    """'residual': row = residual + alpha / sqrt(D) * head, whose last matrix starts at zero, so
    that untrained it is FVT (arXiv 2503.20083, section 3.3, and DEFINITIONS of this project);
    'zett': row = rescaled head (arXiv 2405.07883, section 3.1), which has to learn even the
    identity first."""
    residual: Literal["mean", "first"] = "mean"
    """Of all pieces the 'mean', or the 'first' piece."""
    alpha: float = 1.0
    """Size of what the residual form adds."""
    num_layers: int = 3
    """Of the bidirectional post-norm encoder."""
    num_heads: int | None = None
    """None: one for every 64 of D (at least one)."""
    ffn_factor: int = 2
    """Width of the feed-forward layers over D."""
    max_slots: int = 8
    """P; a token of more pieces has the mean of the rest in its last slot."""
    languages: int = 0
    """Rows of the table of languages, one of which is appended to every token; 0: none."""
    dtype: str = "float32"
    """Of activations, 'float32' or 'bfloat16'; parameters and predictions are float32."""
    remat: bool = False
    """Compute each layer again in the backward pass (memory for time)."""

    def __post_init__(self):
        for name in ("d_model", "num_layers", "heads", "ffn_factor", "max_slots"):
            if getattr(self, name) < 1:
                raise UsageError(f"hypernetwork: {name} must be at least 1")
        if self.d_model % self.heads:
            raise UsageError(f"hypernetwork: {self.heads} heads do not divide D={self.d_model}")
        if self.form not in FORMS:
            raise UsageError(f"form must be one of {', '.join(FORMS)}, not {self.form!r}")
        if self.residual not in ("mean", "first"):
            raise UsageError(f"residual must be mean or first, not {self.residual!r}")
        if self.dtype not in ("float32", "bfloat16"):
            raise UsageError(f"dtype must be float32 or bfloat16, not {self.dtype!r}")

    @property
    def heads(self) -> int:
        """Attention heads, the default filled in."""
        return max(1, self.d_model // 64) if self.num_heads is None else self.num_heads

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the tables that are predicted."""
        return ("input",) if self.tied else ("input", "output")


def from_dict(fields: Any) -> HypernetworkConfig:
    """The config that `dataclasses.asdict` described.

    Raises:
      UsageError: if a field is unknown, missing or out of range.
    """
    try:
        return HypernetworkConfig(**fields)
    except TypeError as error:
        raise UsageError(f"no usable hypernetwork config ({error})") from None
