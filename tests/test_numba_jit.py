"""A cache on disk that cannot be used costs a compilation, nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba")
ROOT = Path(__file__).resolve().parent.parent
PROGRAM = """
import numpy as np
from research.codecs.codebook import _gather
from research.numba_jit import compiled
text = np.zeros(16, np.uint8)
rows = np.full((1, 16), 7, np.uint8)
one, zero = np.ones(1, np.int64), np.zeros(1, np.int64)
assert compiled(_gather)(zero, rows, one, zero, np.zeros(1, np.uint8), text) == 1
assert text[0] == 7
"""


def run(cache, prefix=""):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", prefix + PROGRAM]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def test_damaged_files_of_the_cache_are_passed_over_and_written_anew(tmp_path):
    assert run(tmp_path).returncode == 0
    (index,) = tmp_path.rglob("*.nbi")
    (data,) = tmp_path.rglob("*.nbc")
    for path, content in ((index, b""), (data, b"no pickle")):
        path.write_bytes(content)
        done = run(tmp_path)
        assert done.returncode == 0 and not done.stderr
        assert path.stat().st_size > 100


def test_a_cache_on_a_full_disk_is_passed_over(tmp_path):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
    done = run(tmp_path, limit)
    assert done.returncode == 0 and not done.stderr
