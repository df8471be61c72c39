"""Windows with a live Transformer M1: the batched cached loop against the naive way.

    python -m experiments.benchmarks.live_windows [--model DIR] [--batch N] [--out FILE]

Both cut the same kind of text into W = 32 point+delay windows with the 3m model. The naive way is
what the published code does: one document, for every byte a full forward pass over the context
padded to its full length (as many positions as the cached loop can see), frequencies on the host,
a coder in Python. Ours is `EqualInfoCodec`: many documents at once, one cached step per byte but
for each window's first, coder and model in one compiled loop. Both are warmed up and timed in one
process. Without `--model` the parameters are random, which makes windows short (about 3 bytes).

Measured on two idle cores of an AMD EPYC: 182 times as many bytes per second encoding and 248
decoding; with a briefly trained model (windows of 7.5 bytes) 148 and 177. By processor time, since
ours uses both cores: 138 and 188; trained, 108 and 130. The aim is 50.
"""

import contextlib
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmarks import report
from research import corpora
from research.codecs import byte_models
from research.codecs.byte_models.transformer import TransformerModel
from research.codecs.coder.frequencies import integer_frequencies
from research.codecs.windows import EqualInfoCodec
from research.models import language_model
from research.models.sizes import size

WINDOW, BETA = 32, 14
Row = dict[str, Any]


def run(
    model: str = "",
    batch: int = 256,
    documents: int = 512,
    document: int = 64,
    naive: int = 96,
    repeats: int = 2,
) -> list[Row]:
    """One row for each way: bytes per second, and the multiple of the naive way; that also by
    processor time, which other processes on the machine disturb less.

    Args:
      model: folder of a byte-level language model; empty: the 3m size with random parameters.
      batch: documents at once, of `documents` of `document` bytes each.
      naive: bytes of text for the naive way.
    """
    m1, what = _model(model)
    codec = EqualInfoCodec(m1, WINDOW, 16, batch_size=batch)
    data = b"".join(_take(documents * document))
    texts = [data[start : start + document] for start in range(0, len(data), document)]
    slow = _Naive(m1, codec.context_bytes)
    slow.encode(data[:8])
    codec.decode(codec.encode([text[:8] for text in texts[:batch]]))
    best = {way: (float("inf"),) * 2 for way in ("naive", "encode", "decode")}
    for _ in range(repeats):
        with _timed(best, "naive", naive):
            windows = slow.encode(data[:naive])
        with _timed(best, "encode", len(data)):
            ids = codec.encode(texts)
        with _timed(best, "decode", len(data)):
            decoded = codec.decode(ids)
    if decoded != texts:
        raise AssertionError("the windows did not decode to the text")
    ours = codec.windows([data[:naive]])[0].codes
    # The two round differently in the last bit, so now and then a window may differ.
    agreement = np.mean([a == b for a, b in zip(ours, windows, strict=False)])
    facts = {
        "window_bits": WINDOW,
        "model": what,
        "context": codec.context_bytes,
        "bytes_per_window": round(2 * len(data) / sum(map(len, ids)), 2),
        "codes_agree": round(float(agreement), 3),
    }
    return [
        {
            "way": way,
            "bytes_per_second": round(1 / best[way][0], 1),
            "times_naive": round(best["naive"][0] / best[way][0], 1),
            "times_naive_processor": round(best["naive"][1] / best[way][1], 1),
            "documents": 1 if way == "naive" else documents,
            "at_once": 1 if way == "naive" else batch,
        }
        | facts
        for way in best
    ]


@contextlib.contextmanager
def _timed(best: dict[str, tuple[float, ...]], way: str, count: int):
    """Keeps the least seconds for each of `count` bytes, by the clock and of processor time."""
    started = time.perf_counter(), time.process_time()
    yield
    ended = time.perf_counter(), time.process_time()
    seconds = [(end - start) / count for start, end in zip(started, ended, strict=True)]
    best[way] = tuple(map(min, best[way], seconds))


class _Naive:
    """A full forward pass for each byte and the windows' arithmetic in Python's integers."""

    def __init__(self, model: TransformerModel, context: int):
        self._model, self._context = model, context
        config = model.config

        @jax.jit
        def probabilities(params, ids_1xL, length):
            logits = language_model.logits(params, config, ids_1xL)[0, length - 1, :256]
            return jax.nn.softmax(logits)

        self._probabilities = probabilities

    def _sums(self, context: bytes) -> list[int]:
        ids = [self._model.config.bos_id, *context][-self._context :]
        padded = np.zeros((1, self._context), np.int32)
        padded[0, : len(ids)] = ids
        row = self._probabilities(self._model.params, jnp.asarray(padded), len(ids))
        frequencies = integer_frequencies(np.asarray(row)[None], BETA)[0]
        return [0, *np.cumsum(frequencies).tolist()]

    def encode(self, text: bytes) -> list[int]:
        """Codes of the point+delay windows."""
        codes, start = [], 0
        while start < len(text):
            low, width, code, length = 0, 1 << (WINDOW + 16), -1, 0
            for end in range(start, len(text)):
                sums = self._sums(text[start:end])
                begin = width * sums[text[end]] >> BETA
                low, width = low + begin, (width * sums[text[end] + 1] >> BETA) - begin
                here = -(-low >> 16)
                if here << 16 >= low + width:
                    break
                if here != code:
                    code, length = here, end + 1 - start
                if (here + 1) << 16 >= low + width:
                    break
            codes.append(code)
            start += length
        return codes


def _model(directory: str) -> tuple[TransformerModel, str]:
    if directory:
        model = byte_models.load(directory)
        assert isinstance(model, TransformerModel), "a Transformer M1 is compared"
        return model, directory
    config = language_model.LanguageModelConfig(size("3m"), 258)
    init = jax.jit(language_model.init, static_argnums=1)
    return TransformerModel(init(jax.random.key(0), config), config, BETA), "3m, random"


def _take(count: int) -> list[bytes]:
    """The first `count` bytes of the built-in English text, in documents."""
    parts, total = [], 0
    for text in corpora.load("builtin:topics").documents("train"):
        parts.append(text[: count - total])
        total += len(parts[-1])
        if total == count:
            break
    return parts


def main() -> None:
    """Reads the command line, prints the rows and writes them."""
    report.main("live_windows", run, __doc__)


if __name__ == "__main__":
    main()
