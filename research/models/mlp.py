"""The MLP of a block: gated (three matrices) or plain (two)."""

import functools

import flax.linen as nn
import jax

from research.models.projection import Projection
from research.models.sizes import TrunkConfig, residual_gain

_ACTIVATIONS = {
    "gelu": functools.partial(jax.nn.gelu, approximate=True),
    "gelu_erf": functools.partial(jax.nn.gelu, approximate=False),
    "silu": jax.nn.silu,
    "relu": jax.nn.relu,
}

# Elementwise work is computed again in the backward pass: keeping its steps, each [B, L, F], takes
# more memory, and on a CPU more time, than the two inputs that they follow from.
_cheaply = functools.partial(jax.checkpoint, prevent_cse=False)


class MLP(nn.Module):
    """[..., D] -> [..., D].

    Parameters: gate/kernel [D, F] (gated only), up/kernel [D, F], down/kernel [F, D]; with
    mlp_bias also {gate,up}/bias [F] and down/bias [D].
    Gated: down(act(gate(x)) * up(x)) (Shazeer 2020; T5.1.1 has act = GELU by tanh).
    """

    config: TrunkConfig

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        config = self.config
        activation = _ACTIVATIONS[config.mlp.removeprefix("gated_")]
        settings = {"dtype": config.dtype, "bias": config.mlp_bias}
        hidden = Projection((config.mlp_dim,), name="up", **settings)(x)
        if config.gated:
            gate = Projection((config.mlp_dim,), name="gate", **settings)(x)
            hidden = _cheaply(lambda gate, up: activation(gate) * up)(gate, hidden)
        else:
            hidden = _cheaply(activation)(hidden)
        gain = residual_gain(config)
        return Projection((config.d_model,), gain=gain, name="down", **settings)(hidden)
