"""Forgetting: rows of a learned vocabulary are drawn again while the rest of the model trains on.

Active forgetting (Chen et al. 2023, arXiv 2307.01163) resets all rows every k steps; temporary
forgetting (Anand et al. 2025, arXiv 2406.00053) does so in the first N steps only; probabilistic
forgetting resets a random share of the ids each time. What is reset, and when, is a
`research.training.config.ForgettingConfig`.

AdamW counts steps by row for it (`scale_by_per_row_adam`); as long as no row is reset it is
optax.adamw. A reset comes before an update, so after a run, and at every checkpoint and evaluation,
the rows have been trained. It is a function of (seed, step): an interrupted run goes on with the
same draws.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import traverse_util

from research.errors import UsageError
from research.training.config import ForgettingConfig
from research.training.sharding_rules import name_of
from research.training.step import TrainState

_STREAM = 0x666F7267  # keeps these draws apart from the initial weights'
_TABLE = re.compile(r"vocabulary/(input|output)_VxD")


class PerRowAdamState(NamedTuple):
    """What AdamW knows."""

    count: jax.Array
    """int32, steps in all."""
    mu: Any
    """Decayed means of gradients, like the parameters."""
    nu: Any
    """Decayed means of their squares."""
    rows: Any
    """For each table, under its name, {'row': int32 [V]}, steps since the row was drawn; named as
    Adafactor's factor over the same axis, so that the same sharding rule fits."""


def is_table(name: str) -> bool:
    """Whether a parameter of this name, such as 'vocabulary/input_VxD', has a row for each id."""
    return _TABLE.fullmatch(name) is not None


def scale_by_per_row_adam(b1: float, b2: float, eps: float) -> optax.GradientTransformation:
    """As optax.scale_by_adam, with a step count for each row of a table.

    A row that is drawn again has seen no gradient: its moments go back to zero, and their bias must
    be corrected by the steps since then, not by those of the run.
    """

    def init(params):
        flat, _ = jax.tree_util.tree_flatten_with_path(params)
        rows = {
            f"{name_of(path)}/row": jnp.zeros(leaf.shape[:1], jnp.int32)
            for path, leaf in flat
            if is_table(name_of(path))
        }
        zeros = optax.tree.zeros_like(params)
        return PerRowAdamState(
            jnp.zeros((), jnp.int32), zeros, zeros, traverse_util.unflatten_dict(rows, sep="/")
        )

    def update(updates, state, params=None):
        del params
        mu = optax.tree.update_moment(updates, state.mu, b1, 1)
        nu = optax.tree.update_moment(updates, state.nu, b2, 2)
        count: Any = optax.safe_increment(state.count)
        rows = jax.tree.map(optax.safe_increment, state.rows)
        counts: Any = traverse_util.flatten_dict(rows, sep="/")

        def one(path, mean, square):
            row = counts.get(f"{name_of(path)}/row")
            steps = count if row is None else row[:, None]
            return mean / (1 - b1**steps) / (jnp.sqrt(square / (1 - b2**steps)) + eps)

        updates = jax.tree_util.tree_map_with_path(one, mu, nu)
        return updates, PerRowAdamState(count, mu, nu, rows)

    return optax.GradientTransformation(init, update)


def forget(
    state: TrainState,
    init_fn: Callable[[jax.Array], Any],
    seed: jax.Array | int,
    share: jax.Array | float,
    keep: Sequence[int] = (),
) -> TrainState:
    """The state with the chosen ids' rows as `init_fn` draws them, and their optimizer at step 0.

    Everything else keeps its bits. Can be compiled; `seed` (uint32) and `share` may be traced.

    Args:
      state: of the AdamW that counts by row.
      init_fn: typed key -> fresh parameters; only its tables' rows are used.
      seed: with state.step, decides the choice and the rows.
      share: each id is chosen with this probability; 1: all.
      keep: ids that are never chosen.

    Raises:
      UsageError: if there is no table with a row for each id.
    """
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), _STREAM), state.step)
    choice_key, rows_key = jax.random.split(key)
    leaves, _ = jax.tree_util.tree_flatten_with_path(state.params)
    sizes = [leaf.shape[:1] for path, leaf in leaves if is_table(name_of(path))]
    if not sizes:
        raise UsageError("forgetting needs a learned vocabulary; this one has no row for each id")
    chosen_V = jax.random.bernoulli(choice_key, share, sizes[0])
    if keep:
        chosen_V &= ~jnp.isin(jnp.arange(len(chosen_V)), jnp.asarray(keep))

    def reset(node):
        return _forget_moments(node, chosen_V) if _is_adam(node) else node

    return state._replace(
        params=redraw(rows_key, state.params, init_fn, chosen_V),
        opt_state=jax.tree.map(reset, state.opt_state, is_leaf=_is_adam),
    )


def redraw(
    key: jax.Array,
    params: Any,
    init_fn: Callable[[jax.Array], Any],
    chosen_V: jax.Array | np.ndarray,
) -> Any:
    """The parameters with the chosen rows (bool [V]) of every table from init_fn(key)."""

    def chosen(old, new):
        return jnp.where(chosen_V[:, None], new, old)

    return _on_tables(chosen, params, init_fn(key))


def compiled(
    init_fn: Callable[[jax.Array], Any], config: ForgettingConfig, shardings: TrainState
) -> Callable[[TrainState, ForgettingConfig, int], TrainState]:
    """forget(state, config, seed) -> state, for states that live in `shardings`; one compilation.

    It is a program of its own, run only where a reset is due: the training step is the same for
    every schedule. The state's memory is reused. Of the config given later only `share` is read.
    """

    def run(state, seed, share):
        return forget(state, init_fn, seed, share, config.keep)

    program = jax.jit(run, out_shardings=shardings, donate_argnums=0)
    return lambda state, config, seed: program(state, np.uint32(seed), np.float32(config.share))


def _forget_moments(state: PerRowAdamState, chosen_V: jax.Array) -> PerRowAdamState:
    """The state with moments and step count of the chosen rows (bool [V]) at zero."""

    def cleared(leaf):
        return jnp.where(chosen_V[:, None], jnp.zeros_like(leaf), leaf)

    rows = jax.tree.map(lambda row_V: jnp.where(chosen_V, 0, row_V), state.rows)
    return PerRowAdamState(
        state.count, _on_tables(cleared, state.mu), _on_tables(cleared, state.nu), rows
    )


def _on_tables(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """`tree` with `function` of each table's leaves in its place."""

    def one(path, leaf, *more):
        return function(leaf, *more) if is_table(name_of(path)) else leaf

    return jax.tree_util.tree_map_with_path(one, tree, *others)


def _is_adam(node: Any) -> bool:
    return isinstance(node, PerRowAdamState)
