"""Dependencies point down, and TensorFlow is nowhere."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# What a package may import of ours, besides what is below all and itself. In this order each is
# above those that it imports, so no two import each other.
STANDING_ALONE = ("corpora", "tokenizers", "vocabularies", "models", "codecs")
ALLOWED = {
    "corpora": (),
    "tokenizers": (),
    "vocabularies": (),
    "models": ("tokenizers", "vocabularies"),
    "codecs": ("tokenizers", "vocabularies", "models"),
    "evaluation": (*STANDING_ALONE,),
    "reporting": (),
    "training": (*STANDING_ALONE, "evaluation", "reporting"),
    "testing": (*STANDING_ALONE, "training"),
    "lexinvariance": (*STANDING_ALONE, "training", "evaluation", "reporting"),
    "transfer": (*STANDING_ALONE, "training", "evaluation", "reporting"),
    "cli": (*STANDING_ALONE, "training", "evaluation", "reporting", "lexinvariance", "transfer"),
}
BELOW_ALL = (
    "artifact", "contents", "errors", "files", "folders", "interrupts", "numba_jit", "shapes",
    "units",
)  # fmt: skip


def imported(path):
    """Every module that a file imports by name, at the top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def sources(folder):
    return sorted(path for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_dependencies_point_down(package):
    allowed = {package, *ALLOWED[package], *BELOW_ALL}
    for path in sources(f"research/{package}"):
        parts = [name.split(".") for name in imported(path) if name.startswith("research.")]
        wrong = {words[1] for words in parts if len(words) > 1 and words[1] != "__version__"}
        assert wrong <= allowed, f"{path.relative_to(ROOT)} imports {sorted(wrong - allowed)}"


def test_no_two_packages_import_each_other():
    order = list(ALLOWED)
    for package, below in ALLOWED.items():
        assert all(order.index(name) < order.index(package) for name in below), package


def test_every_package_has_its_place():
    packages = {path.name for path in (ROOT / "research").iterdir() if path.is_dir()}
    assert packages - {"__pycache__"} == set(ALLOWED)


def test_the_library_does_not_import_experiments_or_configs():
    for path in sources("research"):
        tops = {name.split(".")[0] for name in imported(path)}
        by_name = path.parent.name == "cli"  # loads experiments and configs by name, at run time
        assert by_name or not tops & {"experiments", "configs"}, path


def test_papers_do_not_import_each_other():
    """What papers have in common is in experiments/shared and configs/shared.py."""
    papers = {path.name for path in (ROOT / "configs").iterdir() if (path / "__init__.py").exists()}
    for paper in (*papers, "shared"):
        others = {f"{top}.{other}" for top in ("experiments", "configs") for other in papers}
        others -= {f"experiments.{paper}", f"configs.{paper}"}
        for path in sources(f"experiments/{paper}") + sources(f"configs/{paper}"):
            names = {".".join(name.split(".")[:2]) for name in imported(path)}
            assert not names & others, path


def test_configs_import_no_code_that_runs():
    """Of the library, only modules that hold plain data."""
    data = re.compile(r"research(\.training(\.config(\.\w+)?)?)?$")
    for path in sources("configs"):
        names = [name for name in imported(path) if name.split(".")[0] != "configs"]
        ours = {name for name in names if name.split(".")[0] in ("research", "experiments")}
        assert {name for name in ours if not data.match(name)} == set(), path


def test_tensorflow_is_never_imported():
    for folder in ("research", "experiments", "configs", "tests"):
        for path in sources(folder):
            tops = {name.split(".")[0] for name in imported(path)}
            assert not tops & {"tensorflow", "clu"}, path


def test_importing_everything_brings_no_tensorflow():
    program = (
        "import importlib, pkgutil, sys\n"
        "import research, experiments, configs\n"
        "for package in (research, experiments, configs):\n"
        "    prefix = package.__name__ + '.'\n"
        "    for module in pkgutil.walk_packages(package.__path__, prefix):\n"
        "        if not module.name.endswith('__main__'):\n"
        "            importlib.import_module(module.name)\n"
        "import tensorflow_datasets\n"
        "print({'tensorflow', 'clu', 'torch'} & set(sys.modules))"
    )
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "set()\n"
