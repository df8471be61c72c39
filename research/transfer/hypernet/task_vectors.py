"""What training did to a trunk, added to another trunk (arXiv 2405.07883, section 4.3).

A base model's hypernetwork also serves the base's fine-tuned variants: the rows that it predicts
from the base's rows are put into the variant. Where the base was trained on with the new tokenizer
(n-shot), the change of its trunk can be added as well, `weight` times (task arithmetic,
arXiv 2212.04089).
"""

from collections.abc import Iterable
from typing import Any

import jax
import numpy as np

from research.artifact import flatten
from research.errors import FreevocabError, UsageError

_MODULUS = 1 << 64


def add(params: Any, before: Any, after: Any, weight: float) -> Any:
    """params + weight * (after - before), leaf by leaf; `params` itself for weight 0.

    Args:
      params: of the fine-tuned variant, say its trunk; nested dicts of arrays.
      before, after: of the base model, before and after training; of the same shapes.

    Raises:
      UsageError: if the trees or shapes differ.
    """
    shapes = [
        {name: leaf.shape for name, leaf in flatten(tree).items()}
        for tree in (params, before, after)
    ]
    for other in shapes[1:]:
        wrong = [
            name
            for name in sorted(shapes[0].keys() | other.keys())
            if shapes[0].get(name) != other.get(name)
        ]
        if wrong:
            raise UsageError(f"the task vector is of another model: {wrong[0]} differs")
    if weight == 0:
        return params
    return jax.tree.map(
        lambda own, old, new: added(own, old, new, weight).astype(own.dtype), params, before, after
    )


def added(own: Any, before: Any, after: Any, weight: float) -> Any:
    """One array; exactly `after` where a model gets the whole of its own change."""
    if weight == 1 and own is before:
        return after
    return own + weight * (after - before)


def check_finite(name: str, array: np.ndarray, weight: float) -> None:
    """Raises FreevocabError if an array that a task vector was added to is not finite."""
    if not np.isfinite(array).all():
        raise FreevocabError(
            f"{name} has numbers that are not finite after {weight:g} times the task vector: give "
            "another --task-vector"
        )


def fingerprint(arrays: Iterable[np.ndarray]) -> str:
    """16 hex digits that tell trunks apart, by their float32 numbers in whatever order and layout.

    So a trunk has one fingerprint in our layout and in a Hugging Face folder's. The sum of the
    numbers' bits and that of their squares, modulo 2^64; no protection against forgery.
    """
    total = 0
    for array in arrays:
        bits = np.ascontiguousarray(np.asarray(array, np.float32)).view(np.uint32).reshape(-1)
        bits = bits.astype(np.uint64)
        # 0.0 and -0.0 count alike; the square tells apart what moved from one number to another.
        bits[bits == 1 << 31] = 0
        total += int(bits.sum(dtype=np.uint64)) + 3 * int((bits * bits).sum(dtype=np.uint64))
    return f"{total % _MODULUS:016x}"


def fingerprint_of(trunk: Any) -> str:
    """`fingerprint` of nested dicts of arrays."""
    return fingerprint(np.asarray(leaf) for leaf in jax.tree.leaves(trunk))
