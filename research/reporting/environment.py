"""What ran it: versions, hardware, commit."""

import functools
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "numpy",
    "numba",
    "tokenizers",
    "sentencepiece",
)
ROOT = Path(__file__).resolve().parent.parent.parent
# Files outside these do not change what a run measures (results/ changes with every run).
CODE = ("research", "experiments", "configs")
DIRTY = "+dirty"


def versions() -> dict[str, str]:
    """Versions of Python, ours and the packages that numbers depend on, and JAX's random flags."""
    from research import __version__

    by_package = {"python": platform.python_version(), "freevocab": __version__}
    for package in PACKAGES:
        try:
            by_package[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            by_package[package] = "absent"
    import jax

    # The same seed gives other numbers where this flag differs.
    config: Any = jax.config  # its flags are added at run time
    by_package["jax_threefry_partitionable"] = str(config.jax_threefry_partitionable)
    return by_package


def hardware() -> dict[str, Any]:
    """Processor model, cores this process may use, and the kind and number of JAX devices."""
    import jax

    devices = jax.devices()
    return {
        "cpu": _processor(),
        "cores": cores(),
        "device": devices[0].device_kind,
        "platform": devices[0].platform,
        "devices": len(devices),
    }


def machine(hardware: Mapping[str, Any]) -> str:
    """One phrase for the hardware of a result."""
    if hardware.get("platform") == "cpu":
        return f"{hardware.get('cores')} cores of {hardware.get('cpu')}"
    return f"{hardware.get('devices')} x {hardware.get('device')}"


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def commit() -> str | None:
    """The checkout's commit when this process first asked for it, so that what is committed or
    changed while it runs is not taken for what it runs; "+dirty" is added if code differed from
    the commit. None outside a checkout.
    """
    head = _git("rev-parse", "HEAD")
    if head is None:
        return None
    changed = _git("status", "--porcelain", "--", *CODE)
    return head + (DIRTY if changed else "")


def is_dirty(commit: str | None) -> bool:
    """Does what `commit` returned say that code differs from the commit?"""
    return commit is not None and commit.endswith(DIRTY)


def is_clean(commit: str | None) -> bool:
    """Does what `commit` returned name the code that runs?"""
    return commit is not None and not is_dirty(commit)


def _git(*arguments: str) -> str | None:
    if not (ROOT / ".git").exists():  # an installed package inside some other repository
        return None
    command = ["git", "-C", str(ROOT), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _processor() -> str:
    """The processor's model name as the system tells it."""
    if sys.platform.startswith("linux"):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
