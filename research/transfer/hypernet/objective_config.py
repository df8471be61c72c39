"""What a hypernetwork is trained to do. Plain data: importing this module does not import JAX."""

import dataclasses
from typing import Literal

from research.errors import UsageError
from research.training.config import check_least


@dataclasses.dataclass(frozen=True)
class Objective:
    """The terms of the loss, and which rows it sees."""

    loss: Literal["lm", "alm", "both"] = "lm"
    """lm: language modelling (or masked language modelling) through the frozen trunk; alm:
    distillation from the model with its own tokenizer; both: their sum."""
    auxiliary: float = 0.5
    """Weight of the pull of tokens with one piece to the source's row of that piece."""
    alm: float = 1.0
    """Weight of the distillation where both are used."""
    tau: float = 100.0
    """Temperature of the distillation."""
    sampled_rows: int = 0
    """Softmax over so many entries: those of the batch and others drawn uniformly, weighed up so
    that the sum is right in the mean; 0: over the whole vocabulary."""
    copy_overlap: bool = False
    """Tokens with one piece take the source's row instead of a prediction."""
    masked_share: float = 0.15
    """Masked language models: share of the ids that are hidden."""
    train_trunk: bool = False
    """n-shot: a copy of the trunk is trained as well."""
    margin: float = 0.1
    """Room in the packed layout above what the first tokenizers need."""

    def __post_init__(self):
        check_least(self, auxiliary=0, alm=0, tau=1e-6, sampled_rows=0, margin=0)
        if self.loss not in ("lm", "alm", "both"):
            raise UsageError(f"loss must be lm, alm or both, not {self.loss!r}")
        if not 0 < self.masked_share < 1:
            raise UsageError(f"masked_share must lie between 0 and 1, not {self.masked_share}")

    @property
    def distils(self) -> bool:
        """Is the teacher run at all?"""
        return self.loss != "lm"
