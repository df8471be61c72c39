"""One M2 training step: tokens per second, and the share of the machine's own matrix-multiply peak.

    python -m experiments.benchmarks.training_step [--size 25m] [--vocab-size 65536] [--out FILE]

The peak is measured in the same run: the best of several matrix products, alone, in the step's
dtype, on one device (times the devices). The step is what `freevocab train m2` runs, on random ids.
Its useful FLOPs are three times the forward pass's products (readout included, recomputation not).

On two CPU cores: the defaults. On one H100/H200-class device, at 403m and V = 65,536 in bf16:

    python -m experiments.benchmarks.training_step --size 403m --batch-size 32 --length 512 \\
        --dtype bfloat16 --peak-size 8192 --steps 20 --out step-403m.json

whose aim is 45 % of the bf16 peak.
"""

import dataclasses
import time
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmarks import report
from research.models import sizes
from research.models.language_model import LanguageModelConfig
from research.training import parallelism
from research.training.compile import compile_step
from research.training.config import OptimizerConfig, ParallelismConfig, TrainConfig
from research.training.lm import LM
from research.units import quantity
from research.vocabularies.learned import LearnedEmbedding


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """What is run.

    Attributes:
      size, vocab_size, tied, dtype, remat, unroll: the model; vocab_size is the codec's.
      batch_size, length: of a step. chunk_size: positions in the readout at once; 0: the default.
      optimizer: name of one. parallelism: kind; mesh with `model` devices along 'model'.
      steps: timed after two that are not.
      peak_size: matrices of the peak are this square.
    """

    size: str = "25m"
    vocab_size: int = 65_536
    tied: bool = False
    dtype: str = "float32"
    remat: bool = False
    unroll: bool = False
    batch_size: int = 4
    length: int = 128
    chunk_size: int = 0
    optimizer: Literal["adamw", "adafactor", "muon"] = "adafactor"
    parallelism: Literal["single", "mesh", "pmap"] = "single"
    model: int = 1
    steps: int = 5
    peak_size: int = 2048


def matmul_peak(size: int, dtype: str) -> float:
    """FLOPs per second of the best of ten products of two size x size matrices."""
    left, right = (
        jax.random.normal(key, (size, size), jnp.dtype(dtype))
        for key in jax.random.split(jax.random.key(0))
    )
    product = jax.jit(jnp.matmul).lower(left, right).compile()
    product(left, right).block_until_ready()
    best = float("inf")
    for _ in range(10):
        started = time.perf_counter()
        product(left, right).block_until_ready()
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best


def run(config: Benchmark) -> dict[str, Any]:
    """The measured row."""
    trunk = sizes.size(
        config.size, dtype=config.dtype, remat=config.remat, scan_layers=not config.unroll
    )
    model = LanguageModelConfig(
        trunk, config.vocab_size + 2, vocabulary=LearnedEmbedding(config.tied)
    )
    optimizer = OptimizerConfig(config.optimizer, clip_norm=0.0)
    if config.optimizer == "adafactor":
        optimizer = OptimizerConfig.paper_adafactor()
    parallel = ParallelismConfig(config.parallelism, model=config.model)
    train = TrainConfig(steps=config.steps + 2, optimizer=optimizer, parallelism=parallel)
    lm = LM(
        model,
        parallelism.make_mesh(parallel),
        parallel,
        z_loss=1e-4,
        chunk_size=config.chunk_size or None,
    )
    ids_BxL = np.random.default_rng(0).integers(
        0, config.vocab_size, (config.batch_size, config.length), dtype=np.int32
    )
    batch = {
        "inputs_BxL": ids_BxL,
        "targets_BxL": np.roll(ids_BxL, -1, axis=1),
        "weights_BxL": np.ones(ids_BxL.shape, np.float32),
    }
    started = time.perf_counter()
    compiled = compile_step(lm.loss, lm.init, batch, train, mesh=lm.mesh)
    compile_seconds = time.perf_counter() - started
    state = compiled.init(0)
    placed = parallelism.put_batch(parallel, compiled.mesh, batch)
    # The peak before and after: another program at the same time would lower it.
    peaks = [matmul_peak(config.peak_size, config.dtype)]
    times = []
    for _ in range(config.steps + 2):
        started = time.perf_counter()
        state, metrics = compiled.step(state, placed)
        jax.block_until_ready((state, metrics))
        times.append(time.perf_counter() - started)
    peaks.append(matmul_peak(config.peak_size, config.dtype))
    seconds = float(np.median(times[2:]))
    estimate = compiled.estimate
    peak = max(peaks) * compiled.mesh.size
    return {
        **dataclasses.asdict(config),
        "params": estimate.params,
        "tokens_per_second": estimate.tokens / seconds,
        "seconds_per_step": seconds,
        "fastest_step": min(times[2:]),
        "model_flops_per_second": estimate.model_flops / seconds,
        "matmul_peak": peak,
        "share_of_peak": estimate.model_flops / seconds / peak,
        "compile_seconds": compile_seconds,
        "activation_bytes": estimate.activation_bytes,
        "loss": float(metrics["nats"]) / float(metrics["tokens"]),
    }


def main() -> None:
    """Reads the command line, prints the rows and writes them."""
    report.main(
        "training_step", lambda **options: [run(Benchmark(**options))], __doc__,
        options=Benchmark, show=_shown,
    )  # fmt: skip


def _shown(row: dict[str, Any]) -> str:
    return (
        f"{row['size']} V={row['vocab_size']} {row['dtype']} {row['batch_size']} x {row['length']}:"
        f" {quantity(row['tokens_per_second'])} tokens/s, {row['seconds_per_step']:.3f} s a step,"
        f" {quantity(row['model_flops_per_second'])}FLOP/s"
        f" = {row['share_of_peak']:.1%} of a measured {quantity(row['matmul_peak'])}FLOP/s"
    )


if __name__ == "__main__":
    main()
