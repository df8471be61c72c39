"""A trunk that n-shot training changed, tensor by tensor in a checkpoint's own names and layout.

    new = own + weight * (after - before)

`after` is what training left, `before` the trunk of the model that it began with: the model itself,
which then becomes `after` if all of the change is wanted, or the base of a fine-tuned variant.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from research.errors import FreevocabError, UsageError
from research.models.pretrained import configs, layout
from research.models.pretrained.layout import TrunkTensor
from research.models.pretrained.names import names
from research.models.pretrained.shards import Checkpoint, Tensor
from research.transfer.hypernet import task_vectors


class TrunkChange(NamedTuple):
    """What is done to a checkpoint's trunk.

    Attributes:
      after: what training left, by the checkpoint's names; each tensor is made when it is used.
      before: the base model's tensors by the same names; None: the model's own.
      weight: how much of the change is added.
    """

    after: Mapping[str, TrunkTensor]
    before: Mapping[str, Tensor] | None
    weight: float

    def read(self, tensor: Tensor) -> np.ndarray:
        """The tensor as it is to be written: float32 if it changes.

        Raises:
          FreevocabError: if a number of it is none any more.
        """
        if tensor.name not in self.after:
            return tensor.read()
        own = tensor.read().astype(np.float32)
        before = own if self.before is None else self.before[tensor.name].read().astype(np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            new = task_vectors.added(own, before, self.after[tensor.name].make(), self.weight)
        check_finite(tensor.name, new, self.weight)
        return new


def check_finite(name: str, array: np.ndarray, weight: float) -> None:
    """Raises FreevocabError if an array that a task vector was added to is not finite."""
    if not np.isfinite(array).all():
        raise FreevocabError(
            f"{name} has numbers that are not finite after {weight:g} times the task vector: give "
            "another --task-vector"
        )


def of_checkpoint(
    config: Mapping[str, Any],
    checkpoint: Checkpoint,
    trunk: Any,
    weight: float,
    base: tuple[Mapping[str, Any], Checkpoint] | None = None,
) -> TrunkChange:
    """The change of a checkpoint by a trunk that was trained from it, or from `base`.

    Args:
      config: of config.json.
      trunk: of our layout.
      base: config and checkpoint of the model that training began with; None: this one.

    Raises:
      UsageError: if they are not of one shape.
    """
    tensors, found = _in(config, checkpoint, trunk)
    after = {tensor.name: tensors[name] for name, tensor in found.items()}
    if base is None:
        return TrunkChange(after, None, weight)
    _, of_base = _in(*base, trunk)
    if of_base.keys() != found.keys():
        raise UsageError(f"{base[1].directory} and {checkpoint.directory} are not of one family")
    before = {tensor.name: of_base[name] for name, tensor in found.items()}
    return TrunkChange(after, before, weight)


def fingerprint(checkpoint: Checkpoint, change: TrunkChange) -> str:
    """`task_vectors.fingerprint` of the trunk that training began with.

    Args:
      checkpoint: of the model that is changed.
    """
    before = change.before or {name: checkpoint[name] for name in change.after}
    return task_vectors.fingerprint(one.read().astype(np.float32) for one in before.values())


def _in(
    config: Mapping[str, Any], checkpoint: Checkpoint, trunk: Any
) -> tuple[dict[str, TrunkTensor], dict[str, Tensor]]:
    """The trunk's tensors, and the checkpoint's in their place; both by whole names."""
    model = configs.language_model_config(config)
    named = names(configs.family_of(config), model)
    where = checkpoint.directory
    try:
        tensors = layout.trunk_tensors(trunk, named, model)
    except UsageError as error:
        raise UsageError(
            f"the trunk that the hypernetwork was trained with is of another shape than {where}'s: "
            f"{error}"
        ) from None
    found = {}
    for name, tensor in tensors.items():
        # A checkpoint of the bare model leaves the prefix out.
        known = name if name in checkpoint else name.removeprefix(named.prefix)
        if known not in checkpoint:
            raise FreevocabError(f"{where} is not complete: {name} is missing")
        if tuple(checkpoint[known].shape) != tensor.shape:
            raise FreevocabError(
                f"{where}: {known} is {list(checkpoint[known].shape)}, config.json asks for "
                f"{list(tensor.shape)}"
            )
        found[name] = checkpoint[known]
    return tensors, found
