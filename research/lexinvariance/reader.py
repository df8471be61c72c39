"""A reader of English ciphers: a text and what is known of its key in, the rest out.

Cipher symbols are replaced by their rank in frequency, ties by first occurrence (as in Aldarrab and
May, arXiv 2012.15229), so the result is the same to the bit under any permutation of the symbols.
A clear space is not ranked: it has an id of its own. Beside its rank, a position shows the plain
letter of its symbol if that is known. A trunk that sees both ways makes a vector of each position;
those of one symbol are averaged; the probe's MLP and E' (`probe.py`) make log P(letter | text,
known part of the key) of each mean. Plain symbols are a to z and the space.

Training reveals a random part of each key, from nothing to nearly all, and asks for the rest: a
masked language model whose masks are symbols. `read` begins with nothing, takes the surest letters
as known, and asks again. It is not shipped; `train_english_decipherer.py` says why.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from research.errors import FreevocabError
from research.files import atomic_path, share, write_json
from research.lexinvariance import probe, readings
from research.models import language_model, saved, trunk
from research.models.language_model import LanguageModelConfig
from research.models.sizes import TrunkConfig
from research.vocabularies import learned
from research.vocabularies.learned import Learned
from research.vocabularies.table import embed

PLAIN = 27  # a to z, and the space
SPACE = 26
RANKS = 128  # symbols that a text may have
UNKNOWN = PLAIN  # in place of a letter: the symbol's is not known
ROUNDS = 8  # of `read`
FORMAT = "freevocab-reader"


class Reader(NamedTuple):
    """Parameters (a model's and a probe's in one dict), and the model's shape."""

    params: dict[str, Any]
    config: LanguageModelConfig


def make_config(
    d_model: int = 128, num_layers: int = 2, mlp_dim: int = 256, head_dim: int = 32
) -> LanguageModelConfig:
    """A trunk that sees both ways, over RANKS ids, the clear space and one that is not used."""
    shape = TrunkConfig(
        d_model,
        d_model // head_dim,
        head_dim,
        num_layers,
        mlp_dim,
        causal=False,
        scan_layers=False,
    )
    return LanguageModelConfig(shape, RANKS + 2, RANKS + 2, Learned(tied=True))


def init(key: jax.Array, config: LanguageModelConfig, mlp_dim: int = 256) -> dict[str, Any]:
    """Fresh parameters: {'trunk', 'vocabulary', 'probe'}; probe/input_AxD has a row for each
    letter that may be known, and one for UNKNOWN."""
    first, second, third = jax.random.split(key, 3)
    d_model = config.trunk.d_model
    params = probe.init(second, d_model=d_model, mlp_dim=mlp_dim, alphabet=PLAIN)
    params["probe"]["input_AxD"] = (
        jax.random.normal(third, (PLAIN + 1, d_model)) * d_model**-0.5
    )
    return language_model.init(first, config) | params


def ranked(symbols_L: np.ndarray, clear: int | None = None) -> np.ndarray:
    """Ids for the reader, int32 [L]: 0 for the most frequent symbol, and so on.

    Args:
      symbols_L: int, any values, at most RANKS different ones.
      clear: the value that stands for a clear space, if there is one.
    """
    _, first_S, which_L, counts_S = np.unique(
        symbols_L, return_index=True, return_inverse=True, return_counts=True
    )
    counts_S = counts_S.astype(np.int64)
    order_S = np.lexsort((first_S, -counts_S))
    if clear is not None:
        order_S = order_S[symbols_L[first_S[order_S]] != clear]
    rank_S = np.full(len(first_S), RANKS, np.int32)
    rank_S[order_S] = np.arange(len(order_S))
    return rank_S[which_L]


def log_probabilities(
    params: dict[str, Any],
    config: LanguageModelConfig,
    ids_BxL: jax.Array,
    known_BxL: jax.Array,
    segments_BxL: jax.Array | None = None,
) -> jax.Array:
    """log P(plain symbol | text, known), float32 [B, L, PLAIN]; equal where a symbol recurs.

    Args:
      ids_BxL: of `ranked`.
      known_BxL: int32, the plain symbol of each position or UNKNOWN; a clear space is known.
      segments_BxL: int; texts in one row do not see each other. None: one text a row.
    """
    x_BxLxD = embed(learned.table(params["vocabulary"]), ids_BxL)
    x_BxLxD += jnp.take(params["probe"]["input_AxD"], known_BxL, axis=0)
    h_BxLxD = trunk.apply(params["trunk"], config.trunk, x_BxLxD, segments_BxL)
    same_BxLxL = ids_BxL[:, :, None] == ids_BxL[:, None, :]
    if segments_BxL is not None:
        same_BxLxL &= segments_BxL[:, :, None] == segments_BxL[:, None, :]
    share_BxLxL = same_BxLxL / jnp.sum(same_BxLxL, axis=-1, keepdims=True)
    return probe.log_probabilities(params, share_BxLxL @ h_BxLxD)


def loss(
    params: dict[str, Any], batch: dict[str, jax.Array], *, config: LanguageModelConfig
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Nats of the plain symbols that are not known, summed; see `probe.loss`."""
    logs_BxLxA = log_probabilities(
        params, config, batch["inputs_BxL"], batch["known_BxL"], batch["segments_BxL"]
    )
    return probe.summed_nats(logs_BxLxA, batch["plain_BxL"], batch["weights_BxL"])


def read(
    run: Callable[[np.ndarray, np.ndarray], jax.Array], ids_BxL: np.ndarray, rounds: int = ROUNDS
) -> tuple[np.ndarray, np.ndarray]:
    """Keys of texts of one length, letter by letter, the surest first.

    Args:
      run: (ids_BxL, known_BxL) -> `log_probabilities`.
      ids_BxL: of `ranked`.
      rounds: the whole key is known after so many.

    Returns:
      The plain symbol of each position, int32 [B, L], distinct for distinct symbols; and the log
      posterior with which it was taken for known, float32 [B, L, PLAIN].
    """
    clear_BxL = ids_BxL == RANKS
    known_BxL = np.where(clear_BxL, SPACE, UNKNOWN).astype(np.int32)
    taken_BxLxA = np.zeros((*ids_BxL.shape, PLAIN), np.float32)
    for number in range(1, rounds + 1):
        logs_BxLxA = np.asarray(run(ids_BxL, known_BxL))
        for ids_L, known_L, logs_LxA, taken_LxA in zip(
            ids_BxL, known_BxL, logs_BxLxA, taken_BxLxA, strict=True
        ):
            _take(ids_L, known_L, logs_LxA, taken_LxA, number / rounds)
    return known_BxL, taken_BxLxA


def _take(ids_L, known_L, logs_LxA, taken_LxA, share: float) -> None:
    """Takes the surest unknown symbols of a text for known, until `share` of all are; in place."""
    _, first_S = np.unique(ids_L, return_index=True)
    first_S = first_S[ids_L[first_S] < RANKS]
    open_N = first_S[known_L[first_S] == UNKNOWN]
    free_M = np.setdiff1d(np.arange(PLAIN), known_L)
    if not open_N.size or free_M.size < open_N.size:
        return
    letters_N = free_M[readings.assigned(logs_LxA[open_N][:, free_M])]
    wanted = int(np.ceil(share * len(first_S))) - (len(first_S) - len(open_N))
    for n in np.argsort(-logs_LxA[open_N, letters_N], kind="stable")[: max(0, wanted)]:
        here = ids_L == ids_L[open_N[n]]
        known_L[here] = letters_N[n]
        taken_LxA[here] = logs_LxA[open_N[n]]


def save(directory: str | os.PathLike, reader: Reader, meta: dict[str, Any]) -> None:
    """Writes reader.json and params.safetensors (float16) whole or not at all."""
    from safetensors.numpy import save_file

    with atomic_path(directory, directory=True) as temporary:
        flat = saved.flatten(jax.device_get(reader.params))
        arrays = {name: np.asarray(array).astype(np.float16) for name, array in flat.items()}
        save_file(arrays, temporary / "params.safetensors")
        share(temporary / "params.safetensors")
        shape = {
            name: getattr(reader.config.trunk, name)
            for name in ("d_model", "num_layers", "mlp_dim", "head_dim")
        }
        write_json(temporary / "reader.json", {"format": FORMAT, "shape": shape, "meta": meta})


def load(directory: str | os.PathLike) -> Reader:
    """Opens what `save` wrote.

    Raises:
      FreevocabError: if a file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    directory = Path(directory)
    try:
        description = json.loads((directory / "reader.json").read_text("utf-8"))
        config = make_config(**description["shape"])
        arrays = load_file(directory / "params.safetensors")
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise FreevocabError(f"{directory} holds no usable reader: {error}") from None
    arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    wanted = saved.flatten(jax.eval_shape(lambda key: init(key, config), jax.random.key(0)))
    if {n: a.shape for n, a in arrays.items()} != {n: a.shape for n, a in wanted.items()}:
        raise FreevocabError(f"{directory}: params.safetensors is not what reader.json describes")
    return Reader(jax.tree.map(jnp.asarray, saved.unflatten(arrays)), config)
