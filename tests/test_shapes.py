"""Array names carry their shape in letters that are explained."""

import ast
import re
from pathlib import Path

from research.shapes import AXES

ROOT = Path(__file__).resolve().parent.parent
SUFFIX = re.compile(r"[a-z0-9]_((?:[A-Z]?[0-9]*)(?:x[A-Z]?[0-9]*)*)$")


def letters(source: str) -> set[str]:
    """The axis letters of all names in a source."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name | ast.Attribute | ast.arg):
            names.add(getattr(node, "id", None) or getattr(node, "attr", None) or node.arg)
    suffixes = [match[1] for match in map(SUFFIX.search, names) if match]
    return {axis[0] for suffix in suffixes for axis in suffix.split("x") if axis[:1].isalpha()}


def test_letters_are_read_off_names():
    assert letters("ids_BxL1 = self.rows_VxD[:, low_2]\ndef f(x_N): pass") == set("BLVDN")
    assert letters("SOME_NAME = PAPER_T5 = an_id") == set()


def test_every_axis_letter_is_explained_and_used():
    used = set()
    for folder in ("research", "experiments", "configs"):
        for path in (ROOT / folder).rglob("*.py"):
            used |= letters(path.read_text(encoding="utf-8"))
    assert used == set(AXES)
