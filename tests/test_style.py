"""Habits that a machine can check: ruff, module length, docstrings, words that do not belong."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("research", "experiments", "configs", "colabs", "tests")
SOURCES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
LIBRARY = [path for path in SOURCES if path.relative_to(ROOT).parts[0] != "tests"]


def name(path):
    return str(path.relative_to(ROOT))


def test_ruff_is_content():
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", *FOLDERS]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stdout


def test_types_fit():
    command = [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stdout


def test_modules_are_short():
    long = {name(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert {path: lines for path, lines in long.items() if lines > 400} == {}


def test_modules_and_what_they_offer_have_docstrings():
    missing = []
    for path in LIBRARY:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if tree.body and not ast.get_docstring(tree):
            missing.append(name(path))
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                if not ast.get_docstring(node):
                    missing.append(f"{name(path)}: {node.name}")
    assert missing == []


def test_no_module_is_a_drawer():
    drawers = {"utils", "util", "helpers", "misc", "common"}
    assert [name(path) for path in SOURCES if path.stem in drawers] == []


UNWANTED = {
    "unfinished work": r"\b(TODO|FIXME|XXX|NotImplementedError)\b",
    "a path of one machine": r"/home/|/root/|/work/|/Users/",
    "gone from JAX": r"jax\.tree_map|random\.PRNGKey|device_put_sharded|experimental\.shard_map",
    "a test set aside": r"pytest\.(mark\.)?(skip|xfail|skipif)\b",
}


@pytest.mark.parametrize("what", UNWANTED)
def test_words_that_do_not_belong(what):
    found = [
        f"{name(path)}:{number}"
        for path in SOURCES
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(UNWANTED[what], line)
    ]
    assert found == []
