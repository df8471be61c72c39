"""Shapes of the trunk: one frozen config, the papers' sizes by name, and their kernel counts."""

import dataclasses
import math
from typing import Any

from research.errors import UsageError

ACTIVATIONS = ("gelu", "gelu_erf", "silu", "relu")
MLPS = tuple(f"{gate}{name}" for gate in ("gated_", "") for name in ACTIVATIONS)
POSITIONS = ("t5", "rotary", "learned", "none")
NORMS = ("rms", "rms_plus_one", "layer")
ROTARY_KINDS = ("default", "linear", "dynamic", "llama3", "yarn")
NORM_ORDERS = ("pre", "post", "sandwich")


@dataclasses.dataclass(frozen=True)
class RotaryScaling:
    """Frequencies f_i = base^(-2 i / K) of a rotary embedding, changed."""

    kind: str = "default"
    """'default' leaves them. 'linear' divides them by the factor. 'dynamic' (NTK): for sequences of
    T > length positions the base grows by (factor T / length - (factor - 1))^(K / (K - 2)); T is
    the largest position of the batch plus one. 'llama3': wavelengths above length / low_frequency
    are stretched by the factor, those below length / high_frequency stay, those between are
    interpolated. 'yarn' (Peng et al. 2023): likewise, but interpolated by the frequency's number i,
    and the rotated queries and keys grow by `attention`."""
    factor: float = 1.0
    """See above."""
    length: int | None = None
    """Positions that the model was trained with ('dynamic', 'llama3', 'yarn')."""
    low_frequency: float = 1.0
    high_frequency: float = 4.0
    """`low_frequency`, `high_frequency`: turns within `length` ('llama3', and 'yarn': 1 and 32)."""
    attention: float = 1.0
    """Factor of queries and of keys ('yarn': usually .1 ln(factor) + 1)."""
    truncate: bool = True
    """Whether interpolation begins and ends at whole numbers i ('yarn')."""

    def __post_init__(self):
        if self.kind not in ROTARY_KINDS:
            raise UsageError(
                f"rotary scaling {self.kind!r} is not one of {', '.join(ROTARY_KINDS)}"
            )
        if self.kind in ("dynamic", "llama3", "yarn") and (self.length is None or self.length < 1):
            raise UsageError(f"rotary scaling {self.kind} needs the length of the training")
        if not self.factor >= 1.0 or not 0 < self.low_frequency < self.high_frequency:
            raise UsageError(
                f"rotary scaling needs a factor of at least 1 and frequencies in order, not {self}"
            )
        if not self.attention > 0:
            raise UsageError(f"rotary scaling needs a positive attention, not {self.attention}")


@dataclasses.dataclass(frozen=True)
class TrunkConfig:
    """The shape of a trunk. Hashable, so it can be a static argument of `jax.jit`."""

    d_model: int
    """D, width of the residual stream."""
    num_heads: int
    """Query heads H."""
    head_dim: int
    """K, width of a head (H * K need not be D)."""
    num_layers: int
    """Blocks."""
    mlp_dim: int
    """F."""
    num_kv_heads: int | None = None
    """Key and value heads; None means H. Must divide H."""
    mlp: str = "gated_gelu"
    """'gated_gelu' (three matrices, T5.1.1), 'gated_silu', 'gated_relu', or the two-matrix 'gelu'
    and 'relu', ... (`MLPS`). 'gelu' is the one by tanh, 'gelu_erf' the exact one."""
    positions: str = "t5"
    """'t5' (bucketed relative bias, one table per layer), 'rotary', 'learned' (rows that are added
    to the inputs) or 'none'."""
    num_buckets: int = 32
    max_distance: int = 128
    """`num_buckets`, `max_distance`: of the T5 bias."""
    rotary_base: float = 10000.0
    """Wavelength base of the rotary embedding."""
    qk_norm: bool = False
    """RMSNorm over K of queries and keys, one scale per layer for each."""
    causal: bool = True
    """Each position sees itself and the past; False: the whole segment."""
    scale_inputs: bool = True
    """Multiply the input vectors by sqrt(D), so that table rows of variance 1/D enter the first
    block with variance 1."""
    norm_epsilon: float = 1e-6
    """Added to the mean square in RMSNorm."""
    dtype: str = "float32"
    """Of activations, 'float32' or 'bfloat16'; parameters are always float32."""
    remat: bool = False
    """Recompute each block in the backward pass (memory for time)."""
    scan_layers: bool = True
    """One compiled block run `num_layers` times; False unrolls (slower to compile, a little faster
    to run). The parameters are the same either way: stacked, layer first."""
    row_invariant: bool = False
    """Decode rows one after another, so that a row's numbers depend on nothing but that row,
    whatever the batch and its size; slow, see `research.models.cache`."""
    ngram_heads: tuple[int, ...] = ()
    """Orders of the n-gram heads of every block, see `research.models.ngram_heads`; whole sequences
    only, no decoding."""
    # From here on: FAMILY_FIELDS.
    norm: str = "rms"
    """'rms'; 'rms_plus_one', which multiplies by 1 + scale (Gemma); or 'layer', with a bias."""
    norm_order: str = "pre"
    """'pre': x + f(norm(x)). 'post': norm(x + f(x)), and no final norm (RoBERTa). 'sandwich': x +
    norm(f(norm(x))) (Gemma 2)."""
    qkv_bias: bool = False
    out_bias: bool = False
    mlp_bias: bool = False
    """`qkv_bias`, `out_bias`, `mlp_bias`: biases of query, key and value; of attention's output; of
    every matrix of the MLP."""
    max_positions: int | None = None
    """Rows of the learned position table; a position past them makes NaNs."""
    position_offset: int = 0
    """Added to a position before its row is looked up (RoBERTa: padding id + 1)."""
    token_types: int = 0
    """Rows of a token-type table, of which the first is added to every input; 0: none."""
    input_norm: bool = False
    """Norm the inputs (positions added) before the first block."""
    head_transform: bool = False
    """Matrix with bias, exact GELU and norm after the last block (a masked model's)."""
    rotary_scaling: RotaryScaling | None = None
    """How rotary frequencies are stretched for longer texts; None: not at all."""
    window: int | None = None
    """A position sees only this many, itself included; None: all. Causal trunks only."""
    windowed_layers: tuple[bool, ...] = ()
    """For each layer whether it has the window; empty: all have."""
    score_softcap: float | None = None
    """Attention scores s become c tanh(s / c) before the mask; None: no cap."""
    score_scale: float | None = None
    """Factor on scores; None: 1 / sqrt(K)."""
    embedding_dim: int | None = None
    """E, width of the vocabulary's rows; two matrices lead from E to D and from D to E (ALBERT's
    factorised embedding), so that a table of many rows is small. None: D."""
    output_map: bool = False
    """A matrix [D, D] after the last norm, zeros at first, so that a tied readout starts uniform.
    Without it the last norm hands the input's row on to its own readout: with rows of norm 1 its
    logit is sqrt(D), and training begins with p(the same symbol again) = .99."""

    def __post_init__(self):
        for name in ("ngram_heads", "windowed_layers"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # JSON has lists
        if isinstance(self.rotary_scaling, dict):
            object.__setattr__(self, "rotary_scaling", RotaryScaling(**self.rotary_scaling))
        for name in ("d_model", "num_heads", "head_dim", "num_layers", "mlp_dim", "kv_heads"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.num_heads % self.kv_heads:
            raise UsageError(f"num_kv_heads={self.kv_heads} must divide num_heads={self.num_heads}")
        choices = {"mlp": MLPS, "positions": POSITIONS, "norm": NORMS, "norm_order": NORM_ORDERS}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise UsageError(
                    f"{name} must be one of {', '.join(known)}, not {getattr(self, name)!r}"
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
        self._check_family_fields()

    def _check_family_fields(self) -> None:
        if (self.positions == "learned") != (self.max_positions is not None):
            raise UsageError("learned positions, and only they, need max_positions")
        if self.rotary_scaling is not None and self.positions != "rotary":
            raise UsageError("rotary_scaling needs rotary positions")
        if self.ngram_heads and self.norm_order != "pre":
            raise UsageError("n-gram heads need norm_order pre")
        if self.window is not None and (self.window < 1 or not self.causal):
            raise UsageError("a window must be at least 1, in a causal trunk")
        if self.windowed_layers and len(self.windowed_layers) != self.num_layers:
            raise UsageError(
                f"windowed_layers has {len(self.windowed_layers)} entries for {self.num_layers}"
                " layers"
            )
        if self.windowed_layers and self.window is None:
            raise UsageError("windowed_layers needs a window")
        for name in ("score_softcap", "score_scale", "max_positions", "embedding_dim"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise UsageError(f"{name} must be positive, not {getattr(self, name)}")

    @property
    def kv_heads(self) -> int:
        """Key and value heads, the default filled in."""
        return self.num_heads if self.num_kv_heads is None else self.num_kv_heads

    @property
    def row_dim(self) -> int:
        """Width of the vocabulary's rows: E, or D where they are not factorised."""
        return self.d_model if self.embedding_dim is None else self.embedding_dim

    @property
    def gated(self) -> bool:
        """True if the MLP has three matrices."""
        return self.mlp.startswith("gated_")

    @property
    def family_options(self) -> dict[str, Any]:
        """Those of `FAMILY_FIELDS` that are not at their defaults."""
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        values = {name: getattr(self, name) for name in FAMILY_FIELDS}
        return {name: value for name, value in values.items() if value != defaults[name]}


_FIELDS = [field.name for field in dataclasses.fields(TrunkConfig)]
# Options of few models (most came with other people's families): left out of descriptions where
# they are not used.
FAMILY_FIELDS = tuple(_FIELDS[_FIELDS.index("norm") :])


def _paper(d_model: int, num_heads: int, num_layers: int, mlp_dim: int) -> TrunkConfig:
    return TrunkConfig(d_model, num_heads, 64, num_layers, mlp_dim, mlp="gated_relu")


def _llama(config: TrunkConfig) -> TrunkConfig:
    """The same widths as Llama has them, so that the model can be written as a Llama checkpoint."""
    return dataclasses.replace(config, mlp="gated_silu", positions="rotary", norm_epsilon=1e-5)


# tiny: tests. mini, small: minutes on two cores (524 k and 1.03 M kernels); two layers unrolled
# are quicker there than a scan.
# 3m to 2b: arXiv 2404.03626, section 3.2 and Table 4, which say ReLU and "distinct learnable
# relative attention embeddings" in each layer. Inferred: that the MLP is gated (the table's counts
# fit only three matrices), and that the embeddings are T5's bucketed bias, one table a layer, as in
# T5X, with which the paper was made (Shaw et al., whom it cites, add vectors to keys and values).
# 151m: arXiv 2305.16349, section 3.1, which gives layers, heads and widths of heads and MLP, and
# T5's bias. Inferred, from the code base that has the same numbers (meliad's transformer of 151 M):
# the model's width, ReLU between two matrices, and normed queries and keys.
# llama-NAME: what can be written as a Hugging Face checkpoint.
SIZES = {
    "tiny": TrunkConfig(32, 2, 16, 1, 64, scan_layers=False),
    "mini": TrunkConfig(128, 4, 32, 2, 512, scan_layers=False),
    "small": TrunkConfig(192, 6, 32, 2, 640, scan_layers=False),
    "3m": _paper(256, 4, 3, 1024),
    "25m": _paper(512, 8, 6, 2048),
    "113m": _paper(768, 12, 12, 3072),
    "403m": _paper(1024, 16, 24, 4096),
    "2b": _paper(2048, 32, 24, 8192),
    "151m": TrunkConfig(1024, 8, 128, 12, 4096, mlp="relu", qk_norm=True),
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
    if unknown := sorted(changes.keys() - set(_FIELDS)):
        raise UsageError(f"TrunkConfig has no field {', '.join(unknown)}")
    return dataclasses.replace(SIZES[name], **changes)


def kernel_count(config: TrunkConfig) -> int:
    """Entries of all weight matrices: no norms, position tables or embeddings (the paper's N)."""
    queries = config.num_heads * config.head_dim
    keys = config.kv_heads * config.head_dim
    attention = 2 * config.d_model * (queries + keys)
    mlp = (3 if config.gated else 2) * config.d_model * config.mlp_dim
    ngram_heads = (len(config.ngram_heads) + 1) * config.d_model**2 if config.ngram_heads else 0
    heads = (config.head_transform + config.output_map) * config.d_model**2
    factors = 2 * config.d_model * config.embedding_dim if config.embedding_dim else 0
    return config.num_layers * (attention + mlp + ngram_heads) + heads + factors


def residual_gain(config: TrunkConfig) -> float:
    """Factor on the initial `out` and `down` kernels: 2 * num_layers branches add to variance 1."""
    return 1.0 / math.sqrt(2 * config.num_layers)
