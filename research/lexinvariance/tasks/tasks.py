"""LookUp and Permutation: tasks that only the context can solve (arXiv 2305.16349, section 3.5).

    LookUp        A->2 C->4 G->5 C->          the value that the last key had
    Permutation   A 2 C->C A 4 1 D->D 4       two places of three, the same in every demonstration

A prompt is ids, not text: BOS, then symbols and separators. A symbol is one id that occurs in the
training text and is not a separator. The separators `->` and ` ` are what the codec makes of each
alone: two ids and one for characters; for a Unigram vocabulary the pieces that it has for them (a
normaliser that drops a lone space leaves none). A codec that writes letters alone has no ids for
`->`: there z stands for the arrow, and the other 25 are the symbols. A symbol is never merged with
its neighbours.

Definitions. LookUp: n distinct keys, values drawn independently of them and of each other (a value
may repeat, and may equal a key), then one of the keys. Permutation: one of the six ordered pairs of
distinct places of three, drawn for each prompt; n demonstrations, each of three fresh distinct
symbols, then three more. How many demonstrations the paper shows is unknown; 4 is ours.
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from research import vocabularies
from research.codecs.protocol import Codec
from research.errors import UsageError
from research.models import language_model
from research.models.language_model import LanguageModelConfig
from research.shapes import Params

TASKS = ("LookUp", "Permutation")
# What follows index `at` of ids_NxL, by the ids before it alone: int [N].
Predict = Callable[[np.ndarray, int], np.ndarray]


class Separators(NamedTuple):
    """Ids between symbols."""

    bos: int
    """The id every prompt starts with."""
    arrow: tuple[int, ...]
    """Ids of `->`."""
    space: tuple[int, ...]
    """Ids of ` `."""


class Symbols(NamedTuple):
    """What prompts are made of."""

    ids_A: np.ndarray
    """int32 [A], distinct."""
    shares_A: np.ndarray
    """float64 [A], how often each is drawn; they sum to 1."""


class Prompts(NamedTuple):
    """Prompts of one shape with their answers."""

    ids_NxL: np.ndarray
    """int32 [N, L], complete: the answers are in place."""
    answers: tuple[int, ...]
    """The indices in L of the ids that a model has to give."""


def separators(codec: Codec) -> Separators:
    """The separators as a codec encodes them; BOS is its vocab_size, as in a token store.

    Raises:
      UsageError: if the codec has no ids for `->`, and none of its own for z and the space.
    """
    arrow, space = (tuple(int(id_) for id_ in ids) for ids in codec.encode(["->", " "]))
    if not arrow:
        strings = codec.token_bytes() or []
        if not {b"z", b" "} <= set(strings):
            raise UsageError(
                f"codec {codec.name} has no ids for '->': LookUp cannot be written in it"
            )
        # By their place: a text of one space may well be nothing to such a codec.
        arrow, space = ((strings.index(text),) for text in (b"z", b" "))
    return Separators(codec.vocab_size, arrow, space)


def symbols(train_ids: np.ndarray, separators: Separators, *, by_frequency: bool) -> Symbols:
    """The types of a training text, drawn uniformly or as often as they occur in it.

    Args:
      train_ids: int [T]; BOS and EOS are no types.

    Raises:
      UsageError: if nothing is left.
    """
    counts_V = np.bincount(train_ids[train_ids < separators.bos], minlength=separators.bos)
    counts_V[[*separators.arrow, *separators.space]] = 0
    ids_A = np.flatnonzero(counts_V).astype(np.int32)
    if not len(ids_A):
        raise UsageError("the training text has no symbol but the separators")
    weights_A = counts_V[ids_A].astype(np.float64) if by_frequency else np.ones(len(ids_A))
    return Symbols(ids_A, weights_A / weights_A.sum())


def draw(rng: np.random.Generator, symbols: Symbols, count: int, distinct: int = 1) -> np.ndarray:
    """`count` rows of `distinct` different symbols each, int32 [count, distinct].

    One after the other, each by the shares of those that the row has not got yet.

    Raises:
      UsageError: if there are fewer symbols.
    """
    if len(symbols.ids_A) < distinct:
        raise UsageError(
            f"{distinct} different symbols are wanted, the training text has"
            f" {len(symbols.ids_A)}: use more text"
        )
    rows = rng.choice(len(symbols.ids_A), size=(count, distinct), p=symbols.shares_A)
    for place in range(1, distinct):
        again = np.arange(count)
        while len(again := again[(rows[again, :place] == rows[again, place : place + 1]).any(1)]):
            rows[again, place] = rng.choice(len(symbols.ids_A), size=len(again), p=symbols.shares_A)
    return symbols.ids_A[rows]


def lookup(
    rng: np.random.Generator, symbols: Symbols, separators: Separators, *, count: int, n: int
) -> Prompts:
    """`count` LookUp prompts of n pairs: BOS k1 -> v1 _ ... kn -> vn _ kq -> vq."""
    keys_NxP = draw(rng, symbols, count, distinct=n)
    values_NxP = np.concatenate([draw(rng, symbols, count) for _ in range(n)], axis=1)
    query_N = rng.integers(n, size=count)
    each = np.arange(count)
    pieces: list = [(separators.bos,)]
    for pair in range(n):
        pieces += [keys_NxP[:, pair], separators.arrow, values_NxP[:, pair], separators.space]
    pieces += [keys_NxP[each, query_N], separators.arrow]
    ids_NxL = _joined(count, [*pieces, values_NxP[each, query_N]])
    return Prompts(ids_NxL, (ids_NxL.shape[1] - 1,))


def permutation(
    rng: np.random.Generator, symbols: Symbols, separators: Separators, *, count: int, n: int
) -> Prompts:
    """`count` Permutation prompts of n demonstrations: BOS a _ b _ c -> c _ a _ ... -> x _ y."""
    pairs = np.array([(i, j) for i in range(3) for j in range(3) if i != j])
    chosen_Nx2 = pairs[rng.integers(len(pairs), size=count)]
    each = np.arange(count)
    space = separators.space
    pieces: list = [(separators.bos,)]
    for group in range(n + 1):
        triple_Nx3 = draw(rng, symbols, count, distinct=3)
        first_N, second_N = (triple_Nx3[each, chosen_Nx2[:, k]] for k in range(2))
        pieces += [triple_Nx3[:, 0], space, triple_Nx3[:, 1], space, triple_Nx3[:, 2]]
        pieces += [separators.arrow, first_N, space, second_N]
        pieces += [space] if group < n else []
    ids_NxL = _joined(count, pieces)
    last = ids_NxL.shape[1] - 1
    return Prompts(ids_NxL, (last - len(space) - 1, last))


def prompts(
    task: str, seed: int, symbols: Symbols, separators: Separators, *, count: int, n: int
) -> Prompts:
    """The prompts of a task by its name: the same for every model of a seed."""
    make = {"LookUp": lookup, "Permutation": permutation}[task]
    rng = np.random.default_rng([seed, TASKS.index(task), n])
    return make(rng, symbols, separators, count=count, n=n)


def length(task: str, separators: Separators, n: int) -> int:
    """Ids of a prompt of n demonstrations, BOS and answers included."""
    arrow, space = len(separators.arrow), len(separators.space)
    if task == "LookUp":
        return 1 + n * (2 + arrow + space) + 1 + arrow + 1
    return 1 + (n + 1) * (5 + arrow + 3 * space) + n * space


def right(predict: Predict, prompts: Prompts, separators: Separators) -> np.ndarray:
    """Which answers a model gets right when it writes them: bool [N, answers].

    The separators are put in for it. Its own first symbol stands before it when it writes the
    second, right or wrong; what it has not written yet is not there.
    """
    ids_NxL = prompts.ids_NxL.copy()
    ids_NxL[:, prompts.answers] = separators.bos
    right_columns = []
    for at in prompts.answers:
        ids_NxL[:, at] = predict(ids_NxL, at)
        right_columns.append(ids_NxL[:, at] == prompts.ids_NxL[:, at])
    return np.stack(right_columns, axis=1)


def chance(vocab_size: int) -> float:
    """Accuracy of a guess that is uniform over all ids."""
    return 1.0 / vocab_size


def copying_chance(task: str, symbols: Symbols, n: int) -> float:
    """Accuracy of knowing what may be copied, but not which.

    LookUp: one of the n values that the prompt shows, at random; equal values count together.
    Permutation: one of the three symbols of the query, at random.
    """
    if task == "Permutation":
        return 1.0 / 3.0
    same = float(np.square(symbols.shares_A).sum())
    return 1.0 / n + (1.0 - 1.0 / n) * same


def _joined(count: int, pieces: Sequence[np.ndarray | tuple[int, ...]]) -> np.ndarray:
    """Columns [count] and ids that are the same in every row, side by side: int32 [count, L]."""
    columns = []
    for piece in pieces:
        if isinstance(piece, tuple):
            columns += [np.full(count, id_, np.int32) for id_ in piece]
        else:
            columns.append(piece.astype(np.int32))
    return np.stack(columns, axis=1)


def predictor(
    params: Params, config: LanguageModelConfig, *, length: int, batch_size: int, seed: int = 0
) -> Predict:
    """The argmax over all ids but BOS, which is never a target; ties go to the smallest id.

    Prompts shorter than `length` are padded at the end, which a causal model does not see, so
    that prompts of several lengths share one compiled pass.

    Args:
      length: L of the compiled pass, at least that of any prompt.
      batch_size: prompts that run together.
      seed: decides the table of each prompt where the vocabulary draws; a prompt has the same
        table for all of its answers.
    """

    def predict(ids_NxL: np.ndarray, at: int) -> np.ndarray:
        count, used = ids_NxL.shape
        rows = -(-count // batch_size) * batch_size
        padded = np.zeros((rows, length), np.int32)
        padded[:count, :used] = ids_NxL
        padded[:count, at:] = ids_NxL[:, :1]  # nothing from `at` on is looked at
        padded[count:] = padded[0]
        keys_Nx2 = vocabularies.sequence_keys(seed, rows)
        best = []
        for start in range(0, rows, batch_size):
            part = slice(start, start + batch_size)
            best.append(_best(params, config, padded[part], keys_Nx2[part], np.int32(at - 1)))
        return np.concatenate(jax.device_get(best))[:count]

    return predict


@functools.partial(jax.jit, static_argnames=("config",))
def _best(params, config, ids_BxL, keys_Bx2, at):
    """int32 [B]: the likeliest id after position `at`."""
    logits_BxLxV = language_model.logits(params, config, ids_BxL, keys_Bx2=keys_Bx2)
    logits_BxV = jax.lax.dynamic_index_in_dim(logits_BxLxV, at, axis=1, keepdims=False)
    ids_V = jnp.arange(logits_BxV.shape[-1])
    logits_BxV = jnp.where(ids_V[None] == config.bos_id, -jnp.inf, logits_BxV)
    return jnp.argmax(logits_BxV, axis=-1).astype(jnp.int32)
