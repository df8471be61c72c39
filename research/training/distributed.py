"""Several processes as one machine."""

import contextlib
from collections.abc import Iterator

import jax

from research.errors import FreevocabError, UsageError
from research.training.config import DistributedConfig

__all__ = ["DistributedConfig", "initialize", "process_zero_first"]

# Process 0 may be encoding a corpus for hours while the others wait.
_PATIENCE_MS = 48 * 3600 * 1000


def initialize(config: DistributedConfig) -> None:
    """Joins the other processes; must run before anything asks JAX for devices.

    All fields unset: one process, nothing to do. On CPU the processes talk by gloo, JAX's default.

    Raises:
      UsageError: if only some of the three fields are set, or they contradict each other.
      FreevocabError: if the other processes cannot be reached.
    """
    fields = {
        "coordinator": config.coordinator,
        "process-count": config.process_count,
        "process-id": config.process_id,
    }
    missing = [name for name, value in fields.items() if value is None]
    if len(missing) == len(fields):
        return
    if missing:
        raise UsageError(f"several processes need --{' and --'.join(missing)} as well")
    if not 0 <= config.process_id < config.process_count:
        raise UsageError(
            f"process-id {config.process_id} is not within 0 to {config.process_count - 1}"
        )
    try:
        jax.distributed.initialize(config.coordinator, config.process_count, config.process_id)
    except (RuntimeError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise FreevocabError(
            f"process {config.process_id} could not join {config.coordinator}: {first}"
        ) from error


@contextlib.contextmanager
def process_zero_first(key: str) -> Iterator[None]:
    """Runs the block on process 0, then on the others, and goes on when all are done.

    For files that the processes share: process 0 writes them, the others find them. Where they do
    not share a disk, each writes its own.

    Args:
      key: names this block; not to be used twice by one process.
    """
    if jax.process_count() == 1:
        yield
        return
    # The coordination service's barrier, not a collective: collectives give up after 30 s.
    from orbax.checkpoint import multihost

    barrier = multihost.get_barrier_sync_fn()
    if jax.process_index() != 0:
        barrier(key=f"{key} first", timeout_ms=_PATIENCE_MS)
    yield
    if jax.process_index() == 0:
        barrier(key=f"{key} first", timeout_ms=_PATIENCE_MS)
    barrier(key=f"{key} done", timeout_ms=_PATIENCE_MS)
