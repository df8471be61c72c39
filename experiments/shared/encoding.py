"""Encoding with a live codec on several processes: the ids are those of one.

They import this module, so it imports little: no JAX.
"""

import contextlib
import multiprocessing
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from research.codecs.byte_models import SteppedByteModel
from research.codecs.protocol import Codec, SavableCodec

LEAST_BYTES = 4_000_000  # below this, starting processes costs more than it saves


class SharedCodec:
    """A codec whose `encode` spreads its texts over processes; otherwise the codec itself.

    The processes are started by the first `encode` and live until the context is left.
    """

    def __init__(self, codec: SavableCodec, processes: int, stack: contextlib.ExitStack):
        self._codec, self._processes, self._stack = codec, processes, stack
        self._pool = None

    def __getattr__(self, name: str):
        return getattr(self._codec, name)

    def encode(self, texts: Sequence[bytes | str]) -> list[np.ndarray]:
        """As the codec's; texts go to whichever process is free, a few at a time."""
        texts = list(texts)
        if self._pool is None:
            self._pool = self._stack.enter_context(_pool(self._codec, self._processes))
        size = max(1, len(texts) // (8 * self._processes))
        parts = [texts[start : start + size] for start in range(0, len(texts), size)]
        return [ids for part in self._pool.map(_encode, parts, chunksize=1) for ids in part]


@contextlib.contextmanager
def shared(codec: Codec, num_bytes: int, processes: int | None = None) -> Iterator[Codec]:
    """The codec on as many processes as pay for so much text: itself, or a `SharedCodec`.

    Only codecs that ask a byte model on the host are slow enough; a Transformer M1 runs on the
    accelerator and is never spread.

    Args:
      processes: by default one for each core, if there are at least four and enough text.
    """
    model = getattr(codec, "model", None)
    if processes is None:
        processes = os.cpu_count() or 1
        processes = processes if processes >= 4 and num_bytes >= LEAST_BYTES else 1
    slow = model is not None and not isinstance(model, SteppedByteModel)
    if not slow or processes == 1 or not isinstance(codec, SavableCodec):
        yield codec
        return
    with contextlib.ExitStack() as stack:
        # What it has not itself it takes from the codec.
        yield SharedCodec(codec, processes, stack)  # pyright: ignore[reportReturnType]


@contextlib.contextmanager
def _pool(codec: SavableCodec, processes: int):
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "codec"
        codec.save(directory)
        before = os.environ.get("JAX_PLATFORMS")
        os.environ["JAX_PLATFORMS"] = "cpu"  # the accelerator is this process's
        try:
            context = multiprocessing.get_context("spawn")
            pool = context.Pool(processes, _open, (str(directory),))
        finally:
            os.environ.pop("JAX_PLATFORMS")
            if before is not None:
                os.environ["JAX_PLATFORMS"] = before
        with pool:
            yield pool


def _open(directory: str) -> None:
    from research import codecs

    # One codec for each process, as long as the process lives.
    _encode.codec = codecs.load(directory)


def _encode(texts: list[bytes | str]) -> list[np.ndarray]:
    return _encode.codec.encode(texts)
