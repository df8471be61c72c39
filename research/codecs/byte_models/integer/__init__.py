"""A Transformer byte model in integers: the same frequencies on every machine, by construction.

`quantize.py` makes it of a trained `TransformerModel`. `reference.py` (numpy, int64, plain) and
`xla.py` (JAX, int32, compiled) compute it; a file that one encoded the other decodes.

Specification. All numbers are integers; x >> s is floor(x / 2^s), R(x, s) is floor(x / 2^s + 1/2)
with s at most 30, for s < 0 x 2^-s, and in both cases the result is clipped to +-2^24. No table is
computed where the model runs: all are in its file.

* Linear [I, J]. The input row is q (int8, at most 127) c 2^e; acc = q W (int8 weights, int32 sums);
  y_j = R(((acc 2^up a_j) >> 16) c >> 16, s_j - e), up = 16 - ceil(log2 I), with a scale a_j < 2^15
  and a shift s_j for each output. As I <= 2^16, |acc 2^up| < I 2^14 2^up <= 2^30.
* q c 2^e of a row x, |x| < 2^30: l = bits of max|x|, a = x 2^(30-l), m = max|a| >> 15 (2^14 <= m
  < 2^15), q = R((a floor(127 2^22 / m)) >> 16, 21); c = m, e = l - 15. Its unit is 1/127.
* The same of a row normed to mean square one (RMSNorm; its scale is in W): b = floor((29 - bits of
  D) / 2), y = R(a, 30 - b), t = max(1, sum y^2) < 2^30, k = floor((30 - bits of t) / 2), r =
  floor(sqrt(t 4^k)), c = floor(m 2^15 / r), e = b + k - 30; if c >= 2^15 it is halved, e + 1. Its
  unit is sqrt(D) / 127.
* Residual stream: the embedding's int16 row, then sums, clipped to +-2^24.
* Queries, keys, values: at most 2047. Rotary: position = 256 h + l (mod 2^16); the rotations by
  256 h and l are in a table in units of 2^-14; their product and the result are rounded by R.
* Scores: R((q.k a) >> 16, s) + bias, in units of 2^-10 of the base-2 logarithm; q.k < 2^31 as
  K <= 512. With d = peak - score: w = T[d mod 1024] >> (5 + d >> 10), T[i] = 2^(20 - i / 1024).
  Shares in units of 2^-18: W = sum w < 2^30 as at most 2^15 positions are seen, l = bits of W,
  v = floor(2^29 / (W >> (l - 15))), share = R(w v, l - 4). A sum of shares times values is < 2^30.
* MLP: up and gate at most 32767; the activation is x S[R(gate, s) + 2048] in units of 2^-15 (S:
  4096 entries, 128 for 1), rounded by R; or max(x, 0).
* Counts q of the coder (`coder/frequencies.py`): logits in the unit of scores, w = T[d mod 1024] >>
  (d >> 10), W, l, v as above, q = R(((w 2^10) v) >> 16, l - 9), in units of 2^-17.

A position sees itself and the S - 1 before it, S being the codec's context.
"""

import dataclasses
import functools
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from research.artifact import flatten, unflatten, write_arrays
from research.codecs import byte_models
from research.codecs.byte_models import Stepper
from research.codecs.byte_models.integer.host import HostModel
from research.codecs.byte_models.integer.layout import SYMBOLS, abstract_arrays
from research.codecs.coder.frequencies import check
from research.files import atomic_path
from research.models.sizes import TrunkConfig

_ARRAYS = "integers.safetensors"
# All of the config that the arrays do not hold; a digest must not change as the config grows.
_SHAPE = (
    "d_model", "num_heads", "head_dim", "num_layers", "mlp_dim", "num_kv_heads", "mlp", "positions",
    "max_distance", "qk_norm",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class IntegerModel:
    """A Transformer of integers as an `ExactByteModel`.

    Raises:
      UsageError: a shape that has no integer form, or beta out of range.
    """

    arrays: dict[str, Any]
    """Integer arrays, as `layout.abstract_arrays` says."""
    config: TrunkConfig
    """Its shape."""
    beta: int = 14
    """Frequencies sum to 2**beta."""
    name: str = "integer"
    """What tables call it."""
    context: int = 1024
    """Symbols that `window_frequencies` looks at."""
    exact: ClassVar[bool] = True

    @property
    def order(self) -> None:
        """No limit but `context`."""
        return None

    def __post_init__(self):
        abstract_arrays(self.config)
        check(SYMBOLS - 1, self.beta)

    def on_host(self, context: int) -> HostModel:
        """The same model run by numpy, each position looking back `context` symbols."""
        return HostModel(self.arrays, self.config, self.beta, context)

    @functools.cached_property
    def _host(self) -> HostModel:
        return self.on_host(self.context)

    def window_frequencies(self, contexts: Sequence[bytes], symbols: int = 256) -> np.ndarray:
        """Frequencies of the next symbol after each context, uint32 [N, symbols]; by numpy."""
        return self._host.window_frequencies(contexts, symbols)

    def stepper(self, batch: int, context: int, symbols: int = 256) -> Stepper:
        """Pure functions for `batch` rows that each look back `context` symbols; by JAX."""
        from research.codecs.byte_models.integer import xla

        return xla.stepper(self.arrays, self.config, self.beta, batch, context, symbols)

    def fingerprint(self) -> str:
        """Hex digest of the arrays, the shape and beta."""
        state = hashlib.sha256(repr([self._shape(), self.beta]).encode())
        for name, array in flatten(self.arrays).items():
            state.update(f"{name} {array.dtype} {array.shape}".encode())
            state.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
        return state.hexdigest()

    def save(self, directory: str | os.PathLike) -> None:
        """Writes model.json and integers.safetensors into the folder `directory`."""
        with atomic_path(directory, directory=True, mark=byte_models.SPEC.file) as temporary:
            digest = write_arrays(temporary / _ARRAYS, flatten(self.arrays), directory)
            fields = {name: getattr(self, name) for name in ("name", "beta", "context")}
            fields |= {"config": self._shape(), "integers": digest}
            byte_models.SPEC.write(temporary, {"kind": "integer"} | fields)

    @classmethod
    def from_directory(cls, directory: Path, meta: Mapping[str, Any]) -> "IntegerModel":
        """Opens what `save` wrote."""
        config = TrunkConfig(**meta["config"])
        expected = flatten(abstract_arrays(config))
        arrays = byte_models.SPEC.read_arrays(directory / _ARRAYS, meta["integers"], expected)
        return cls(unflatten(arrays), config, meta["beta"], meta["name"], meta["context"])

    def _shape(self) -> dict[str, Any]:
        return {name: getattr(self.config, name) for name in _SHAPE}
