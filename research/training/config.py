"""What can be set about a training run. Plain data: importing this module does not import JAX."""

import dataclasses
import math
from typing import Any, Literal

from research.errors import UsageError

SEEDS = 2**32  # JAX would take a seed modulo this
MAX_COUNT = 2**31 - 1


def check_least(config: Any, **least: float) -> None:
    """Raises UsageError for a field of `config` below its least value, or NaN or infinite."""
    for name, low in least.items():
        value = getattr(config, name)
        if value is not None and not low <= value < math.inf:
            raise UsageError(f"{name} must be at least {low}, not {value}")


def check_counts(config: Any, *names: str) -> None:
    """Raises UsageError for a number of steps, ids or examples from 2^31 on: devices count them in
    int32."""
    for name in names:
        value = getattr(config, name)
        if value is not None and value > MAX_COUNT:
            raise UsageError(f"{name} must be at most {MAX_COUNT:,}, not {value:,}")


def check_shares(config: Any, *names: str, below_one: bool = False) -> None:
    """Raises UsageError for a field outside of 0..1, or that is 1 where it must be `below_one`."""
    for name in names:
        value = getattr(config, name)
        if not 0 <= value <= 1 or (below_one and value == 1):
            limit = "below 1" if below_one else "at most 1"
            raise UsageError(f"{name} must be at least 0 and {limit}, not {value}")


def check_seed(seed: int) -> None:
    """Raises UsageError unless `seed` is one of JAX's 2^32."""
    if not 0 <= seed < SEEDS:
        raise UsageError(f"seed must lie in 0..{SEEDS - 1}, not {seed}")


@dataclasses.dataclass(frozen=True)
class ParallelismConfig:
    """How a step is spread over devices."""

    kind: Literal["single", "mesh", "pmap"] = "single"
    """single: one device. mesh: jit over a ('data', 'model') mesh, on any number of processes.
    pmap: jax.pmap over all devices of one process, data parallel only."""
    data: int = -1
    """Devices along 'data' (the batch is split over them); -1: all that 'model' leaves."""
    model: int = 1
    """Devices along 'model': attention heads, MLP width and rows of the tables are split."""
    fsdp: bool = True
    """Kernels and the optimizer's state are split over 'data' too (mesh only);
    --parallelism.no-fsdp keeps them whole."""


@dataclasses.dataclass(frozen=True)
class DistributedConfig:
    """Several processes as one machine (jax.distributed); leave all unset for one process."""

    coordinator: str | None = None
    """HOST:PORT of process 0, the same in every process; auto: JAX asks the cluster for all three
    (a TPU slice)."""
    process_count: int | None = None
    """Processes in all."""
    process_id: int | None = None
    """This process's number, from 0."""
    timeout: int = 300
    """Seconds to wait until all of them have come."""

    def __post_init__(self):
        check_least(self, timeout=1)


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """Optimizer and learning rate. `paper_adafactor()` is the compressed-text paper's."""

    name: Literal["adamw", "adafactor", "muon"] = "adamw"
    """muon: kernels of the trunk by Muon, everything else by AdamW at the same learning rate."""
    learning_rate: float = 1e-3
    """Peak. Adafactor's is relative to the size of each parameter."""
    schedule: Literal["constant", "cosine", "rsqrt"] = "cosine"
    """constant and cosine begin with a linear warm-up; rsqrt is learning_rate / sqrt(max(t,
    warmup_steps)) after t steps, constant until then."""
    warmup_steps: int = 0
    """Length of the warm-up, in steps."""
    decay_steps: int = 0
    """Step at which cosine reaches its end; 0: the last step of the run."""
    final_fraction: float = 0.1
    """Where cosine ends, as a fraction of learning_rate."""
    clip_norm: float = 1.0
    """Gradients are scaled down to this global norm; 0: never."""
    weight_decay: float = 0.0
    """Times the learning rate; kernels only (AdamW, Muon)."""
    beta1: float = 0.9
    """AdamW: decay of the mean of gradients."""
    beta2: float = 0.98
    """AdamW: decay of the mean of squared gradients."""
    epsilon: float = 1e-8
    """AdamW: added to the root of the second moment."""
    decay_rate: float = 0.8
    """Adafactor: the second moment's decay after t steps is 1 - t^-decay_rate."""
    clip_threshold: float = 1.0
    """Adafactor: updates are scaled down to this root mean square, matrix by matrix."""
    min_factored: int = 128
    """Adafactor: matrices with fewer inputs or outputs keep the whole second moment."""
    momentum: float = 0.95
    """Muon: decay of the momentum."""

    def __post_init__(self):
        names = ("learning_rate", "warmup_steps", "decay_steps", "clip_norm", "weight_decay",
                 "epsilon", "decay_rate", "min_factored")  # fmt: skip
        check_least(self, **dict.fromkeys(names, 0))
        check_counts(self, "warmup_steps", "decay_steps", "min_factored")
        check_shares(self, "beta1", "beta2", "momentum", below_one=True)
        check_shares(self, "final_fraction")
        if not 0 < self.clip_threshold < math.inf:
            raise UsageError(f"clip_threshold must be above 0, not {self.clip_threshold}")

    @classmethod
    def paper_adafactor(cls) -> "OptimizerConfig":
        """Adafactor with lr(t) = 1 / sqrt(max(t, 10,000)) (arXiv 2404.03626, section 3.3)."""
        return cls(
            name="adafactor",
            learning_rate=1.0,
            schedule="rsqrt",
            warmup_steps=10_000,
            clip_norm=0.0,
        )

    @classmethod
    def lexinvariant_paper(cls) -> "OptimizerConfig":
        """Adafactor, cosine from .01 to .001 (arXiv 2305.16349, appendix H).

        The warm-up is that of the code base which the paper's settings point to.
        """
        return cls(
            name="adafactor",
            learning_rate=0.01,
            schedule="cosine",
            warmup_steps=1_000,
            final_fraction=0.1,
            clip_norm=0.0,
        )


@dataclasses.dataclass(frozen=True)
class ForgettingConfig:
    """When rows of a learned vocabulary are drawn anew; AdamW only. The defaults never do it."""

    every: int = 0
    """Updates between two resets; 0: no reset."""
    until: int = 0
    """The last reset comes after at most so many updates (temporary); 0: no end (active)."""
    share: float = 1.0
    """Each reset chooses every id with this probability (below 1: probabilistic)."""
    keep: tuple[int, ...] = ()
    """Ids whose rows are never reset."""

    def __post_init__(self):
        check_least(self, every=0, until=0)
        check_shares(self, "share")

    def due(self, updates: int) -> bool:
        """Whether rows are reset before the next update, `updates` having been done."""
        if not self.every or not updates or (self.until and updates > self.until):
            return False
        return updates % self.every == 0


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """One training run, whatever the model."""

    steps: int
    """Updates in all."""
    seed: int = 0
    """Decides the initial weights (and, through batch_fn, the order of the data)."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """Optimizer and schedule."""
    parallelism: ParallelismConfig = ParallelismConfig()
    """How a step is spread over devices."""
    log_every: int = 50
    """Steps between progress lines; the loss is fetched from the device only then."""
    save_every: int = 0
    """Steps between checkpoints; 0: only at the end and on Ctrl-C."""
    keep: int = 2
    """Checkpoints kept."""
    eval_every: int = 0
    """Steps between evaluations; 0: only at the end."""
    checkpoint: str | None = None
    """A checkpoint directory of another run, to go on from (weights, optimizer and step)."""
    forgetting: ForgettingConfig | None = None
    """Resets of the vocabulary's rows; None: AdamW does not count by row."""

    def __post_init__(self):
        check_least(self, steps=0, log_every=1, save_every=0, keep=1, eval_every=0)
        check_counts(self, "steps")
        check_seed(self.seed)

    @property
    def decay_steps(self) -> int:
        """Step at which cosine reaches its end; 0 for other schedules."""
        cosine = self.optimizer.schedule == "cosine"
        return (self.optimizer.decay_steps or self.steps) if cosine else 0

    @property
    def compiled_part(self) -> "TrainConfig":
        """What a compiled step depends on, the rest at its default: equal ones may share it."""
        forgetting = self.forgetting
        return TrainConfig(
            0,
            optimizer=dataclasses.replace(self.optimizer, decay_steps=self.decay_steps),
            parallelism=self.parallelism,
            forgetting=None if forgetting is None else ForgettingConfig(keep=forgetting.keep),
        )
