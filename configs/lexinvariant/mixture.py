"""The theorem made visible (ours; the paper's Theorem 2.1 has no experiment).

    freevocab reproduce lexinvariant/mixture [--scale gpu|paper]

A Markov chain over d = 6 symbols with known transition probabilities is the source p. Its
lexinvariant counterpart p' is computed exactly, as a Bayes mixture over the d! = 720 renamings;
models with learned, gaussian and canonical vocabularies are trained on fresh samples of the chain.
Each is compared with p at every position of new samples: the L1 distance of the conditionals,
averaged over the first T positions, and the excess of the log-loss, summed over them.

cpu: two layers of width 64, 128 positions, 1,200 steps of 16 samples. 2 cores: 3.3 minutes. At T =
  128 the mean gap and the excess are 0.113 and 9.49 bits for p' (bounds 0.321 and 9.49), 0.023 and
  0.1 learned, 0.384 and 26.9 canonical, 0.586 and 55.3 gaussian (16 draws: 0.568 and 52.8). So few
  steps leave the trained lexinvariant models far from p': canonical comes nearer with T, gaussian
  does not.
gpu: 512 positions, 2,000 steps of "3m", 1,000 sequences. Not yet run.
paper: as gpu at 1,024 positions. The paper proves a bound and measures nothing. Not yet run.
Expected: p' keeps both bounds at every T (theorems); its excess ends at log2(720) = 9.49 bits, so
  its mean gap falls as 1 / T once the renaming is known. A learned model's gap goes to what
  training leaves. The paper's bound is above 2, so empty, below T = 200,000.
"""

from dataclasses import dataclass

from research.training.config import OptimizerConfig


@dataclass(frozen=True)
class Config:
    """A source, what is computed from it, and the models that are trained on it.

    Attributes:
      alphabet: d symbols, at most 7.
      concentration: of the Dirichlet distribution that the chain's rows come from.
      lengths: the T of the rows; the largest is the length of the sequences.
      num_sequences: sequences that are averaged over.
      vocabularies: of the models trained.
      draws: for vocabularies that are drawn, the numbers of draws whose predictions are averaged.
      size: of each model's trunk, a name of `research.models.sizes.SIZES`.
      shape: fields of it that are replaced.
      batch_size, steps, optimizer: of each model.
      delta: the paper's bound holds with probability 1 - delta.
      seed: the chain, its samples, initial weights and draws.
    """

    alphabet: int
    concentration: float
    lengths: tuple[int, ...]
    num_sequences: int
    vocabularies: tuple[str, ...]
    draws: tuple[int, ...]
    size: str
    batch_size: int
    steps: int
    optimizer: OptimizerConfig
    shape: tuple[tuple[str, int], ...] = ()
    delta: float = 0.05
    seed: int = 0


def cpu() -> Config:
    """Two layers, 128 positions."""
    return Config(
        alphabet=6,
        concentration=0.5,
        lengths=(4, 8, 16, 32, 64, 128),
        num_sequences=128,
        vocabularies=("learned", "gaussian", "canonical"),
        draws=(1, 16),
        size="mini",
        batch_size=16,
        steps=1_200,
        optimizer=OptimizerConfig(
            name="adamw", learning_rate=1e-2, schedule="cosine", warmup_steps=20
        ),
        # A quarter of the width, four times the steps in the same time.
        shape=(("d_model", 64), ("num_heads", 4), ("head_dim", 16), ("mlp_dim", 128)),
    )


def gpu() -> Config:
    """Three layers, 512 positions."""
    return Config(
        alphabet=6,
        concentration=0.5,
        lengths=(4, 8, 16, 32, 64, 128, 256, 512),
        num_sequences=1_000,
        vocabularies=("learned", "gaussian", "canonical"),
        draws=(1, 16),
        size="3m",
        batch_size=64,
        steps=2_000,
        optimizer=OptimizerConfig(
            name="adamw", learning_rate=1e-3, schedule="cosine", warmup_steps=100
        ),
    )


def paper() -> Config:
    """Longer sequences."""
    return Config(
        alphabet=6,
        concentration=0.5,
        lengths=(4, 8, 16, 32, 64, 128, 256, 512, 1_024),
        num_sequences=1_000,
        vocabularies=("learned", "gaussian", "canonical"),
        draws=(1, 16),
        size="3m",
        batch_size=64,
        steps=10_000,
        optimizer=OptimizerConfig(
            name="adamw", learning_rate=1e-3, schedule="cosine", warmup_steps=100
        ),
    )


def quick() -> Config:
    """Seconds, for tests."""
    return Config(
        alphabet=4,
        concentration=0.5,
        lengths=(4, 16),
        num_sequences=8,
        vocabularies=("gaussian", "canonical"),
        draws=(1, 2),
        size="tiny",
        batch_size=8,
        steps=2,
        optimizer=OptimizerConfig(name="adamw", learning_rate=3e-3, schedule="constant"),
    )
