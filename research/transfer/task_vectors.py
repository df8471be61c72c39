"""What training did to a trunk, added to another trunk (arXiv 2405.07883, section 4.3).

A base model's hypernetwork also serves the base's fine-tuned variants: the rows that it predicts
from the base's rows are put into the variant. Where the base was trained on with the new tokenizer
(n-shot), the change of its trunk can be added as well, `weight` times (task arithmetic,
arXiv 2212.04089).
"""

from typing import Any

import jax

from research.errors import UsageError
from research.models.saved import flatten


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
        lambda own, old, new: (own + weight * (new - old)).astype(own.dtype), params, before, after
    )
