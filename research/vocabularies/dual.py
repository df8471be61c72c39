"""Rows with a part that all ids share and a part that is drawn for each."""

import dataclasses

import jax
import jax.numpy as jnp

from research.vocabularies import random_rows
from research.vocabularies.drawn import Drawn


@dataclasses.dataclass(frozen=True)
class Dual(Drawn):
    """A shared learned part beside a random one, each normalised, and the whole.

    Interchangeable token embeddings (Isik et al. 2025, arXiv 2410.17161): row = normalise
    [normalise(alpha) ; normalise(beta_v)], alpha learned and the same for all ordinary ids, beta_v
    drawn; logits are cosines times a learned scale of at most 100. Memory as `Drawn`.

    Attributes:
      share: of the D entries, those of alpha.
    """

    kind: str = dataclasses.field(default="dual", init=False)
    share: float = 0.5

    def init(self, key, rows, d_model):
        """Those of `Drawn`, and shared_D (alpha, as many entries as it has), scale (log)."""
        keys = jax.random.split(key)
        size = self._shared_size(d_model)
        return {
            **Drawn.init(self, keys[0], rows, d_model),
            "shared_D": jax.random.normal(keys[1], (size,)) * size**-0.5,
            "log_scale": jnp.log(jnp.asarray(d_model**0.5, jnp.float32)),
        }

    def _shared_size(self, d_model):
        return min(d_model - 1, max(1, round(self.share * d_model)))

    def _random(self, keys_B, ids_BxN, d_model):
        return random_rows.rows("sphere", keys_B, ids_BxN, d_model - self._shared_size(d_model))

    def _whole(self, params, drawn):
        shared_D = params["shared_D"] / jnp.linalg.norm(params["shared_D"])
        shared = jnp.broadcast_to(shared_D, (*drawn.shape[:-1], len(shared_D)))
        return jnp.concatenate([shared, drawn], axis=-1) * 0.5**0.5

    def _readout_input(self, table, x):
        scale = jnp.minimum(jnp.exp(table.params["log_scale"]), 100.0)
        wide = x.astype(jnp.float32)
        norm = jnp.sqrt(jnp.sum(jnp.square(wide), axis=-1, keepdims=True) + 1e-12)
        return (wide / norm * scale).astype(x.dtype)

    def _log_mean_exp(self, table, x_BxCxD):
        x_BxCxD = self._readout_input(table, x_BxCxD).astype(jnp.float32) * 0.5**0.5
        shared_D = table.params["shared_D"] / jnp.linalg.norm(table.params["shared_D"])
        size = len(shared_D)
        mean = jnp.einsum("bcd,d->bc", x_BxCxD[:, :, :size], shared_D)
        spread = jnp.sum(jnp.square(x_BxCxD[:, :, size:]), axis=-1)
        return mean + spread / (2 * (x_BxCxD.shape[-1] - size))
