"""Eight fake CPU devices, strict JAX, and one compilation cache for all test processes."""

import os
import signal
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Programs that tests start see the same cache, and no data directory of the user's.
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(ROOT / ".jax_cache")
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.5"
os.environ["MPLBACKEND"] = "Agg"
os.environ.pop("FREEVOCAB_DATA", None)

# A run that was started in the background ignores Ctrl-C, and so would the programs it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import jax  # noqa: E402  (the environment above is read when jax is imported)
import pytest  # noqa: E402

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_legacy_prng_key", "error")


# Folders whose tests compile much and run little: there XLA leaves out its costly passes, which
# takes two fifths of the time off. Tests of exactness see the code that users run.
FAST_COMPILE = ("benchmarks", "cli", "experiments", "transfer")


@pytest.fixture(scope="module", autouse=True)
def compilation(request):
    """Compiles fast for the folders of FAST_COMPILE."""
    fast = request.path.parent.name in FAST_COMPILE
    if fast:
        jax.config.update("jax_disable_most_optimizations", True)
    yield
    if fast:
        jax.config.update("jax_disable_most_optimizations", False)
        jax.clear_caches()


def pytest_addoption(parser):
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite the files under tests/golden"
    )


def pytest_collection_modifyitems(items):
    """Files with slow tests come first, so that no worker is left alone with one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
