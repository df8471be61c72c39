"""Evaluating a model whose vocabulary is drawn: averages over K draws.

A model with random tables is lexinvariant only in distribution; its p(x) is the expectation over
tables (paper, section 2.3; it appears to evaluate one draw). With K draws there are two averages,
both of probabilities, not of logarithms, and both language models themselves:

* conditionals: at each position the mean of the K predictions, p(x_t | x_<t) = mean of p_k;
* joint: the mean of the K probabilities of the whole sequence; its conditionals weigh each draw
  by how well it did so far.

By Jensen's inequality neither loses more than the draws do on average. Both need no more than the
probability of the target, so draws are taken one after another and nothing [K, B, L, V] is held.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from research.errors import UsageError


class Averaged(NamedTuple):
    """Nats of each position, float64 [B, L], under the two averages; either sums to a loss."""

    conditionals_BxL: np.ndarray
    joint_BxL: np.ndarray


def averaged(draws: Iterable[np.ndarray], counts: Sequence[int]) -> dict[int, Averaged]:
    """Averages over the first K draws for every K of `counts`.

    Args:
      draws: nats [B, L] of the targets, one array for each draw; max(counts) of them are taken.
      counts: the K.

    Raises:
      UsageError: if a K is below 1, or there are fewer draws.
    """
    if not counts or min(counts) < 1:
        raise UsageError(f"the numbers of draws are at least 1, not {tuple(counts)}")
    by_count: dict[int, Averaged] = {}
    conditionals_BxL = joint_BxL = np.zeros(())
    stream = iter(draws)
    for number in range(1, max(counts) + 1):
        nats_BxL = next(stream, None)
        if nats_BxL is None:
            raise UsageError(f"{number - 1} draws are fewer than {max(counts)}")
        log_p_BxL = -np.asarray(nats_BxL, np.float64)
        log_past_BxL = np.cumsum(log_p_BxL, axis=1)
        if number == 1:
            conditionals_BxL, joint_BxL = log_p_BxL, log_past_BxL
        else:
            conditionals_BxL = np.logaddexp(conditionals_BxL, log_p_BxL)
            joint_BxL = np.logaddexp(joint_BxL, log_past_BxL)
        if number in counts:
            log_mean_BxL = joint_BxL - np.log(number)
            by_count[number] = Averaged(
                np.log(number) - conditionals_BxL, -np.diff(log_mean_BxL, axis=1, prepend=0.0)
            )
    return by_count
