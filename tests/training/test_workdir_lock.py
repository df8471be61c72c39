"""Two runs never write to the same place."""

import subprocess
import sys

import pytest

from research.errors import FreevocabError
from research.training import checkpoints


def test_a_second_run_is_refused_until_the_first_ends(tmp_path):
    with checkpoints.lock(tmp_path / "run"):
        with pytest.raises(FreevocabError, match="another run is using .*run: wait"):
            with checkpoints.lock(tmp_path / "run"):
                raise AssertionError("both are in")
        with checkpoints.lock(tmp_path / "other"):
            assert (tmp_path / "other").is_dir()
    with checkpoints.lock(tmp_path / "run"):
        assert (tmp_path / "run").is_dir()


def test_a_killed_run_leaves_no_lock(tmp_path):
    program = (
        "import os, pathlib, sys\n"
        "from research.training import checkpoints\n"
        "with checkpoints.lock(pathlib.Path(sys.argv[1])):\n"
        "    os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)]).returncode == 9
    with checkpoints.lock(tmp_path):
        assert (tmp_path / ".lock").exists()
