"""The papers' training steps on 64 simulated devices, without memory: bytes a device.

    JAX_PLATFORMS=cpu JAX_NUM_CPU_DEVICES=64 python -m tests.experiments.many_devices [NAME ...]

Prints a row of JSON for each step. Those that are named (`all`: all) are compiled too, which says
how much the devices hold for a while: activations, gradients, what they send each other. That is of
XLA for CPUs, which computes in float32 what TPUs and GPUs compute in bfloat16.
"""

import dataclasses
import importlib
import json
import math
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax

from configs import compressed_text, lexinvariant
from configs.shared import M2Config, ModelConfig
from configs.tokenizer_transfer import zero_shot
from research.training.config import ParallelismConfig
from tests.experiments.lowering import (
    IDS,
    Step,
    compressed_text_step,
    hypernetwork_step,
    lexinvariant_step,
    lower,
    models_of,
)

DEVICES = 64
LARGEST = "2b"  # also with its blocks computed again in the backward pass


class PaperStep(NamedTuple):
    """A training step that tables have at scale paper."""

    name: str
    table: str
    """One that has it."""
    batch_size: int
    length: int
    """`batch_size`, `length`: sequences of a step, ids of a sequence."""
    make: Callable[[], Step]


def steps() -> list[PaperStep]:
    """Every size and kind of model, each with as many ids as it has anywhere."""
    largest: dict[tuple, tuple[int, PaperStep]] = {}
    for ids, step in [*_compressed_text(), *_lexinvariant()]:
        key = step.name, step.batch_size, step.length
        if key not in largest or ids > largest[key][0]:
            largest[key] = ids, step
    setting = zero_shot.paper()
    training = setting.hypernetwork
    last = PaperStep(
        "hypernetwork of TinyLlama", "tokenizer_transfer/zero_shot",
        training.batch_size, training.length, lambda: hypernetwork_step(setting),
    )  # fmt: skip
    return [*(step for _, step in largest.values()), last]


def _compressed_text() -> Iterator[tuple[int, PaperStep]]:
    for name in compressed_text.TABLES:
        config = importlib.import_module(f"configs.compressed_text.{name}").paper()
        model: M2Config | None = getattr(config, "m2", None)
        if model is None:
            continue
        bits = max(
            codec.bits_per_token for codec in getattr(config, "codecs", None) or (config.codec,)
        )
        ids = 2**bits + (256 + 3 if name == "learn_the_coder" else 2)
        for size in getattr(config, "sizes", [model.size]):
            for remat in (False, True) if size == LARGEST else (False,):
                of = dataclasses.replace(model, size=size, remat=remat)
                make = _bound(compressed_text_step, of, ids)
                title = f"M2 {size}, remat" if remat else f"M2 {size}"
                table = f"compressed_text/{name}"
                yield ids, PaperStep(title, table, of.batch_size, of.length, make)


def _lexinvariant() -> Iterator[tuple[int, PaperStep]]:
    for name in lexinvariant.TABLES:
        config = importlib.import_module(f"configs.lexinvariant.{name}").paper()
        for model in dict.fromkeys(models_of(config)):
            yield IDS[model.ids] or model.vocab_size + 2, _of_model(name, model)


def _of_model(name: str, model: ModelConfig) -> PaperStep:
    return PaperStep(
        f"{model.vocabulary} {model.size}", f"lexinvariant/{name}",
        model.batch_size, model.length, _bound(lexinvariant_step, model),
    )  # fmt: skip


def _bound(make: Callable[..., Step], *arguments: Any) -> Callable[[], Step]:
    return lambda: make(*arguments)


def mesh_of(step: PaperStep) -> ParallelismConfig:
    """As many devices along 'data' as the batch divides over."""
    data = math.gcd(step.batch_size, DEVICES)
    return ParallelismConfig("mesh", data, DEVICES // data)


def row(step: PaperStep, compiled: bool) -> dict[str, Any]:
    """What a device holds, in bytes: `state_bytes` (parameters, optimizer), `argument_bytes` (the
    state and the batch), and `temporary_bytes` if the step is compiled, else None."""
    mesh, made = mesh_of(step), step.make()
    lowered = lower(made, mesh)
    batch_bytes = sum(math.prod(each.shape) * each.dtype.itemsize for each in made.batch.values())
    arguments = lowered.device_bytes + 4 + batch_bytes // mesh.data  # 4: the number of the step
    temporary = None
    if compiled:
        memory = lowered.traced.lower().compile().memory_analysis()
        assert memory.argument_size_in_bytes == arguments, (memory, arguments)
        temporary = memory.temp_size_in_bytes
    return {
        "name": step.name,
        "table": step.table,
        "batch": [step.batch_size, step.length],
        "mesh": [mesh.data, mesh.model],
        "parameters": lowered.parameters,
        "state_bytes": lowered.device_bytes,
        "argument_bytes": arguments,
        "temporary_bytes": temporary,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """The rows in Markdown."""
    lines = [
        "| model | batch | data x model | parameters | state | for a while | in all |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for each in rows:
        known, temporary = each["temporary_bytes"] is not None, each["temporary_bytes"] or 0
        cells = [
            each["name"],
            "{} x {}".format(*each["batch"]),
            "{} x {}".format(*each["mesh"]),
            f"{each['parameters'] / 1e6:,.0f} M",
            f"{each['state_bytes'] / 1e6:,.0f} MB",
            f"{temporary / 1e6:,.0f} MB" if known else "-",
            f"{(each['argument_bytes'] + temporary) / 1e9:.1f} GB" if known else "-",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Prints the rows."""
    assert jax.device_count() == DEVICES
    names = sys.argv[1:]
    for step in steps():
        print(json.dumps(row(step, step.name in names or names == ["all"])), flush=True)


if __name__ == "__main__":
    main()
