"""The lexinvariant model and its probe as a solver of ciphers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from configs.lexinvariant.deciphering import ProbeConfig
from experiments.shared import language_models
from experiments.shared.language_models import TrainedModel
from experiments.shared.tables import Log
from research.lexinvariance import probe
from research.lexinvariance.ciphers.ciphers import Cipher
from research.lexinvariance.probe import Frozen
from research.training.config import TrainConfig
from research.vocabularies import sequence_keys

_DRAWS = 1 << 41  # seeds of the rows that a gaussian vocabulary draws
_LAST = 4  # occurrences of a symbol that its starting probabilities are averaged over


class ProbedModel(NamedTuple):
    """A frozen model and its probe."""

    lm: Frozen
    params: Any

    def posteriors(self, texts: Sequence[Cipher]) -> list[np.ndarray]:
        """Of a probe over letters: log P(letter | cipher text so far) of each text, float32
        [L, 27]; a clear space is just another symbol to the model."""
        if not texts:
            return []
        ordinary = self.lm.config.vocab_size - 2
        longest = max(len(cipher.symbols_L) for cipher in texts)
        ids_BxL = np.zeros((len(texts), longest), np.int32)
        for row, cipher in zip(ids_BxL, texts, strict=True):
            # Symbols by first occurrence leave at least one id for the clear space.
            symbols = np.where(cipher.symbols_L < 0, ordinary - 1, cipher.symbols_L)
            row[: len(symbols)] = symbols
        keys = sequence_keys(_DRAWS, len(texts))
        logs_BxLxA = np.asarray(jax.jit(_posterior, static_argnums=0)(
            self.lm.config, self.params, self.lm.params, ids_BxL, keys
        ))
        return [
            logs_LxA[: len(cipher.symbols_L)]
            for logs_LxA, cipher in zip(logs_BxLxA, texts, strict=True)
        ]


def _posterior(config, params, lm_params, ids_BxL, keys_Bx2):
    return probe.posterior(params, Frozen(lm_params, config), ids_BxL, keys_Bx2)


def trained(config, workdir: Path, log: Log) -> ProbedModel:
    """The model of `config.model` on `config.text`, and the probe of `config.probe` on it."""
    model = language_models.trained(
        config.model, config.text, seed=config.seed, workdir=workdir, log=log
    )
    return probed(model, config.probe, length=config.model.length, seed=config.seed, log=log)


def probed(
    trained_model: TrainedModel,
    probe_config: ProbeConfig,
    *,
    length: int,
    seed: int,
    log: Log,
    workdir: Path | None = None,
) -> ProbedModel:
    """A model with a probe on it, trained on the model's own text under fresh keys."""
    lm = Frozen(jax.tree.map(jax.numpy.asarray, trained_model.params), trained_model.config)
    log(f"training the probe, {probe_config.steps} steps")
    params = probe.train(
        lm,
        trained_model.train,
        TrainConfig(
            steps=probe_config.steps,
            seed=seed,
            optimizer=probe_config.optimizer,
            log_every=max(1, min(100, probe_config.steps // 2)),
            save_every=500,
        ),
        mlp_dim=probe_config.mlp_dim,
        batch_size=probe_config.batch_size,
        length=length,
        log=lambda line: log(f"probe: {line}"),
        workdir=workdir,
    )
    return ProbedModel(lm, params)


def start(logs_LxA: np.ndarray, cipher: Cipher) -> np.ndarray:
    """Log-probabilities of letters for each symbol, float64 [S, A], for a climber to start from.

    The mean probability over the symbol's last occurrences: each has seen all before it, so that
    summing over all of them would count the same evidence many times.
    """
    rows = []
    for symbol in range(len(cipher.key_S)):
        places = np.flatnonzero(cipher.symbols_L == symbol)[-_LAST:]
        rows.append(np.log(np.mean(np.exp(logs_LxA[places].astype(np.float64)), axis=0) + 1e-6))
    return np.stack(rows) if rows else np.zeros((0, logs_LxA.shape[1]))
