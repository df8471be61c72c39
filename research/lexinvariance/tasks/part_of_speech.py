"""A grammar of adjectives and nouns that context or memory can solve (arXiv 2406.00053).

A sequence has seven ids: three of a pattern, a query and three masks in whose place the answer
goes. Half of the patterns are `cop adj noun`, half `noun cop adj`; the query is the pattern's
adjective or its noun, half each:

    query adj    answer  adj adj adj
    query noun   answer  adj noun noun

Which of the two the query is can be read off the place of `cop` (the context; works for any ids) or
be known of the id (the weights; works for ids seen in training). The splits tell these apart:

    in_distribution  as in training
    tail             ids of the last ranks only
    switched         adjectives stand where nouns do, and the other way round
    unseen           ids that training never uses

Some ids of each class are ambiguous: where one is drawn, half the time its counterpart of the other
class takes its place. Tail and switched have none of them, so that whoever goes by the class is
always right on the one and (but for the third of the answer that is the same) wrong on the other.
"""

import dataclasses

import numpy as np

from research.errors import UsageError

ANSWER = 3  # masks of the seven ids
SPLITS = ("in_distribution", "tail", "switched", "unseen")
_STREAMS = {name: number for number, name in enumerate(("train", *SPLITS))}


@dataclasses.dataclass(frozen=True)
class PartOfSpeech:
    """The task's numbers.

    Ids: adjectives 0 .. types/2 - 1 by rank, nouns up to types - 1 by rank, then the unseen ids,
    then `cop` and the mask, which so are what a vocabulary has in place of BOS and EOS: ids with
    rows of their own, never drawn.
    """

    types: int
    """Ids of adjectives and nouns together, even."""
    unseen: int
    """Further ids that training never uses, at least 2."""
    skew: float
    """a of Zipf's law within each class, p(rank) ~ rank^-a; 0: uniform."""
    ambiguous: float = 0.1
    """Share of a class's types that are ambiguous, evenly over the ranks."""
    tail: float = 0.1
    """Share of a class's ranks, the last ones, that the split tail draws from."""

    def __post_init__(self):
        if self.types < 20 or self.types % 2:
            raise UsageError(f"types must be even and at least 20, not {self.types}")
        if self.unseen < 2:
            raise UsageError(f"unseen must be at least 2, not {self.unseen}")
        if self.skew < 0 or not 0 <= self.ambiguous <= 0.5 or not 0 < self.tail <= 1:
            raise UsageError("skew must be at least 0, ambiguous in 0..0.5, tail in 0..1, not 0")
        if not self.in_tail().any():
            raise UsageError(f"every type in the tail of {self.types} types is ambiguous")

    @property
    def ranks(self) -> int:
        """Types of each class."""
        return self.types // 2

    @property
    def vocab_size(self) -> int:
        """Ids in all."""
        return self.types + self.unseen + 2

    @property
    def copula(self) -> int:
        """The id of `cop`."""
        return self.vocab_size - 2

    @property
    def mask(self) -> int:
        """The id of the mask."""
        return self.vocab_size - 1

    def is_ambiguous(self) -> np.ndarray:
        """Whether the types of each rank are, bool [ranks]."""
        edges = np.floor(np.arange(self.ranks + 1) * self.ambiguous + 0.5)
        return np.diff(edges) > 0

    def in_tail(self) -> np.ndarray:
        """Whether each rank is one that the split tail draws from, bool [ranks]."""
        last = np.arange(self.ranks) >= self.ranks - max(1, round(self.tail * self.ranks))
        return last & ~self.is_ambiguous()

    def probabilities(self) -> np.ndarray:
        """p(rank) within a class, float64 [ranks]."""
        weights = np.arange(1, self.ranks + 1, dtype=np.float64) ** -self.skew
        return weights / weights.sum()


def batch(
    task: PartOfSpeech, seed: int, step: int, size: int, split: str = "train"
) -> dict[str, np.ndarray]:
    """Examples, a function of the arguments: inputs_BxL [size, 7] and targets_BxN [size, 3], int32.

    Args:
      split: "train" or one of SPLITS.
    """
    generator = np.random.default_rng([seed, _STREAMS[split], step])
    adjectives_B, nouns_B = _pairs(task, generator, size, split)
    copula_first_B = generator.random(size) < 0.5
    asks_noun_B = generator.random(size) < 0.5
    query_B = np.where(asks_noun_B, nouns_B, adjectives_B)
    copulas_B, masks_B = np.full(size, task.copula), np.full(size, task.mask)
    columns = [
        np.where(copula_first_B, copulas_B, nouns_B),
        np.where(copula_first_B, adjectives_B, copulas_B),
        np.where(copula_first_B, nouns_B, adjectives_B),
        query_B,
        *[masks_B] * ANSWER,
    ]
    return {
        "inputs_BxL": np.stack(columns, axis=1).astype(np.int32),
        "targets_BxN": np.stack([adjectives_B, query_B, query_B], axis=1).astype(np.int32),
    }


def _pairs(task, generator, size, split) -> tuple[np.ndarray, np.ndarray]:
    """The ids in the places of the adjective and of the noun."""
    if split == "unseen":
        first_B = generator.integers(0, task.unseen, size)
        second_B = (first_B + generator.integers(1, task.unseen, size)) % task.unseen
        return task.types + first_B, task.types + second_B
    weights = task.probabilities()
    ambiguous = task.is_ambiguous()
    if split in ("tail", "switched"):
        weights = np.where(ambiguous, 0.0, weights)
    if split == "tail":
        weights = np.where(task.in_tail(), weights, 0.0)
    bounds = np.cumsum(weights / weights.sum())
    ids = []
    for offset in (0, task.ranks):
        # Rounding must not lead beyond the last rank that has a weight.
        last = np.flatnonzero(weights)[-1]
        ranks_B = np.minimum(np.searchsorted(bounds, generator.random(size), side="right"), last)
        swapped_B = (generator.random(size) < 0.5) & ambiguous[ranks_B]
        if split == "switched":
            swapped_B = np.ones(size, bool)
        ids.append(np.where(swapped_B, task.ranks - offset, offset) + ranks_B)
    return ids[0], ids[1]
