"""Everything in the README and on the pages under docs/ works: code, commands (quick), links."""

import contextlib
import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

import configs.compressed_text
import experiments.compressed_text
from research import cli, vocabularies
from research.models import families
from research.transfer import methods

ROOT = Path(__file__).resolve().parent.parent
# In the order of a reader: each page may use what the ones before it have made.
PAGES = ("README.md", "CONTRIBUTING.md", *(f"docs/{name}.md" for name in (
    "transfer", "tables", "text", "scale", "extending", "speed", "faults", "licences",
)))  # fmt: skip
TEXTS = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}
BLOCKS = [
    block
    for text in TEXTS.values()
    for block in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
]
LANGUAGES = {"python", "sh", "bibtex"}


# What makes a command quick; added to `train` where the page leaves it out. (english-b16 is run by
# the commands around it; a table of 65,536 rows only makes the steps long.)
QUICK = {
    "codec": "bytes",
    "steps": 2,
    "optimizer.warmup-steps": 1,
    "batch-size": 8,
    "length": 16,
    "max-bytes": 20_000,
    "valid-bytes": 2_000,
    "corpus": "synthetic:60000",
}


# The same for a hypernetwork, and for a model that is to be a checkpoint, whose codec stays.
QUICK_HYPERNETWORK = {
    "text": "synthetic:60000",
    "steps": 2,
    "optimizer.warmup-steps": 1,
    "batch-size": 8,
    "length": 16,
    "vocab-size": 300,
    "layers": 1,
    "queue": 2,
    "window-bytes": 64,
}
QUICK_CHECKPOINT = {name: value for name, value in QUICK.items() if name != "codec"} | {
    "size": "llama-tiny"
}


def test_every_block_is_of_a_kind_that_is_tested():
    assert sum(text.count("```") for text in TEXTS.values()) == 2 * len(BLOCKS)
    assert {language for language, _ in BLOCKS} <= LANGUAGES


def test_every_page_is_tested_and_in_the_manual():
    found = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    assert found | {"README.md", "CONTRIBUTING.md"} == set(PAGES)
    build = runpy.run_path(str(ROOT / "docs" / "build.py"))
    assert set(build["PAGES"]) == set(PAGES)
    manual = build["manual"]()
    assert all(text.splitlines()[0] in manual for text in TEXTS.values())
    assert "](docs/" not in manual and "](../" not in manual


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_leads_somewhere(page):
    links = re.findall(r"\]\(([^)\s]+)\)", TEXTS[page])
    relative = [link for link in links if "://" not in link]
    for link in relative:
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link


def anchors(text):
    """What headings are called in links."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """The folder of somebody who does as the README says, from top to bottom."""
    folder = tmp_path_factory.mktemp("reader")
    page = TEXTS["README.md"][:6000]  # it is scored twice
    (folder / "README.md").write_text(page, encoding="utf-8")
    (folder / "results").symlink_to(ROOT / "results")  # the page is read in a clone
    data = folder / "data"
    data.mkdir()
    for split in ("train", "valid"):
        (data / f"{split}.txt").write_text(TEXTS["README.md"], encoding="utf-8")
    command = folder / "bin" / "freevocab"
    command.parent.mkdir()
    command.write_text(
        f"#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))}:$PYTHONPATH "
        f'exec {shlex.quote(sys.executable)} -m research.cli "$@"\n'
    )
    command.chmod(0o755)
    return folder


def quick(line):
    """The command as the test runs it; None for what is only checked by name."""
    words = shlex.split(line, comments=True)
    if words[0] == "make":
        return f"make -n -C {shlex.quote(str(ROOT))} {' '.join(words[1:])}"
    if words[0] == "export":
        return None
    if words[:2] == [".venv/bin/pip", "install"]:
        extras = re.search(r"\[(\w+)\]", words[-1])[1]
        assert re.search(rf"^{extras} =$", (ROOT / "setup.cfg").read_text(), re.MULTILINE)
        return None
    if words[:2] == ["tfds", "build"]:
        assert words[3:] == ["--file_format=array_record", "--data_dir=DIR"]
        return None
    if words[1] == "reproduce":
        return re.sub(r"--scale \w+", "", line).strip() + " --quick"
    options = QUICK_CHECKPOINT if "--size llama" in line else QUICK
    options = QUICK_HYPERNETWORK if words[1:3] == ["train", "hypernetwork"] else options
    for option, value in options.items() if words[1] in ("train", "evaluate") else ():
        shorter = re.sub(rf"--{option} \S+", f"--{option} {value}", line)
        added = f"{line} --{option} {value}" if words[1] == "train" else line
        line = shorter if f"--{option} " in line else added
    return line


def run_commands(block, folder, done_before):
    for line in block.replace("\\\n", " ").splitlines():
        command = quick(line) if line.strip() else None
        if command is None:
            continue
        # In quick mode every scale of a table is the same run.
        same = command.split(" --set")[0].removesuffix(" --quick")
        if same in done_before:
            continue
        done_before.add(same)
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=folder,
            env=environment(folder),
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def environment(folder):
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    own = {"PATH": path, "FREEVOCAB_DATA": str(folder / "data"), "JAX_PLATFORMS": "cpu"}
    own["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"  # little is computed, much compiled
    return {**os.environ, **own}


def run_code(block, folder, names, capsys):
    """A block that begins with a file's name is written there; another is run.

    What it prints must be what its lines `# -> ...` say.
    """
    first = block.splitlines()[0]
    if first.startswith("# ") and first.endswith(".py"):
        path = folder / first[2:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block, encoding="utf-8")
        return
    capsys.readouterr()
    exec(compile(block, "README.md", "exec"), names)
    said = [line[5:] for line in block.splitlines() if line.startswith("# -> ")]
    assert capsys.readouterr().out.splitlines() == said


# What a reader adds to: files there are found like ours, and entries go again after the test.
PACKAGES = (
    configs.compressed_text, experiments.compressed_text, families, methods, vocabularies,
)  # fmt: skip
REGISTRIES = (families.FAMILIES, methods.METHODS, vocabularies.KINDS)


def test_code_and_commands_work_in_their_order(reader, monkeypatch, capsys):
    monkeypatch.chdir(reader)
    monkeypatch.syspath_prepend(str(reader))
    for package in PACKAGES:
        folder = str(reader / package.__name__.replace(".", "/"))
        monkeypatch.setattr(package, "__path__", [*package.__path__, folder])
    names, done_before = {"__name__": "readme"}, set()
    with contextlib.ExitStack() as stack:
        for registry in REGISTRIES:
            stack.enter_context(mock.patch.dict(registry))
        for language, block in BLOCKS:
            if language == "python":
                run_code(block, reader, names, capsys)
            elif language == "sh":
                run_commands(block, reader, done_before)
    tables = (*configs.compressed_text.TABLES, "letters")
    monkeypatch.setattr(configs.compressed_text, "TABLES", tables)
    settings = ["--set", "max_bytes=5000", "--workdir", str(reader / "runs")]
    assert cli.call(["reproduce", "compressed_text/letters", *settings]) == 0
    assert "English text" in capsys.readouterr().out
