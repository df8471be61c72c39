"""Shapes of the trunk: one frozen config, the papers' sizes by name, and their kernel counts."""

import dataclasses
import math

from research.errors import UsageError

MLPS = ("gated_gelu", "gated_silu", "gated_relu", "gelu", "relu")
POSITIONS = ("t5", "rotary", "none")


@dataclasses.dataclass(frozen=True)
class TrunkConfig:
    """The shape of a trunk. Hashable, so it can be a static argument of `jax.jit`.

    Attributes:
      d_model: D, width of the residual stream.
      num_heads: query heads H.
      head_dim: K, width of a head (H * K need not be D).
      num_layers: blocks.
      mlp_dim: F.
      num_kv_heads: key and value heads; None means H. Must divide H.
      mlp: 'gated_gelu' (three matrices, T5.1.1; the paper's counts fit only three), 'gated_silu',
        'gated_relu', or the two-matrix 'gelu' and 'relu'.
      positions: 't5' (bucketed relative bias, one table per layer), 'rotary' or 'none'.
      num_buckets, max_distance: of the T5 bias.
      rotary_base: wavelength base of the rotary embedding.
      qk_norm: RMSNorm over K of queries and keys, one scale per layer for each.
      causal: each position sees itself and the past; False: the whole segment.
      scale_inputs: multiply the input vectors by sqrt(D), so that table rows of variance 1/D
        enter the first block with variance 1.
      norm_epsilon: added to the mean square in RMSNorm.
      dtype: of activations, 'float32' or 'bfloat16'; parameters are always float32.
      remat: recompute each block in the backward pass (memory for time).
      scan_layers: one compiled block run `num_layers` times; False unrolls (slower to compile,
        a little faster to run). The parameters are the same either way: stacked, layer first.
      row_invariant: decode rows one after another, so that a row's numbers depend on nothing but
        that row, whatever the batch and its size; slow, see `research.models.rows`.
      ngram_heads: orders of the n-gram heads of every block, see `research.models.ngram_heads`;
        whole sequences only, no decoding.
    """

    d_model: int
    num_heads: int
    head_dim: int
    num_layers: int
    mlp_dim: int
    num_kv_heads: int | None = None
    mlp: str = "gated_gelu"
    positions: str = "t5"
    num_buckets: int = 32
    max_distance: int = 128
    rotary_base: float = 10000.0
    qk_norm: bool = False
    causal: bool = True
    scale_inputs: bool = True
    norm_epsilon: float = 1e-6
    dtype: str = "float32"
    remat: bool = False
    scan_layers: bool = True
    row_invariant: bool = False
    ngram_heads: tuple[int, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "ngram_heads", tuple(self.ngram_heads))  # JSON has lists
        for name in ("d_model", "num_heads", "head_dim", "num_layers", "mlp_dim", "kv_heads"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.num_heads % self.kv_heads:
            raise UsageError(f"num_kv_heads={self.kv_heads} must divide num_heads={self.num_heads}")
        if self.mlp not in MLPS:
            raise UsageError(f"mlp must be one of {', '.join(MLPS)}, not {self.mlp!r}")
        if self.positions not in POSITIONS:
            raise UsageError(
                f"positions must be one of {', '.join(POSITIONS)}, not {self.positions!r}"
            )
        if self.positions == "rotary" and self.head_dim % 2:
            raise UsageError(f"rotary positions need an even head_dim, not {self.head_dim}")
        if self.num_buckets < 4 or self.num_buckets % 4:
            raise UsageError(f"num_buckets must be a multiple of 4, not {self.num_buckets}")
        if self.max_distance <= self.num_buckets:
            raise UsageError(
                f"max_distance={self.max_distance} must exceed num_buckets={self.num_buckets}"
            )
        orders = self.ngram_heads
        if len(set(orders)) < len(orders) or not all(1 <= order <= 100 for order in orders):
            raise UsageError(f"ngram_heads must be different orders from 1 to 100, not {orders}")
        if self.dtype not in ("float32", "bfloat16"):
            raise UsageError(f"dtype must be float32 or bfloat16, not {self.dtype!r}")

    @property
    def kv_heads(self) -> int:
        """Key and value heads, the default filled in."""
        return self.num_heads if self.num_kv_heads is None else self.num_kv_heads

    @property
    def gated(self) -> bool:
        """True if the MLP has three matrices."""
        return self.mlp.startswith("gated_")


def _paper(d_model: int, num_heads: int, num_layers: int, mlp_dim: int) -> TrunkConfig:
    return TrunkConfig(d_model, num_heads, 64, num_layers, mlp_dim)


def _llama(config: TrunkConfig) -> TrunkConfig:
    """The same widths as Llama has them, so that the model can be written as a Llama checkpoint."""
    return dataclasses.replace(config, mlp="gated_silu", positions="rotary", norm_epsilon=1e-5)


# tiny: tests. mini, small: minutes on two cores (524 k and 1.03 M kernels); two layers unrolled
# are quicker there than a scan.
# 3m to 2b: arXiv 2404.03626, Table 4. 151m: arXiv 2305.16349, section 3.1. llama-NAME: what can be
# written as a Hugging Face checkpoint.
SIZES = {
    "tiny": TrunkConfig(32, 2, 16, 1, 64, scan_layers=False),
    "mini": TrunkConfig(128, 4, 32, 2, 512, scan_layers=False),
    "small": TrunkConfig(192, 6, 32, 2, 640, scan_layers=False),
    "3m": _paper(256, 4, 3, 1024),
    "25m": _paper(512, 8, 6, 2048),
    "113m": _paper(768, 12, 12, 3072),
    "403m": _paper(1024, 16, 24, 4096),
    "2b": _paper(2048, 32, 24, 8192),
    "151m": TrunkConfig(1024, 8, 128, 12, 4096, mlp="gelu", positions="rotary", qk_norm=True),
}
# The real checkpoints of arXiv 2405.07883.
SIZES |= {
    "tinyllama-1.1b": _llama(TrunkConfig(2048, 32, 64, 22, 5632, num_kv_heads=4)),
    "mistral-7b": _llama(TrunkConfig(4096, 32, 128, 32, 14_336, num_kv_heads=8)),
}
SIZES |= {f"llama-{name}": _llama(SIZES[name]) for name in ("tiny", "mini", "small", "3m", "25m")}


def size(name: str, **changes) -> TrunkConfig:
    """The named size with fields replaced, e.g. `size('25m', dtype='bfloat16', remat=True)`.

    Raises:
      UsageError: if the name or a field is unknown.
    """
    if name not in SIZES:
        raise UsageError(f"unknown model size {name!r}; choose from {', '.join(SIZES)}")
    fields = {field.name for field in dataclasses.fields(TrunkConfig)}
    if unknown := sorted(set(changes) - fields):
        raise UsageError(f"TrunkConfig has no field {', '.join(unknown)}")
    return dataclasses.replace(SIZES[name], **changes)


def kernel_count(config: TrunkConfig) -> int:
    """Entries of all weight matrices: no norms, position tables or embeddings (the paper's N)."""
    queries = config.num_heads * config.head_dim
    keys = config.kv_heads * config.head_dim
    attention = 2 * config.d_model * (queries + keys)
    mlp = (3 if config.gated else 2) * config.d_model * config.mlp_dim
    ngram_heads = (len(config.ngram_heads) + 1) * config.d_model**2 if config.ngram_heads else 0
    return config.num_layers * (attention + mlp + ngram_heads)


def residual_gain(config: TrunkConfig) -> float:
    """Factor on the initial `out` and `down` kernels: 2 * num_layers branches add to variance 1."""
    return 1.0 / math.sqrt(2 * config.num_layers)
