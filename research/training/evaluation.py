"""The evaluation loop: sums over a whole split, added on the host in float64."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from research.training import parallelism, sharding_rules
from research.training import step as steps
from research.training.config import ParallelismConfig
from research.training.sharding_rules import LANGUAGE_MODEL_RULES, Rule

# Batches in flight: enough that a device never waits, few enough to hold little memory.
_IN_FLIGHT = 8


class Sums(NamedTuple):
    """Exact sums over a text.

    Attributes:
      nats: -ln p summed over all counted targets, float64, EOS included.
      tokens: counted targets.
      bytes: bytes of the original text (special tokens have none).
      others: the loss function's other sums ('correct', ...), float64.
    """

    nats: float
    tokens: int
    bytes: int
    others: dict[str, float]

    @property
    def bits_per_byte(self) -> float:
        """nats / ln 2 / bytes."""
        return self.nats / float(np.log(2.0)) / self.bytes

    @property
    def bytes_per_token(self) -> float:
        """The compression ratio in tokens, specials counted."""
        return self.bytes / self.tokens


# evaluate(params, batches, num_bytes) -> Sums; the same for all splits, compiled once per shape.
Evaluator = Callable[[Any, Iterable[dict[str, np.ndarray]], int], Sums]


def make_evaluator(
    loss_fn: steps.LossFn,
    config: ParallelismConfig,
    mesh: Mesh,
    params: Any,
    *,
    rules: Sequence[Rule] = LANGUAGE_MODEL_RULES,
) -> Evaluator:
    """Compiles an evaluation for parameters like `params` (real or abstract).

    The batches are this process's share, as many on every process; parameters of another
    sharding are moved first.
    """
    whole = parallelism.replicated(config, mesh)
    if config.kind == "pmap":
        shardings = jax.tree.map(lambda _: whole, params)
    else:
        shardings = sharding_rules.param_shardings(params, mesh, rules, fsdp=config.fsdp)
    step = steps.make_eval_step(loss_fn, config, mesh, shardings)

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
        return Sums(nats, round(tokens), num_bytes, totals)

    return evaluate
