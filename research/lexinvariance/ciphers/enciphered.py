"""Training sequences under fresh keys: the same text never looks the same twice."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from research.lexinvariance import probe
from research.lexinvariance.probe import Frozen
from research.training import loop
from research.training.config import TrainConfig
from research.training.data import batches
from research.training.data.token_store import TokenStore
from research.vocabularies import sequence_keys

Batch = dict[str, np.ndarray]


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


def probe_batch(plain: Batch, *, ordinary: int, seed: int, step: int) -> Batch:
    """A batch of `training.data.batches` for `probe.loss`, every row under a key of its own.

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


def train_probe(
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
        return probe_batch(plain, ordinary=ordinary, seed=config.seed, step=step)

    result = loop.train(
        lambda params, batch: probe.loss(params, batch, lm=lm),
        lambda key: probe.init(
            key, d_model=lm.config.trunk.d_model, mlp_dim=mlp_dim, alphabet=ordinary
        ),
        batch_fn,
        config,
        workdir,
        rules=probe.PROBE_RULES,
        log=log,
    )
    return result.params
