"""A trunk that n-shot training changed, tensor by tensor in a checkpoint's own names and layout.

    new = own + weight * (after - before)

`after` is what training left, `before` the trunk of the model that it began with: the model itself,
which then becomes `after` if all of the change is wanted, or the base of a fine-tuned variant.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from research.errors import UsageError
from research.models.pretrained import configs, layout
from research.models.pretrained.names import names
from research.models.pretrained.shards import Checkpoint, Tensor
from research.transfer import task_vectors


class TrunkChange(NamedTuple):
    """What is done to a checkpoint's trunk.

    Attributes:
      after: float32 tensors by the checkpoint's names, each made when it is asked for.
      before: the base model's checkpoint; None: the model itself.
      weight: how much of the change is added.
    """

    after: Mapping[str, Callable[[], np.ndarray]]
    before: Checkpoint | None
    weight: float

    def read(self, tensor: Tensor) -> np.ndarray:
        """The tensor as it is to be written: float32 if it changes."""
        if tensor.name not in self.after or self.weight == 0:
            return tensor.read()
        own = tensor.read().astype(np.float32)
        before = own if self.before is None else self.before[tensor.name].read().astype(np.float32)
        return task_vectors.added(own, before, self.after[tensor.name](), self.weight)


def of_checkpoint(
    config: Mapping[str, Any],
    checkpoint: Checkpoint,
    trunk: Any,
    weight: float,
    before: Checkpoint | None = None,
) -> TrunkChange:
    """The change of a checkpoint by a trunk that was trained from it, or from `before`.

    Args:
      config: of config.json.
      trunk: of our layout.

    Raises:
      UsageError: if the three are not of one shape.
    """
    model = configs.language_model_config(config)
    named = names(configs.family_of(config), model)
    after = {
        name if name in checkpoint else name.removeprefix(named.prefix): make
        for name, make in layout.trunk_tensors(trunk, named, model).items()
    }
    for name, make in after.items():
        for one in (checkpoint, before):
            if one is not None and (name not in one or one[name].shape != make().shape):
                raise UsageError(
                    f"the trunk that the hypernetwork was trained with is of another shape than "
                    f"{one.directory}: {name} differs"
                )
    return TrunkChange(after, before, weight)


def fingerprint(checkpoint: Checkpoint, change: TrunkChange) -> str:
    """`task_vectors.fingerprint` of the trunk that a checkpoint has now."""
    return task_vectors.fingerprint(
        checkpoint[name].read().astype(np.float32) for name in change.after
    )
