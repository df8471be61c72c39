"""Several processes as one machine."""

import jax

from research.errors import FreevocabError, UsageError
from research.training.config import DistributedConfig

__all__ = ["DistributedConfig", "initialize"]


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
