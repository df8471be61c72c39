"""What `freevocab COMMAND --help` shows: examples, and groups of rare options folded.

`--help-all` shows every option.
"""

import io
import re
import sys
from collections.abc import Sequence

EXAMPLES = {
    "reproduce": (
        "freevocab reproduce --scale hours",
        "freevocab reproduce compressed_text/closing_rules",
        "freevocab reproduce lexinvariant/mixture --set seed=1",
    ),
    "list": ("freevocab list",),
    "claims": ("freevocab claims", "freevocab claims lexinvariant --json"),
    "report": ("freevocab report --out report",),
    "compress": (
        "freevocab compress book.txt book.fv",
        "freevocab compress book.txt book.fv --codec english-dictionary",
        "cat book.txt | freevocab compress - - > book.fv",
    ),
    "decompress": (
        "freevocab decompress book.fv book.txt",
        "freevocab decompress book.fv - | less",
    ),
    "inspect": ("freevocab inspect book.fv",),
    "decipher": (
        "freevocab decipher cipher.txt",
        "freevocab decipher cipher.txt --language german --spaces none",
        "freevocab decipher cipher.txt --crib treasure",
    ),
    "quantize": (
        "freevocab quantize --model runs/m1 --out runs/m1-codec",
        "freevocab quantize --model runs/m1 --out runs/m1-windows --window-bits 32",
    ),
    "prepare": (
        "freevocab prepare --corpus 'text:books/*.txt' --codec english-b16 --out runs/prepared",
        "freevocab prepare --corpus tfds:c4/en --shards 2500 --runner beam -- --runner=FlinkRunner",
    ),
    "train m1": (
        "freevocab train m1 --preset laptop --out runs/m1",
        "freevocab train m1 --preset laptop --corpus 'text:books/*.txt' --out runs/m1",
    ),
    "train m2": (
        "freevocab train m2 --preset laptop --out runs/m2",
        "freevocab train m2 --preset laptop --codec english-dictionary --steps 500",
        "freevocab train m2 --corpus tfds:c4/en --size 25m --parallelism.kind mesh",
    ),
    "train lexinvariant": (
        "freevocab train lexinvariant --preset laptop --out runs/lexinvariant",
        "freevocab train lexinvariant --preset laptop --codec letters --vocabulary canonical",
    ),
    "train hypernetwork": (
        "freevocab train hypernetwork --model runs/m2 --text 'books/*.txt' --out runs/hypernetwork",
        "freevocab train hypernetwork --model llama --languages en='en/*.txt' de='de/*.txt'",
    ),
    "transfer": (
        "freevocab transfer --model llama --tokenizer tokenizer.json --out moved",
        "freevocab transfer --model llama --tokenizer english-b16 --out moved"
        " --method focus --aux-text 'books/*.txt'",
        "freevocab transfer --model llama --tokenizer tokenizer.json --out moved --dry-run",
    ),
    "unigramify": (
        "freevocab unigramify --tokenizer bpe.json --text 'books/*.txt' --out unigram.json",
    ),
    "export": ("freevocab export --model runs/m2 --out checkpoint",),
    "evaluate": (
        "freevocab evaluate --model runs/m2 --corpus builtin",
        "freevocab evaluate --model llama --text book.txt",
    ),
    "generate": ("freevocab generate --model runs/m2 --prompt 'It was' --temperature .8",),
}

# Groups that few need: title as tyro prints it -> their common beginning.
FOLDED = {
    "optimizer options": "--optimizer.*",
    "parallelism options": "--parallelism.*",
    "distributed options": "--distributed.*",
}
_COLOUR = re.compile("\\x1b\\[[0-9;]*m")
_NONE = re.compile("\\(default:((?:\\x1b\\[[0-9;]*m)*) None\\)")


class Printed(io.StringIO):
    """Takes what is printed, and looks like the terminal or pipe that it will go to."""

    @property
    def encoding(self) -> str:
        """Boxes are drawn if it is UTF-8."""
        return sys.__stdout__.encoding if sys.__stdout__ else "utf-8"

    def isatty(self) -> bool:
        """Colours are used on a terminal."""
        return sys.__stdout__ is not None and sys.__stdout__.isatty()


def finished(page: str, program: str, *, fold: bool) -> str:
    """tyro's page with examples at its end.

    Args:
      program: "freevocab COMMAND".
      fold: leave the groups of FOLDED out, and name them.
    """
    lines, folded = _without_nones(page.rstrip("\n").split("\n")), []
    if fold:
        lines, folded = _without_groups(lines)
    if folded:
        lines += ["", f"With --help-all also {', '.join(folded)}."]
    command = program.removeprefix("freevocab ")
    if command in EXAMPLES:
        lines += ["", "examples:", *(f"  {example}" for example in EXAMPLES[command])]
    return "\n".join(lines) + "\n"


def _plain(line: str) -> str:
    return _COLOUR.sub("", line)


def _without_nones(lines: Sequence[str]) -> list[str]:
    """A default of None says nothing that the option's text does not."""
    rest = []
    for line in lines:
        shorter = _NONE.sub(lambda match: match[1] + " " * len("(default: None)"), line)
        if shorter == line or _plain(shorter).strip(" │"):
            rest.append(shorter)
    return rest


def _without_groups(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """The lines outside of the groups of FOLDED, and what these hold.

    A group is a box, or goes on to an empty line.
    """
    rest, folded, inside = [], [], False
    for line in lines:
        plain = _plain(line)
        title = plain.strip("╭─╮ ")
        if title in FOLDED:
            inside = True
            folded.append(FOLDED[title])
        if not inside:
            rest.append(line)
        if plain.startswith("╰") or not plain.strip():
            inside = False
    return rest, folded
