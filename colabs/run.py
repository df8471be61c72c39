"""Runs the notebooks from top to bottom and saves them with what they printed: `make colabs`.

    python -m colabs.run [NOTEBOOK ...]      all of colabs/ by default

The cells `badge` and `install` are written from `url` in setup.cfg first. A notebook whose outputs
hold an error, something on stderr or a path of this machine is not saved.
"""

import argparse
import configparser
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from research.errors import FreevocabError
from research.files import write_text

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent
BADGE, INSTALL = "badge", "install"  # cell ids
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}

# Folders of whichever machine ran the notebook.
_FOREIGN = re.compile(r"/(?:home|root|Users|tmp|work|mnt|var/folders)/")
_ABOUT = "*Runs from top to bottom in under four minutes on two cores, and downloads no data.*\n"
_INSTALL = """\
import importlib.util

if importlib.util.find_spec("research") is None:  # {comment}
    %pip install --quiet {source}"""


def project_url() -> str:
    """`url` of setup.cfg; empty as long as the project has no public address."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser["metadata"].get("url", "").strip().rstrip("/")


def badge(url: str, name: str) -> str:
    """The line below the title, with a Colab badge where Colab can open the notebook."""
    match = re.fullmatch(r"https://github\.com/([^/]+/[^/]+?)(?:\.git)?", url)
    if not match:
        return _ABOUT
    image = "https://colab.research.google.com/assets/colab-badge.svg"
    page = f"https://colab.research.google.com/github/{match[1]}/blob/main/colabs/{name}"
    return f"[![Open In Colab]({image})]({page})\n\n{_ABOUT}"


def install(url: str) -> str:
    """Code that installs freevocab where it is missing."""
    if not url:
        return _INSTALL.format(comment="take the checkout that this notebook lies in", source="..")
    return _INSTALL.format(comment="on Colab, for one", source=f'"freevocab @ git+{url}"')


def with_url(notebook: NotebookNode, name: str, url: str) -> NotebookNode:
    """The notebook with the cells that depend on the project's address written for `url`.

    Raises:
      FreevocabError: if it lacks one of the two cells.
    """
    sources = {BADGE: badge(url, name).rstrip(), INSTALL: install(url)}
    missing = sources.keys() - {cell.id for cell in notebook.cells}
    if missing:
        raise FreevocabError(f"{name} has no cell with the id {' or '.join(sorted(missing))}")
    written = nbformat.from_dict(notebook)
    for cell in written.cells:
        cell.source = sources.get(cell.id, cell.source)
    return written


def execute(notebook: NotebookNode, folder: Path, *, quick: bool = False) -> NotebookNode:
    """Runs every cell in `folder`; FREEVOCAB_QUICK=1 asks the notebook for two steps.

    Raises:
      FreevocabError: with the cell's error, if one fails.
    """
    environment = dict(os.environ, FREEVOCAB_QUICK="1" if quick else "0")
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    # What is saved is what two cores give: not the many devices that tests pretend to have, and
    # no accelerator (nor JAX's complaint about one that it cannot use) unless it is asked for.
    environment.pop("JAX_NUM_CPU_DEVICES", None)
    environment.setdefault("JAX_PLATFORMS", "cpu")
    client = NotebookClient(
        nbformat.from_dict(notebook),
        timeout=1800,
        kernel_name=KERNEL["name"],
        extra_arguments=["--IPKernelApp.log_level=40"],
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    try:
        done = client.execute(env=environment)
    except CellExecutionError as error:
        raise FreevocabError(str(error)) from None
    done.metadata = nbformat.from_dict(
        {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    )
    return done


def blemishes(notebook: NotebookNode) -> list[str]:
    """What must not be committed: cells that did not run, errors, stderr, paths of a machine."""
    found = []
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, 1):
        if cell.execution_count != number:
            found.append(f"code cell {number} did not run in its turn")
        for output in cell.outputs:
            if output.output_type == "error":
                found.append(f"code cell {number} failed: {output.ename}")
            elif output.get("name") == "stderr":
                found.append(f"code cell {number} wrote to stderr: {output.text.strip()[:200]}")
            found += [
                f"code cell {number} shows a path of the machine: {line.strip()[:200]}"
                for text in _texts(output)
                for line in text.splitlines()
                if any(place in line for place in _places()) or _FOREIGN.search(line)
            ]
    return found


def _places() -> set[str]:
    """Folders of this machine that a reader has no use for."""
    return {str(ROOT), str(Path.home()), sys.prefix, tempfile.gettempdir()} - {"/"}


def _texts(output: NotebookNode) -> list[str]:
    data = output.get("data", {})
    shown = [data[kind] for kind in data if kind.startswith("text/")]
    return [*shown, output.get("text", "")]


def main(arguments: list[str] | None = None) -> int:
    """Runs and saves; 1 if a notebook failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path, default=sorted(FOLDER.glob("*.ipynb")))
    for path in parser.parse_args(arguments).notebooks:
        started = time.monotonic()
        try:
            notebook = with_url(nbformat.read(path, as_version=4), path.name, project_url())
            with tempfile.TemporaryDirectory() as folder:
                done = execute(notebook, Path(folder))
            if found := blemishes(done):
                raise FreevocabError("; ".join(found))
        except FreevocabError as error:
            print(f"{path.name} is not saved: {error}", file=sys.stderr)
            return 1
        write_text(path, nbformat.writes(done) + "\n")
        seconds, size = time.monotonic() - started, path.stat().st_size
        print(f"{path.name}: {seconds:.0f} s, {size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
