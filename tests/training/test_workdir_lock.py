"""Two runs never write to the same place."""

import subprocess
import sys

import pytest

from research.errors import FreevocabError
from research.training import workdir_lock


def test_a_second_run_is_refused_until_the_first_ends(tmp_path):
    with workdir_lock.held(tmp_path / "run"):
        with pytest.raises(FreevocabError, match="another run is using .*run: wait"):
            with workdir_lock.held(tmp_path / "run"):
                raise AssertionError("both are in")
        with workdir_lock.held(tmp_path / "other"):
            assert (tmp_path / "other").is_dir()
    with workdir_lock.held(tmp_path / "run"):
        assert (tmp_path / "run").is_dir()


def test_a_killed_run_leaves_no_lock(tmp_path):
    program = (
        "import os, pathlib, sys\n"
        "from research.training import workdir_lock\n"
        "with workdir_lock.held(pathlib.Path(sys.argv[1])):\n"
        "    os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)]).returncode == 9
    with workdir_lock.held(tmp_path):
        assert (tmp_path / ".lock").exists()
