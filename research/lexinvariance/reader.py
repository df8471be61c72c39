"""The shipped reader of English ciphers: a whole text in, a posterior of the key out, in one pass.

Cipher symbols are replaced by their rank in frequency, ties by first occurrence (as in Aldarrab and
May, arXiv 2012.15229), so the result is the same to the bit under any permutation of the symbols.
A clear space is not ranked: it has an id of its own. A trunk that sees both ways makes a vector of
each position; those of one symbol are averaged; the probe's MLP and E' (`probe.py`) make
log P(plain letter | text) of each mean. The next pass of the same trunk sees these means and
guesses at every position, beside the ranks, and does better: a word half read helps to read its
other half. Training counts the guesses of every pass. Plain symbols are a to z and the space.
"""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from research.errors import FreevocabError
from research.files import atomic_path, share, write_json
from research.lexinvariance import probe
from research.models import language_model, saved, trunk
from research.models.language_model import LanguageModelConfig
from research.models.sizes import TrunkConfig
from research.vocabularies import learned
from research.vocabularies.learned import Learned
from research.vocabularies.table import embed

PLAIN = 27  # a to z, and the space
SPACE = 26
RANKS = 128  # symbols that a text may have
PASSES = 3
LONGEST = 512  # letters that are read at once
FORMAT = "freevocab-reader"


class Reader(NamedTuple):
    """Parameters (a model's and a probe's in one dict), and the model's shape."""

    params: dict[str, Any]
    config: LanguageModelConfig


def make_config(
    d_model: int = 128, num_layers: int = 2, mlp_dim: int = 384, head_dim: int = 32
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
    """Fresh parameters: {'trunk', 'vocabulary', 'probe'}; probe/input_AxD takes guesses in."""
    first, second, third = jax.random.split(key, 3)
    d_model = config.trunk.d_model
    params = probe.init(second, d_model=d_model, mlp_dim=mlp_dim, alphabet=PLAIN)
    params["probe"]["input_AxD"] = jax.random.normal(third, (PLAIN, d_model)) * d_model**-0.5
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
    segments_BxL: jax.Array | None = None,
) -> jax.Array:
    """log P(plain symbol | text), float32 [B, L, PLAIN] in nats; equal where a symbol recurs.

    Args:
      ids_BxL: of `ranked`.
      segments_BxL: int; texts in one row do not see each other. None: one text a row.
    """
    return _passes(params, config, ids_BxL, segments_BxL)[-1]


def _passes(params, config, ids_BxL, segments_BxL) -> list[jax.Array]:
    """The log-probabilities after each pass."""
    same_BxLxL = ids_BxL[:, :, None] == ids_BxL[:, None, :]
    if segments_BxL is not None:
        same_BxLxL &= segments_BxL[:, :, None] == segments_BxL[:, None, :]
    share_BxLxL = same_BxLxL / jnp.sum(same_BxLxL, axis=-1, keepdims=True)
    ranks_BxLxD = embed(learned.table(params["vocabulary"]), ids_BxL)
    clear_BxLx1 = (ids_BxL == RANKS)[:, :, None]
    x_BxLxD, found = ranks_BxLxD, []
    for _ in range(PASSES):
        h_BxLxD = trunk.apply(params["trunk"], config.trunk, x_BxLxD, segments_BxL)
        h_BxLxD = share_BxLxL @ h_BxLxD
        found.append(probe.log_probabilities(params, h_BxLxD))
        guess_BxLxD = jnp.exp(found[-1]) @ params["probe"]["input_AxD"]
        # The trunk multiplies its inputs by sqrt(D); h has entries of about 1 already.
        seen_BxLxD = guess_BxLxD + h_BxLxD * config.trunk.d_model**-0.5
        x_BxLxD = ranks_BxLxD + jnp.where(clear_BxLx1, 0.0, seen_BxLxD)
    return found


def loss(
    params: dict[str, Any], batch: dict[str, jax.Array], *, config: LanguageModelConfig
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Nats of the plain symbols, mean over passes; sums {'nats' (last pass), ...} of `probe`."""
    found = _passes(params, config, batch["inputs_BxL"], batch["segments_BxL"])
    of_passes = [
        probe.summed_nats(logs, batch["plain_BxL"], batch["weights_BxL"]) for logs in found
    ]
    sums = of_passes[-1][1] | {"nats": jax.lax.stop_gradient(of_passes[-1][0])}
    return sum(nats for nats, _ in of_passes) / PASSES, sums


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
