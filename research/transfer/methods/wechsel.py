"""WECHSEL (Minixhofer et al., 2022) and OFA (Liu et al., 2024): rows by nearness of meaning.

Both compare entries of the two tokenizers in one space of auxiliary vectors. WECHSEL's comes from
two languages' word vectors, one rotated onto the other (`research.transfer.vectors.alignment`);
OFA's is one multilingual space.
"""

import functools

import numpy as np

from research.errors import UsageError
from research.tokenizers import Tokenizer
from research.transfer.matching import Match, finish
from research.transfer.methods import rows, similarity
from research.transfer.vectors import TokenVectors
from research.vocabularies.table import Table

NEIGHBOURS, TEMPERATURE = 10, 0.1  # both papers


def wechsel(
    source_table: Table,
    source: Tokenizer,
    target: Tokenizer,
    *,
    match: Match,
    seed: int,
    source_vectors: TokenVectors,
    target_vectors: TokenVectors,
) -> Table:
    """Every row is a mixture of the rows of the 10 source entries nearest in meaning.

    Weights are softmax(cosine / 0.1). Entries without a vector are drawn from N(mean, variance)
    of the source's rows; nothing is copied but special rows.

    Raises:
      UsageError: no entry of the source has a vector.
    """
    ordinary_T = np.flatnonzero(~np.asarray(target.special_V, bool))
    made = _mixed(source_table, source, target, ordinary_T, match, seed,
                  source_vectors, target_vectors)  # fmt: skip
    return finish(made, source_table, match, copy_overlap=False)


def ofa(
    source_table: Table,
    source: Tokenizer,
    target: Tokenizer,
    *,
    match: Match,
    seed: int,
    source_vectors: TokenVectors,
    target_vectors: TokenVectors,
    factors: int | None = None,
) -> Table:
    """Equal entries keep their row, the others are mixed as WECHSEL mixes them.

    Args:
      factors: the source's rows are first brought to this rank by a singular value
        decomposition; everything, overlap included, then lies in its span (the paper: 100, 200,
        400). None: the full rank, and overlapping rows equal to the bit.

    Raises:
      UsageError: no entry of the source has a vector, or factors is not in 1 .. d_model.
    """
    mixed = functools.partial(_mixed, source=source, target=target, ids_T=match.new_target_M,
                              match=match, seed=seed, source_vectors=source_vectors,
                              target_vectors=target_vectors)  # fmt: skip
    if factors is None:
        return finish(mixed(source_table), source_table, match, copy_overlap=True)
    split = [_factorised(one, factors) for one in source_table]
    coordinates = Table(*(None if part is None else part[0] for part in split))
    made = finish(mixed(coordinates), coordinates, match, copy_overlap=True)
    whole = Table(*(
        None if part is None else one if part[1] is None else one @ part[1]
        for one, part in zip(made, split, strict=True)
    ))  # fmt: skip
    return finish(whole, source_table, match, copy_overlap=False)


def _mixed(source_table, source, target, ids_T, match, seed, source_vectors, target_vectors):
    """Mixtures for the entries `ids_T` that have a vector; random rows for all others."""
    # In the order of their bytes: of equally near entries, ids do not decide which are taken.
    tokens = source.match_bytes()
    known_N = np.flatnonzero(match.ordinary_source_V & source_vectors.known_V)
    known_N = np.array(sorted(known_N, key=tokens.__getitem__), np.int64)
    known_M = ids_T[target_vectors.known_V[ids_T]]
    if len(known_M) and not len(known_N):
        raise UsageError("no entry of the source tokenizer has an auxiliary vector: "
                         "give more of --aux-text, or --vectors of its language")
    activation = functools.partial(
        similarity.softmax_of_nearest, neighbours=NEIGHBOURS, temperature=TEMPERATURE
    )
    weights = similarity.weights(target_vectors, known_M, source_vectors, known_N, activation)
    shape = (target.vocab_size, source.vocab_size)
    mixed = rows.combined(rows.placed(weights, known_M, known_N, shape), source_table)
    random = rows.drawn(source_table, match.ordinary_source_V, target.match_bytes(), seed)
    mixed_T = np.zeros(target.vocab_size, bool)
    mixed_T[known_M] = True
    return rows.replaced(random, mixed, mixed_T)


def _factorised(source_VxD, factors: int):
    """Coordinates [V, factors] and the basis [factors, D]; a bias stays as it is."""
    if source_VxD is None or np.ndim(source_VxD) == 1:
        return None if source_VxD is None else (source_VxD, None)
    import scipy.linalg

    source_VxD = np.asarray(source_VxD)
    if not 1 <= factors <= min(source_VxD.shape):
        raise UsageError(f"OFA's factors must be in 1 .. {min(source_VxD.shape)}, not {factors}")
    left, values, right = scipy.linalg.svd(source_VxD.astype(np.float64), full_matrices=False)
    coordinates = left[:, :factors] * values[:factors]
    return coordinates.astype(np.float32), right[:factors].astype(np.float32)
