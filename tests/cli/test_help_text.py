"""Help: examples that can be given as they are, rare groups folded."""

import importlib
import shlex

import pytest

from research import cli
from research.cli import arguments, help_text


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_has_examples_whose_arguments_it_takes(command):
    module, kind = cli.COMMANDS[command].arguments.split(":")
    dataclass = getattr(importlib.import_module(f"research.cli.{module}"), kind)
    for example in help_text.EXAMPLES[command]:
        _, _, line = example.rpartition("| freevocab ")
        words = shlex.split(line.removeprefix("freevocab ").split(" > ")[0].split(" | ")[0])
        assert words[: len(command.split())] == command.split()
        arguments.parse(dataclass, f"freevocab {command}", words[len(command.split()) :])


def test_no_other_command_has_examples():
    assert set(help_text.EXAMPLES) == set(cli.COMMANDS)


def _help(capsys, *words):
    assert cli.call(words) == 0
    return capsys.readouterr().out


def test_groups_that_few_need_are_folded_and_help_all_shows_them(capsys):
    page = _help(capsys, "train", "m2", "--help")
    assert "--optimizer.name" not in page and "--codec" in page
    assert "With --help-all also --optimizer.*, --parallelism.*, --distributed.*." in page
    every = _help(capsys, "train", "m2", "--help-all")
    assert "--optimizer.name" in every and "--distributed.coordinator" in every
    assert "--help-all" not in every


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_help_speaks_no_python(capsys, command):
    page = _help(capsys, *command.split(), "--help-all")
    assert "{None}" not in page and "(default: None)" not in page
    assert help_text.EXAMPLES[command][0] in page


def test_colours_hide_neither_groups_nor_defaults():
    page = [
        "\x1b[2m╭─\x1b[0m \x1b[2moptimizer\x1b[0m\x1b[2m options\x1b[0m ─╮",
        "\x1b[2m│\x1b[0m --optimizer.name │",
        "\x1b[2m╰──╯\x1b[0m",
        "--out STR \x1b[36m(default:\x1b[0m\x1b[36m None)\x1b[0m",
    ]
    text = help_text.finished("\n".join(page), "freevocab unheard of", fold=True)
    assert "optimizer.name" not in text and "None" not in text and "--optimizer.*" in text
