"""The notebooks run from top to bottom: in quick mode here, in full with --full (`make colabs`).

A notebook reads FREEVOCAB_QUICK=1 as: the same code, two steps.
"""

import ast
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "colabs").glob("*.ipynb"))


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, request, tmp_path, monkeypatch):
    from nbclient import NotebookClient

    if not request.config.getoption("--full"):
        monkeypatch.setenv("FREEVOCAB_QUICK", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    # A notebook runs on the machine's own devices, not on the eight that tests pretend to have.
    monkeypatch.delenv("JAX_NUM_CPU_DEVICES", raising=False)
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    done = NotebookClient(notebook, timeout=600, resources=resources).execute()
    assert all(cell.execution_count for cell in code(done) if cell.source.strip())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_defines_nothing_and_shows_what_it_found(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    # Lines for the notebook's own machinery (%pip, !ls) are no Python.
    sources = [
        "\n".join(line for line in cell.source.splitlines() if line.lstrip()[:1] not in ("%", "!"))
        for cell in code(notebook)
    ]
    nodes = [node for source in sources for node in ast.walk(ast.parse(source))]
    assert not [n for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef | ast.Lambda)]
    modules = [n.module or "" for n in nodes if isinstance(n, ast.ImportFrom)]
    assert any(module.split(".")[0] == "research" for module in modules)
    outputs = [output for cell in code(notebook) for output in cell.outputs]
    assert outputs and not [each for each in outputs if each.output_type == "error"]
    assert path.stat().st_size < 500_000
