"""Reads a cipher's key off a frozen lexinvariant model (arXiv 2305.16349, section 3.3).

The probe is a two-layer MLP on the final hidden state, and a learned, fixed matrix E' with one row
for each plain symbol, which stands in for the table that the model itself never has:

    logits_n = E' (W2 gelu(W1 h_n + b1))      ->  log P(plain symbol at n | x_1 .. x_n)

h_n has seen the enciphered x_1 to x_n and nothing later. Since x_n stands for one plain symbol,
each position gives one row of the key. Parameters, all float32:

    probe/up/kernel [D, F]   probe/up/bias [F]   probe/down/kernel [F, D]   probe/output_AxD [A, D]

It is trained under fresh keys: the same text never looks the same twice.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from research.models import language_model
from research.models.language_model import LanguageModelConfig
from research.training import loop
from research.training.config import TrainConfig
from research.training.data import batches
from research.training.data.token_store import TokenStore
from research.training.sharding_rules import Rule
from research.vocabularies import sequence_keys

Batch = dict[str, np.ndarray]

PROBE_RULES = (
    Rule(r"probe/up/kernel", ("in", "out"), kernel=True),
    Rule(r"probe/up/bias", ("-",)),
    Rule(r"probe/down/kernel", ("in", "out"), kernel=True),
    Rule(r"probe/(input|output)_AxD", ("in", "out")),
)


class Frozen(NamedTuple):
    """A trained language model, which the probe reads and never changes."""

    params: Any
    config: LanguageModelConfig


def init(key: jax.Array, *, d_model: int, mlp_dim: int, alphabet: int) -> dict[str, Any]:
    """Fresh parameters: kernels of variance 1 / inputs, rows of E' N(0, 1/D).

    Args:
      d_model: D of the model that is read.
      mlp_dim: F.
      alphabet: A, plain symbols.
    """
    up, down, output = jax.random.split(key, 3)
    kernel = jax.nn.initializers.lecun_normal()
    return {
        "probe": {
            "up": {"kernel": kernel(up, (d_model, mlp_dim)), "bias": jnp.zeros((mlp_dim,))},
            "down": {"kernel": kernel(down, (mlp_dim, d_model))},
            "output_AxD": jax.random.normal(output, (alphabet, d_model)) * d_model**-0.5,
        }
    }


def log_probabilities(params: dict[str, Any], h_BxLxD: jax.Array) -> jax.Array:
    """Hidden states of any float dtype -> float32 log-probabilities [B, L, A] in nats."""
    probe = params["probe"]
    h_BxLxD = h_BxLxD.astype(jnp.float32)
    inner_BxLxF = h_BxLxD @ probe["up"]["kernel"] + probe["up"]["bias"].reshape(1, 1, -1)
    y_BxLxD = jax.nn.gelu(inner_BxLxF) @ probe["down"]["kernel"]
    return jax.nn.log_softmax(y_BxLxD @ probe["output_AxD"].T, axis=-1)


def posterior(
    params: dict[str, Any], lm: Frozen, ids_BxL: jax.Array, keys_Bx2: jax.Array | None = None
) -> jax.Array:
    """log P(plain symbol at n | x_1 .. x_n) of every position, float32 [B, L, A] in nats.

    Args:
      params: the probe's.
      ids_BxL: int32, enciphered ids, without BOS, which is put before them.
      keys_Bx2: what a vocabulary that draws needs (`vocabularies.sequence_keys`).
    """
    bos_Bx1 = jnp.full((ids_BxL.shape[0], 1), lm.config.bos_id, jnp.int32)
    inputs_BxL = jnp.concatenate([bos_Bx1, jnp.asarray(ids_BxL, jnp.int32)], axis=1)
    h_BxLxD = language_model.hidden(lm.params, lm.config, inputs_BxL, keys_Bx2=keys_Bx2)
    return log_probabilities(params, h_BxLxD[:, 1:])


def loss(
    params: dict[str, Any], batch: dict[str, jax.Array], *, lm: Frozen
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Nats of the plain symbols of a batch, for `research.training.loop`; lm is a constant.

    Args:
      batch: inputs_BxL (BOS and enciphered ids), plain_BxL (int32, what each input stands for;
        anything where the weight is 0), weights_BxL, and keys_Bx2 where the vocabulary draws.

    Returns:
      The sum, and sums {'tokens', 'correct'}.
    """
    h_BxLxD = language_model.hidden(
        lm.params, lm.config, batch["inputs_BxL"], keys_Bx2=batch.get("keys_Bx2")
    )
    logs_BxLxA = log_probabilities(params, jax.lax.stop_gradient(h_BxLxD))
    return summed_nats(logs_BxLxA, batch["plain_BxL"], batch["weights_BxL"])


def summed_nats(
    logs_BxLxA: jax.Array, plain_BxL: jax.Array, weights_BxL: jax.Array
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """-log P of the plain symbols summed, and sums {'tokens', 'correct'}; see `loss`."""
    right_BxLx1 = jnp.take_along_axis(logs_BxLxA, plain_BxL[:, :, None], axis=-1)
    correct_BxL = right_BxLx1[:, :, 0] >= jax.lax.stop_gradient(jnp.max(logs_BxLxA, axis=-1))
    sums = {"tokens": jnp.sum(weights_BxL), "correct": jnp.sum(weights_BxL * correct_BxL)}
    return -jnp.sum(weights_BxL * right_BxLx1[:, :, 0]), jax.lax.stop_gradient(sums)


def permutations(seed: int, count: int, size: int, *, step: int = 0) -> np.ndarray:
    """`count` uniform permutations of range(size), int32 [count, size]; a function of (seed, step).

    Row b of (seed, step) is the same whatever the count.
    """
    rows = [
        np.random.Generator(np.random.Philox(key=seed, counter=[0, b, 2, step])).permutation(size)
        for b in range(count)
    ]
    return np.stack(rows).astype(np.int32) if rows else np.zeros((0, size), np.int32)


def encipher(ids_BxL: np.ndarray, image_BxA: np.ndarray) -> np.ndarray:
    """Ids below A replaced by their images, one map for each row; others (BOS, EOS) stay."""
    ordinary = image_BxA.shape[1]
    inside_BxL = np.minimum(ids_BxL, ordinary - 1)
    mapped_BxL = np.take_along_axis(image_BxA, inside_BxL, axis=1)
    return np.where(ids_BxL < ordinary, mapped_BxL, ids_BxL).astype(np.int32)


def batch_under_keys(plain: Batch, *, ordinary: int, seed: int, step: int) -> Batch:
    """A batch of `training.data.batches` for `loss`, every row under a key of its own.

    Args:
      plain: inputs_BxL and weights_BxL of plain text; the targets are not used.
      ordinary: ids that are enciphered: all but BOS and EOS, which have no weight.
    """
    inputs_BxL = plain["inputs_BxL"]
    image_BxA = permutations(seed, len(inputs_BxL), ordinary, step=step)
    weights_BxL = plain["weights_BxL"] * (inputs_BxL < ordinary)
    return {
        "inputs_BxL": encipher(inputs_BxL, image_BxA),
        "plain_BxL": np.minimum(inputs_BxL, ordinary - 1).astype(np.int32),
        "weights_BxL": weights_BxL.astype(np.float32),
        "keys_Bx2": sequence_keys(seed, len(inputs_BxL), step=step),
    }


def train(
    lm: Frozen,
    store: TokenStore,
    config: TrainConfig,
    *,
    mlp_dim: int,
    batch_size: int,
    length: int,
    log: Callable[[str], None],
    workdir: Path | None = None,
) -> Any:
    """The parameters of a probe, trained on the text that the model was trained on.

    Args:
      lm: its parameters are constants of the loss.
      store: plain ids, the train split; all ordinary ids are both plain and cipher symbols.
      config: steps, seed and optimizer.
      mlp_dim: F.
      workdir: of this training alone, for checkpoints; None: none.

    Raises:
      FreevocabError: if the loss is not finite.
    """
    ordinary = store.vocab_size - 2

    def batch_fn(step):
        plain = batches.sequence_batch(
            store, seed=config.seed, step=step, batch_size=batch_size, length=length
        )
        return batch_under_keys(plain, ordinary=ordinary, seed=config.seed, step=step)

    result = loop.train(
        lambda params, batch: loss(params, batch, lm=lm),
        lambda key: init(key, d_model=lm.config.trunk.d_model, mlp_dim=mlp_dim, alphabet=ordinary),
        batch_fn,
        config,
        workdir,
        rules=PROBE_RULES,
        log=log,
    )
    return result.params
