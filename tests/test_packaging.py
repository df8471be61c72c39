"""Metadata, ranges, and what a wheel would hold."""

import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def setup():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def requirements(setup):
    texts = [setup["options"]["install_requires"], *setup["options.extras_require"].values()]
    lines = [line for text in texts for line in text.splitlines() if line.strip()]
    return [Requirement(line) for line in lines]


def test_every_dependency_has_both_bounds(setup):
    for requirement in requirements(setup):
        operators = {each.operator for each in requirement.specifier}
        assert operators == {">=", "<"}, requirement


def test_the_recorded_versions_lie_in_the_ranges(setup):
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert re.match(r"# \d{4}-\d{2}-\d{2}: ", lines[0])
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    for requirement in requirements(setup):
        name = requirement.name.lower()
        if name in pins:
            assert Version(pins[name]) in requirement.specifier, requirement
    core = setup["options"]["install_requires"].split()
    assert {Requirement(line).name for line in core} <= set(pins)


def test_extras_and_command_are_there(setup):
    names = "test peers focus-peer benchmarks vectors docs beam dask cuda tpu colab"
    assert set(setup["options.extras_require"]) == set(names.split())
    assert "freevocab = research.cli:main" in setup["options.entry_points"]["console_scripts"]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """What setuptools copies into a wheel, built from the checkout's files in a folder apart."""
    target = tmp_path_factory.mktemp("build")
    program = (
        "import sys; from setuptools import setup; "
        f"setup(script_args=['-q', 'egg_info', '--egg-base', {str(target)!r}, "
        f"'build_py', '--build-lib', {str(target / 'lib')!r}])"
    )
    command = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return target / "lib"


def test_a_wheel_holds_the_packages_and_their_data(built):
    held = {path.relative_to(built).as_posix() for path in built.rglob("*") if path.is_file()}
    for folder in ("research", "experiments", "configs"):
        sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*.py")}
        assert sources <= held
    data = [*(ROOT / "results").rglob("*"), *(ROOT / "research").glob("**/shipped/**/*")]
    files = {path.relative_to(ROOT).as_posix() for path in data if path.is_file()}
    assert {name for name in files if "/weights/" not in name} <= held
    assert not [name for name in held if "/weights/" in name or "corpora/novels/" in name]
    assert sum((built / name).stat().st_size for name in held) < 24e6  # a wheel is half of it
    tops = {name.split("/")[0] for name in held}
    assert tops <= {"research", "experiments", "configs", "results"}


def test_shipped_files_are_small():
    codecs = ROOT / "research" / "codecs" / "shipped"
    solver = ROOT / "research" / "lexinvariance" / "ciphers" / "shipped"
    for folder, most in ((codecs, 12e6), (solver, 15e6)):
        sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
        assert 0 < sum(sizes) < most


def test_the_licence_is_the_apache_licence():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text and "Version 2.0, January 2004" in text
    assert text.rstrip().endswith("limitations under the License.")
