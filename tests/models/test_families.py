"""A family is one class: what is said of families elsewhere follows the registry."""

import ast
import inspect
import re
from pathlib import Path

from research.cli import transfer
from research.models.families import FAMILIES
from tests.transfer import hf_folders

ROOT = Path(__file__).resolve().parents[2]
TITLES = [family.title for family in FAMILIES.values()]


def listed(text):
    """The titles in "GPT-2, Llama, Qwen 2 and 3, RoBERTa or XLM-R"."""
    text = re.sub(r"(\w+) (\d) and (\d)", r"\1\2, \1\3", " ".join(text.split()))
    return re.split(r", | or ", text)


def test_readme_and_help_list_the_families():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (sentence,) = re.findall(r"any checkpoint of (.*?) in a Hugging Face folder", readme, re.S)
    assert listed(sentence) == TITLES
    source = inspect.getsource(transfer)
    (help_text,) = re.findall(r"A Hugging Face folder \((.*?); config", source, re.S)
    assert listed(help_text) == TITLES


def test_every_family_has_a_fixture():
    fixtures = Path(__file__).resolve().parent / "fixtures" / "families"
    assert {path.name for path in fixtures.iterdir()} == set(FAMILIES) == set(hf_folders.NAMES)


def test_no_other_module_names_a_family():
    """By its `model_type`, to treat it in a way of its own.

    Tokenizers are below models: the class of one whose folder names only its model is known there.
    """
    families = ROOT / "research" / "models" / "families"
    classes = ROOT / "research" / "tokenizers" / "classes.py"
    named = [
        f"{path.relative_to(ROOT)}: {node.value}"
        for path in sorted((ROOT / "research").rglob("*.py"))
        if not path.is_relative_to(families) and path != classes
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in FAMILIES
    ]
    assert named == []
