"""The MLP of a block: gated (three matrices) or plain (two)."""

import functools

import flax.linen as nn
import jax

from research.models.projection import Projection
from research.models.sizes import TrunkConfig, residual_gain

_ACTIVATIONS = {
    "gelu": functools.partial(jax.nn.gelu, approximate=True),
    "silu": jax.nn.silu,
    "relu": jax.nn.relu,
}

# Elementwise work is computed again in the backward pass: keeping its steps, each [B, L, F], takes
# more memory, and on a CPU more time, than the two inputs that they follow from.
_cheaply = functools.partial(jax.checkpoint, prevent_cse=False)


class MLP(nn.Module):
    """[..., D] -> [..., D].

    Parameters: gate/kernel [D, F] (gated only), up/kernel [D, F], down/kernel [F, D].
    Gated: down(act(gate(x)) * up(x)) (Shazeer 2020; T5.1.1 has act = GELU by tanh).
    """

    config: TrunkConfig

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        config = self.config
        activation = _ACTIVATIONS[config.mlp.removeprefix("gated_")]
        hidden = Projection((config.mlp_dim,), name="up", dtype=config.dtype)(x)
        if config.gated:
            gate = Projection((config.mlp_dim,), name="gate", dtype=config.dtype)(x)
            hidden = _cheaply(lambda gate, up: activation(gate) * up)(gate, hidden)
        else:
            hidden = _cheaply(activation)(hidden)
        gain = residual_gain(config)
        return Projection((config.d_model,), gain=gain, name="down", dtype=config.dtype)(hidden)
