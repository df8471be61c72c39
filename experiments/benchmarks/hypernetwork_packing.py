"""The hypernetwork's forward and backward pass: tokens packed by length, and zett's rectangle.

    python -m experiments.benchmarks.hypernetwork_packing [--width 128] [--out FILE]

Both layouts take the same entries, of tokenizers sampled from the text by the paper's rule, and
the same network, in the same run, one after the other. The rectangle has zett's 7 slots for every
entry and works on all of them up to the last layer; ours has the slots that are filled, and on the
last layer only those that are read. The results agree (`largest difference`, of predicted rows).
The third row is the rectangle with our last layer: what the packing alone saves.
"""

import dataclasses
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmarks import report
from research import corpora
from research.codecs.codec_tokenizer import CodecTokenizer
from research.codecs.subword import BPECodec
from research.tokenizers import Pieces
from research.transfer.sampling import Queue, Sampling, TextWindows, byte_store, sample
from research.vocabularies import hypernetwork
from research.vocabularies.hypernetwork import HypernetworkConfig, Layout
from research.vocabularies.hypernetwork.network import flops
from research.vocabularies.protocol import EmbeddingTable

_ZETT_SLOTS = 7


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """What is run.

    Attributes:
      corpus: text that tokenizers are sampled from.
      source: entries of the source's BPE, trained on the same text.
      entries: of a sampled tokenizer.
      width, layers: of the network (untied tables).
      dtype: of activations.
      rows, queue: sampling: texts in a batch and batches in the queue.
      repeats: timed runs of each layout; the least counts.
    """

    corpus: str = "builtin:docstrings"
    source: int = 32_768
    entries: int = 32_768
    width: int = 128
    layers: int = 3
    dtype: str = "float32"
    rows: int = 128
    queue: int = 16
    repeats: int = 2


class Way(NamedTuple):
    """A layout and how the last layer works on it."""

    name: str
    layout: Layout
    pool_early: bool


def sampled_pieces(config: Benchmark) -> Pieces:
    """Pieces of a sampled tokenizer's entries."""
    documents = list(corpora.load(config.corpus).documents("train"))
    source = CodecTokenizer(BPECodec.train(documents, config.source))
    windows = TextWindows(byte_store(documents), rows=config.rows)
    queue = Queue(lambda number: [part for row in windows.batch(number) for part in row],
                  config.queue)  # fmt: skip
    sampling = Sampling(vocab_size=config.entries, queue=config.queue)
    tokenizer = sample(sampling, queue, seed=0, step=0)
    strings = [token for token in tokenizer.match_bytes() if token]
    return source.decompose(strings)


def run(**options: Any) -> list[dict[str, Any]]:
    """One row for each layout."""
    config = Benchmark(**options)
    pieces = sampled_pieces(config)
    counts = pieces.counts_T
    rows = len(counts)
    ways = (
        Way("packed", hypernetwork.layout_for([counts], rows=rows, max_slots=8), True),
        Way("rectangle, as zett's", _rectangle(counts), False),
        Way("rectangle, last layer as ours", _rectangle(counts), True),
    )
    source = _source(int(pieces.ids_N.max()) + 1, config.width)
    # More positions than either layout needs: one network serves both.
    network = HypernetworkConfig(
        config.width, tied=False, form="zett", num_layers=config.layers, dtype=config.dtype
    )
    params = hypernetwork.init(jax.random.key(0), network, source)
    measured = [_measure(way, params, network, source, pieces, config.repeats) for way in ways]
    ours, theirs = measured[:2]
    # Tokens longer than 7 or 8 pieces are pooled at another place: those are left out.
    same = counts <= _ZETT_SLOTS
    return [
        {
            "layout": way.name,
            "seconds": round(one.seconds, 3),
            "times zett's": round(theirs.seconds / one.seconds, 2),
            "filled slots": f"{counts.sum() / (way.layout.groups * way.layout.slots):.1%}",
            "GFLOPs forward": round(flops(network, way.layout, pool_early=way.pool_early) / 1e9, 1),
            "pieces an entry": round(float(counts.mean()), 2),
            "compile seconds": round(one.compile_seconds, 1),
            "largest difference": f"{np.abs(one.rows - ours.rows)[same].max():.1e}",
        }
        for way, one in zip(ways, measured, strict=True)
    ]


class Measured(NamedTuple):
    """Least seconds of a pass forward and backward, and the predicted input rows by entry."""

    seconds: float
    compile_seconds: float
    rows: np.ndarray


def _measure(way: Way, params, network, source, pieces, repeats: int) -> Measured:
    packed, row_T = hypernetwork.pack(pieces, way.layout)

    def loss(params: Any, packed: Any) -> tuple[jax.Array, jax.Array]:
        table = hypernetwork.apply(
            params, network, source, packed, way.layout, pool_early=way.pool_early
        )
        total = jnp.sum(jnp.square(table.input_VxD)) + jnp.sum(jnp.square(table.output_VxD))
        return total, table.input_VxD

    started = time.perf_counter()
    run: Callable = jax.jit(jax.value_and_grad(loss, has_aux=True)).lower(params, packed).compile()
    compile_seconds = time.perf_counter() - started
    (_, rows), _ = jax.block_until_ready(run(params, packed))
    best = float("inf")
    for _ in range(repeats):
        started = time.perf_counter()
        jax.block_until_ready(run(params, packed))
        best = min(best, time.perf_counter() - started)
    return Measured(best, compile_seconds, np.asarray(rows)[row_T])


def _rectangle(counts: np.ndarray) -> Layout:
    return hypernetwork.layout_for(
        [counts], rows=len(counts), max_slots=_ZETT_SLOTS, widths=[_ZETT_SLOTS]
    )


def _source(rows: int, width: int) -> EmbeddingTable:
    normal = jax.nn.initializers.normal(width**-0.5)
    return EmbeddingTable(
        *(normal(key, (rows, width)) for key in jax.random.split(jax.random.key(1)))
    )


def main() -> None:
    """Reads the command line, prints the rows and writes them."""
    report.main("hypernetwork_packing", run, __doc__, options=Benchmark)


if __name__ == "__main__":
    main()
