"""The evaluation loop: sums over a whole split, added on the host in float64."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from research.training import parallelism, sharding_rules
from research.training.config import ParallelismConfig
from research.training.sharding_rules import LANGUAGE_MODEL_RULES
from research.training.step import LossFn, sum_over_devices

# Batches in flight: enough that a device never waits, few enough to hold little memory.
_IN_FLIGHT = 8


class EvalTotals(NamedTuple):
    """Exact sums over a text."""

    nats: float
    """-ln p summed over all counted targets, float64, EOS included."""
    tokens: int
    """Counted targets."""
    bytes: int
    """Bytes of the original text (special tokens have none)."""
    others: dict[str, float]
    """The loss function's other sums ('correct', ...), float64."""

    @property
    def bits_per_byte(self) -> float:
        """nats / ln 2 / bytes."""
        return self.nats / float(np.log(2.0)) / self.bytes

    @property
    def bytes_per_token(self) -> float:
        """The compression ratio in tokens, specials counted."""
        return self.bytes / self.tokens


# evaluate(params, batches, num_bytes) -> totals; the same for all splits, compiled once per shape.
Evaluator = Callable[[Any, Iterable[dict[str, np.ndarray]], int], EvalTotals]


def make_evaluator(
    loss_fn: LossFn,
    config: ParallelismConfig,
    mesh: Mesh,
    params: Any,
) -> Evaluator:
    """Compiles an evaluation for parameters like a language model's `params` (real or abstract).

    The batches are this process's share, as many on every process; parameters of another
    sharding are moved first.
    """
    whole = parallelism.replicated(config, mesh)
    if config.kind == "pmap":
        shardings = jax.tree.map(lambda _: whole, params)
    else:
        shardings = sharding_rules.param_shardings(
            params, mesh, LANGUAGE_MODEL_RULES, fsdp=config.fsdp
        )
    step = _make_eval_step(loss_fn, config, mesh, shardings)

    def evaluate(params, batches, num_bytes):
        params = jax.device_put(params, shardings)
        totals: dict[str, float] = {}
        waiting = []

        def settle(left):
            while len(waiting) > left:
                for name, value in jax.device_get(waiting.pop(0)).items():
                    totals[name] = totals.get(name, 0.0) + float(value)

        for batch in batches:
            waiting.append(step(params, parallelism.put_batch(config, mesh, batch)))
            settle(_IN_FLIGHT)
        settle(0)
        nats, tokens = totals.pop("nats", 0.0), totals.pop("tokens", 0.0)
        return EvalTotals(nats, round(tokens), num_bytes, totals)

    return evaluate


def _make_eval_step(
    loss_fn: LossFn, config: ParallelismConfig, mesh: Mesh, params_shardings: Any
) -> Any:
    """step(params, batch) -> sums {'nats', 'tokens', ...} over the whole batch; nothing donated."""
    collect = sum_over_devices(config)

    def step(params, batch) -> dict[str, jax.Array]:
        objective, sums = loss_fn(params, batch)
        return collect({"nats": objective, **sums})

    return parallelism.parallelize(
        step,
        config,
        mesh,
        in_shardings=params_shardings,
        out_shardings=parallelism.replicated(config, mesh),
        donate=False,
    )
