"""AdamW whose tables count the steps of each row, so that a row can start afresh.

A row of a vocabulary's table [V, D] that is drawn anew (`training.optim.forgetting`) has seen no
gradient: its moments go back to zero, and their bias must be corrected by the steps since then, not
by those of the run. As long as no row is reset this is optax.adamw.
"""

import re
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import traverse_util

from research.training.sharding_rules import name_of

_TABLE = re.compile(r"vocabulary/(input|output)_VxD")


class AdamByRowState(NamedTuple):
    """What AdamW knows.

    Attributes:
      count: int32, steps in all.
      mu, nu: decayed means of gradients and of their squares, like the parameters.
      rows: for each table, under its name, {'row': int32 [V]}, steps since the row was drawn;
        named as Adafactor's factor over the same axis, so that the same sharding rule fits.
    """

    count: jax.Array
    mu: Any
    nu: Any
    rows: Any


def is_table(name: str) -> bool:
    """Whether a parameter of this name, such as 'vocabulary/input_VxD', has a row for each id."""
    return _TABLE.fullmatch(name) is not None


def scale_by_adam(b1: float, b2: float, eps: float) -> optax.GradientTransformation:
    """As optax.scale_by_adam, with a step count for each row of a table."""

    def init(params):
        flat, _ = jax.tree_util.tree_flatten_with_path(params)
        rows = {
            f"{name_of(path)}/row": jnp.zeros(leaf.shape[:1], jnp.int32)
            for path, leaf in flat
            if is_table(name_of(path))
        }
        zeros = optax.tree.zeros_like(params)
        return AdamByRowState(
            jnp.zeros((), jnp.int32), zeros, zeros, traverse_util.unflatten_dict(rows, sep="/")
        )

    def update(grads, state, params=None):
        del params
        mu = optax.tree.update_moment(grads, state.mu, b1, 1)
        nu = optax.tree.update_moment(grads, state.nu, b2, 2)
        count = optax.safe_increment(state.count)
        rows = jax.tree.map(optax.safe_increment, state.rows)
        counts = traverse_util.flatten_dict(rows, sep="/")

        def one(path, mean, square):
            row = counts.get(f"{name_of(path)}/row")
            steps = count if row is None else row[:, None]
            return mean / (1 - b1**steps) / (jnp.sqrt(square / (1 - b2**steps)) + eps)

        updates = jax.tree_util.tree_map_with_path(one, mu, nu)
        return updates, AdamByRowState(count, mu, nu, rows)

    return optax.GradientTransformation(init, update)


def forget(state: AdamByRowState, chosen_V: jax.Array) -> AdamByRowState:
    """The state with moments and step count of the chosen rows (bool [V]) at zero."""

    def cleared(path, leaf):
        if not is_table(name_of(path)):
            return leaf
        return jnp.where(chosen_V[:, None], jnp.zeros_like(leaf), leaf)

    return AdamByRowState(
        state.count,
        jax.tree_util.tree_map_with_path(cleared, state.mu),
        jax.tree_util.tree_map_with_path(cleared, state.nu),
        jax.tree.map(lambda row_V: jnp.where(chosen_V, 0, row_V), state.rows),
    )
