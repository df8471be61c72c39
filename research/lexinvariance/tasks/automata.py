"""Random automata, to be learned from example strings in context (ICLL, arXiv 2401.12973).

An automaton has states 0, 1, ... of which 0 is the start and none accepts. A state has 1 to 4
outgoing edges with different symbols, each to a state drawn uniformly, and takes one of them with
equal probabilities. A problem is 10 to 20 strings of one automaton, each of a length drawn
uniformly from 0 to 49, joined by a separator. A problem's symbols are a random choice from an
alphabet that all problems share; so which id stands for what has to be found out in every
sequence anew, which makes it a task for lexinvariant models. Models are scored where the next
token is not a separator: there the automaton says exactly what may come, and how likely it is.

Everything is a function of (seed, index): problem `index` of a family is the same whatever else is
drawn. The numbers of states (4 to 12) and of symbols (4 to 18 of 18) are the paper's at the upper
end and ours at the lower.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from research.errors import UsageError
from research.training.data.shuffle import shuffled

TRAINING, HELD_OUT = range(2)  # families of automata


@dataclasses.dataclass(frozen=True)
class Settings:
    """What automata and strings are drawn from; ranges are inclusive."""

    alphabet: int = 18
    """A symbols that all problems share; the separator is the id after them."""
    symbols: tuple[int, int] = (4, 18)
    """How many of them a problem uses."""
    states: tuple[int, int] = (4, 12)
    """Of an automaton."""
    edges: tuple[int, int] = (1, 4)
    """That leave a state."""
    strings: tuple[int, int] = (10, 20)
    """Of a problem."""
    lengths: tuple[int, int] = (0, 49)
    """Of a string."""

    def __post_init__(self):
        if not self.edges[1] <= self.symbols[0] <= self.symbols[1] <= self.alphabet:
            raise UsageError(
                f"edges={self.edges}, symbols={self.symbols}, alphabet={self.alphabet}: a state's "
                "edges need different symbols, and a problem's symbols must lie in the alphabet"
            )

    @property
    def separator(self) -> int:
        """The id between two strings."""
        return self.alphabet


class Problems(NamedTuple):
    """B problems, cut or filled up to L tokens."""

    ids_BxL: np.ndarray
    """int32, symbols and separators; separators after the end."""
    inside_BxL: np.ndarray
    """bool, what belongs to the problem."""
    scored_BxL: np.ndarray
    """bool, the symbols of strings among them."""
    examples_BxL: np.ndarray
    """int32, whole strings that stand before a position."""
    true_BxLxA: np.ndarray
    """float64, the automaton's distribution of the symbol at each position; what follows the end of
    a string, or of the problem, is as if the string went on."""


def random_automaton(settings: Settings, rng: np.random.Generator) -> np.ndarray:
    """The state that each symbol leads to from each state, int32 [N, A]; -1: no such edge."""
    num_states = rng.integers(*settings.states, endpoint=True)
    num_symbols = rng.integers(*settings.symbols, endpoint=True)
    symbols_N = rng.permutation(settings.alphabet)[:num_symbols]
    successor_NxA = np.full((num_states, settings.alphabet), -1, np.int32)
    for state in range(num_states):
        count = rng.integers(*settings.edges, endpoint=True)
        edges_N = rng.permutation(symbols_N)[:count]
        successor_NxA[state, edges_N] = rng.integers(num_states, size=count)
    return successor_NxA


def distributions(successor_NxA: np.ndarray) -> np.ndarray:
    """Probability of each symbol in each state, float64 [N, A]."""
    edges_NxA = successor_NxA >= 0
    return edges_NxA / edges_NxA.sum(axis=1, keepdims=True)


def problems(
    settings: Settings, seed: int, family: int, indices_B: np.ndarray, length: int
) -> Problems:
    """Problems by their number.

    Args:
      family: TRAINING or HELD_OUT; no automaton is drawn for both.
      length: L.
    """
    each = [_problem(settings, seed, family, int(index), length) for index in indices_B]
    return Problems(*(np.stack(arrays) for arrays in zip(*each, strict=True)))


def training_indices(*, seed: int, step: int, batch_size: int, count: int) -> np.ndarray:
    """The problems of a training step, int64 [B]: each of `count` once an epoch, in keyed order."""
    places_B = step * batch_size + np.arange(batch_size, dtype=np.int64)
    return shuffled(places_B, count, seed=seed)


def _problem(settings, seed, family, index, length):
    rng = np.random.default_rng([seed, family, index])
    successor_NxA = random_automaton(settings, rng)
    count = rng.integers(*settings.strings, endpoint=True)
    lengths_N = rng.integers(*settings.lengths, size=count, endpoint=True)
    symbols_NxL, states_NxL = _walks(successor_NxA, rng, lengths_N)
    # A string and the separator after it; the last has none.
    width = symbols_NxL.shape[1] + 1
    places_NxL = np.broadcast_to(np.arange(width)[None], (count, width))
    symbols_NxL = np.pad(symbols_NxL, ((0, 0), (0, 1)))
    symbols_NxL = np.where(places_NxL < lengths_N[:, None], symbols_NxL, settings.separator)
    ends_N = lengths_N + (np.arange(count) < count - 1)
    inside_NxL = places_NxL < ends_N[:, None]
    example_NxL = np.broadcast_to(np.arange(count)[:, None], inside_NxL.shape)
    total = int(ends_N.sum())

    def laid_out(values_NxL, fill):
        row_L = np.full(length, fill, np.int32)
        row_L[:total] = values_NxL[inside_NxL][:length]
        return row_L

    ids_L = laid_out(symbols_NxL, settings.separator)
    inside_L = np.arange(length) < total
    return (
        ids_L,
        inside_L,
        inside_L & (ids_L != settings.separator),
        laid_out(example_NxL, count),
        distributions(successor_NxA)[laid_out(states_NxL, 0)],
    )


def _walks(successor_NxA, rng, lengths_N):
    """Symbols [N, L] of walks from state 0, and the states [N, L + 1] they pass."""
    cumulative_NxA = np.cumsum(distributions(successor_NxA), axis=1)
    # Rounding must not lead beyond the last edge.
    cumulative_NxA[cumulative_NxA > 1.0 - 1e-9] = 1.0
    longest = int(lengths_N.max())
    uniform_NxL = rng.random((len(lengths_N), longest))
    symbols_NxL = np.zeros((len(lengths_N), longest), np.int32)
    states_NxL = np.zeros((len(lengths_N), longest + 1), np.int32)
    for place in range(longest):
        below_NxA = cumulative_NxA[states_NxL[:, place]] <= uniform_NxL[:, place, None]
        symbols_NxL[:, place] = below_NxA.sum(axis=1)
        states_NxL[:, place + 1] = successor_NxA[states_NxL[:, place], symbols_NxL[:, place]]
    return symbols_NxL, states_NxL
