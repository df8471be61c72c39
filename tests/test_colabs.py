"""The notebooks run, in quick mode; `make colabs` runs them in full and saves what they print."""

import ast
import re

import nbformat
import pytest

from colabs import run
from research.errors import FreevocabError

NOTEBOOKS = sorted(run.FOLDER.glob("*.ipynb"))
GITHUB = "https://github.com/someone/freevocab"


def read(path):
    return nbformat.read(path, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def small_notebook(*sources):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return nbformat.v4.new_notebook(cells=cells)


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


def test_there_is_a_notebook():
    assert NOTEBOOKS


@pytest.mark.slow
def test_a_notebook_runs(path, tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")  # much is compiled, little computed
    assert run.blemishes(run.execute(read(path), tmp_path, quick=True)) == []


def test_a_notebook_defines_nothing(path):
    # Lines for the notebook's own machinery (%pip, %matplotlib) are no Python.
    sources = [re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", cell.source) for cell in code(read(path))]
    nodes = [node for source in sources for node in ast.walk(ast.parse(source))]
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
    assert not [node for node in nodes if isinstance(node, kinds)]
    modules = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    assert any(module.split(".")[0] == "research" for module in modules)
    assert sum("FREEVOCAB_QUICK" in source for source in sources) == 1


def test_a_notebook_was_saved_as_it_ran(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert any(cell.outputs for cell in code(notebook))
    assert run.blemishes(notebook) == []
    assert path.stat().st_size < 200_000


def test_a_notebook_agrees_with_the_project_url(path):
    notebook = read(path)
    assert run.with_url(notebook, path.name, run.project_url()) == notebook


def test_badge_and_installation_follow_the_url(path):
    notebook = run.with_url(read(path), path.name, GITHUB)
    cells = {cell.id: cell.source for cell in notebook.cells}
    page = f"colab.research.google.com/github/someone/freevocab/blob/main/colabs/{path.name}"
    assert page in cells[run.BADGE]
    assert f"git+{GITHUB}" in cells[run.INSTALL]
    assert run.with_url(notebook, path.name, run.project_url()) == read(path)


@pytest.mark.parametrize("url", ["", "https://example.org/freevocab"])
def test_there_is_no_badge_where_colab_opens_nothing(url):
    assert "colab.research" not in run.badge(url, "some.ipynb")
    assert (f"git+{url}" in run.install(url)) == bool(url)


def test_a_notebook_without_the_two_cells_is_refused():
    with pytest.raises(FreevocabError, match="badge or install"):
        run.with_url(small_notebook(), "some.ipynb", "")


def test_what_must_not_be_committed_is_found(tmp_path):
    notebook = small_notebook(
        "import os, sys; print(os.environ['FREEVOCAB_QUICK'])",
        "print('oh', file=sys.stderr)",
        "os.getcwd()",
    )
    assert run.blemishes(notebook) == [f"code cell {n} did not run in its turn" for n in (1, 2, 3)]
    done = run.execute(notebook, tmp_path, quick=True)
    assert code(done)[0].outputs[0].text == "1\n"
    stderr, path = run.blemishes(done)
    assert stderr == "code cell 2 wrote to stderr: oh"
    assert path.startswith("code cell 3 shows a path") and str(tmp_path) in path


def test_a_failing_cell_stops_the_run(tmp_path):
    with pytest.raises(FreevocabError, match="ZeroDivisionError"):
        run.execute(small_notebook("1 / 0"), tmp_path)
