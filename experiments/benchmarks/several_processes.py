"""Weak scaling over processes: tokens per second of two with twice the batch, against one.

    python -m experiments.benchmarks.several_processes [--size 3m] [--out FILE]

Each process has one core of its own and one device; the training step is what `freevocab train m2`
runs, on random ids, data parallel with parameters and optimizer split over the processes (fsdp).
They talk by gloo on one machine, so what is measured is what the program adds, not a network.
`efficiency` is tokens per second over those of one process times their number: 1 were ideal. The
runs take turns, `repeats` times, and the steps of all turns make one median.
"""

import dataclasses
import json
import os
import socket
import subprocess
import sys
import time
from typing import Any

import numpy as np

from experiments.benchmarks import report
from research.units import quantity

WORKER = "from experiments.benchmarks import several_processes as s; s.worker()"


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """What is run.

    Attributes:
      size, vocab_size: the model; vocab_size is the codec's.
      batch_size, length: of a step, for each process.
      processes: how many in each row, the first of them 1.
      steps: timed after two that are not.
      repeats: turns.
    """

    size: str = "3m"
    vocab_size: int = 4096
    batch_size: int = 4
    length: int = 128
    processes: tuple[int, ...] = (1, 2)
    steps: int = 20
    repeats: int = 3


def run(config: Benchmark) -> list[dict[str, Any]]:
    """A row for each number of processes."""
    times: dict[int, list[float]] = {count: [] for count in config.processes}
    for _ in range(config.repeats):
        for count in config.processes:
            times[count] += _together(config, count)
    rows = []
    for count in config.processes:
        tokens = count * config.batch_size * config.length
        rate = tokens / float(np.median(times[count]))
        single = rows[0]["tokens_per_second"] if rows else rate
        rows.append(
            {
                "processes": count,
                "tokens_per_step": tokens,
                "tokens_per_second": rate,
                "seconds_per_step": float(np.median(times[count])),
                "efficiency": rate / (count * single),
            }
        )
    return rows


def _together(config: Benchmark, count: int) -> list[float]:
    """Seconds of the steps of `count` processes, as the first of them sees them."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        address = f"localhost:{probe.getsockname()[1]}"
    cores = sorted(os.sched_getaffinity(0))
    workers = []
    for process in range(count):
        place = {"count": count, "process": process, "at": address}
        facts = dataclasses.asdict(config) | place | {"core": cores[process % len(cores)]}
        workers.append(
            subprocess.Popen(
                [sys.executable, "-c", WORKER, json.dumps(facts)],
                env=os.environ | {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "1"},
                stdout=subprocess.PIPE,
                text=True,
            )
        )
    printed = [worker.communicate()[0] for worker in workers]
    if any(worker.returncode for worker in workers):
        raise RuntimeError(f"a process of {count} failed")
    return json.loads(printed[0].splitlines()[-1])


def worker() -> None:
    """One of the processes: prints the seconds of its steps, as JSON."""
    facts = json.loads(sys.argv[1])
    os.sched_setaffinity(0, {facts["core"]})  # before JAX starts its threads
    import jax

    from research.models import sizes
    from research.models.language_model import LanguageModelConfig
    from research.training import parallelism, processes
    from research.training.compile import compile_step
    from research.training.config import DistributedConfig, ParallelismConfig, TrainConfig
    from research.training.lm import LM

    if facts["count"] > 1:
        where = DistributedConfig(facts["at"], facts["count"], facts["process"])
        processes.initialize(where, log=lambda line: None)
    config = ParallelismConfig("mesh")
    model = LanguageModelConfig(sizes.size(facts["size"]), facts["vocab_size"] + 2)
    lm = LM(model, parallelism.make_mesh(config), config)
    ids_BxL = np.random.default_rng(facts["process"]).integers(
        0, facts["vocab_size"], (facts["batch_size"], facts["length"]), dtype=np.int32
    )
    batch = {
        "inputs_BxL": ids_BxL,
        "targets_BxL": np.roll(ids_BxL, -1, axis=1),
        "weights_BxL": np.ones(ids_BxL.shape, np.float32),
    }
    train = TrainConfig(steps=facts["steps"] + 2, parallelism=config)
    compiled = compile_step(lm.loss, lm.init, batch, train, mesh=lm.mesh)
    state = compiled.init(0)
    with processes.process_zero_first("compiled"):
        pass  # both begin now
    times = []
    for _ in range(facts["steps"] + 2):
        started = time.perf_counter()
        placed = parallelism.put_batch(config, lm.mesh, batch)
        state, metrics = compiled.step(state, placed)
        jax.block_until_ready((state, metrics))
        times.append(time.perf_counter() - started)
    print(json.dumps(times[2:]))


def main() -> None:
    """Reads the command line, prints the rows and writes them."""
    report.main(
        "several_processes", lambda **options: run(Benchmark(**options)), __doc__,
        options=Benchmark, show=_shown,
    )  # fmt: skip


def _shown(row: dict[str, Any]) -> str:
    return (
        f"{row['processes']} processes: {quantity(row['tokens_per_second'])} tokens/s, "
        f"{row['seconds_per_step']:.3f} s a step, efficiency {row['efficiency']:.2f}"
    )


if __name__ == "__main__":
    main()
