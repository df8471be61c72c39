"""BIG-Bench Hard as choices: tasks from JSON files, prompts with as many shots as fit.

23 of the 27 files are tasks with a closed set of answers: 17 ask for a letter, `(A)`, `(B)`, ...,
listed below the question; 6 for one of two words. dyck_languages, multistep_arithmetic_two,
object_counting and word_sorting have no such set and are left out. Three examples of the lettered
files have an answer that is none of their letters (their option texts were split at commas); they
are left out and counted.

A prompt with k shots is `Q: question\\nA: answer\\n\\n` for each, then `Q: question\\nA:`; an
option is a space and its word or letter. Shots are other examples of the same task, drawn for
each example.
"""

import re
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from research import contents
from research.codecs.protocol import Codec
from research.errors import FreevocabError, UsageError

LETTERED = tuple(
    """
    date_understanding disambiguation_qa geometric_shapes hyperbaton
    logical_deduction_five_objects logical_deduction_seven_objects
    logical_deduction_three_objects movie_recommendation penguins_in_a_table
    reasoning_about_colored_objects ruin_names salient_translation_error_detection snarks
    temporal_sequences tracking_shuffled_objects_five_objects
    tracking_shuffled_objects_seven_objects tracking_shuffled_objects_three_objects
    """.split()
)
CLOSED = {
    "boolean_expressions": ("True", "False"),
    "causal_judgement": ("Yes", "No"),
    "formal_fallacies": ("valid", "invalid"),
    "navigate": ("Yes", "No"),
    "sports_understanding": ("yes", "no"),
    "web_of_lies": ("Yes", "No"),
}
TASKS = tuple(sorted((*LETTERED, *CLOSED)))


class Example(NamedTuple):
    """A question, the answers to choose from, and the index of the right one."""

    question: str
    options: tuple[str, ...]
    target: int

    @property
    def answer(self) -> str:
        """The right option."""
        return self.options[self.target]


class Task(NamedTuple):
    """The examples of one file; left_out: those whose answer is not an option."""

    name: str
    examples: tuple[Example, ...]
    left_out: int = 0


class Question(NamedTuple):
    """What is scored: ids of a prompt, BOS first, and of what may follow it."""

    prompt: np.ndarray
    """int32 [L]."""
    options: tuple[np.ndarray, ...]
    """int32 [T] each."""
    option_bytes: tuple[int, ...]
    """Bytes of each option's text."""
    target: int
    """Index of the right one."""
    dropped: int
    """Shots that did not fit."""
    cut: bool
    """True if the question alone did not fit and lost its beginning."""


def load(directory: str | Path) -> list[Task]:
    """The tasks in a folder of JSON files, or in its folder `bbh`, in the order of their names.

    Raises:
      UsageError: if it has none of the 23.
      FreevocabError: if a file is damaged.
    """
    folders = (Path(directory), Path(directory) / "bbh")
    paths = {name: folder / f"{name}.json" for folder in folders for name in TASKS
             if (folder / f"{name}.json").is_file()}
    if not paths:
        raise UsageError(
            f"{directory} has no BIG-Bench Hard task (boolean_expressions.json, ...): give the"
            " folder that its JSON files are in"
        )
    return [_task(name, paths[name]) for name in TASKS if name in paths]


def _task(name: str, path: Path) -> Task:
    try:
        entries = contents.read_mapping(path)["examples"]
        texts = [(entry["input"].rstrip(), entry["target"].strip()) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FreevocabError(f"{path} is not a BIG-Bench Hard task ({error!r})") from error
    examples = []
    for question, target in texts:
        options = CLOSED.get(name) or _letters(question)
        if target in options:
            examples.append(Example(question, options, options.index(target)))
    if not examples:
        raise FreevocabError(f"{path} has no example whose answer is one of its options")
    return Task(name, tuple(examples), len(texts) - len(examples))


def _letters(question: str) -> tuple[str, ...]:
    """The lettered options below a question."""
    listed = question.rpartition("Options:")[2]
    return tuple(re.findall(r"^(\([A-Z]\))", listed, re.MULTILINE))


def majority(task: Task, examples: Sequence[Example]) -> float:
    """Accuracy on `examples` of the answer that is the commonest in the task."""
    counts = Counter(example.answer for example in task.examples)
    commonest = max(sorted(counts), key=lambda answer: counts[answer])
    return sum(example.answer == commonest for example in examples) / len(examples)


def chance(examples: Sequence[Example]) -> float:
    """Accuracy of an option drawn at random."""
    return sum(1 / len(example.options) for example in examples) / len(examples)


def chosen(task: Task, count: int, seed: int) -> list[int]:
    """Which examples are scored: `count` of them at random, or all; indices in order."""
    size = len(task.examples)
    rng = np.random.default_rng([seed, zlib.crc32(task.name.encode())])
    return sorted(rng.permutation(size)[:count].tolist()) if count else list(range(size))


def question(
    task: Task, index: int, *, shots: int, codec: Codec, context: int, seed: int
) -> Question:
    """An example with up to `shots` others before it, in at most `context` ids with any option.

    The first shots of k are those of k - 1. Those farthest from the question are dropped until
    the rest fits; of a question that does not fit alone, the end is kept.

    Raises:
      UsageError: if `context` has no room for a question and an option.
    """
    example = task.examples[index]
    rng = np.random.default_rng([seed, zlib.crc32(task.name.encode()), index])
    others = [other for other in rng.permutation(len(task.examples)) if other != index][:shots]
    texts = [f"Q: {task.examples[i].question}\nA: {task.examples[i].answer}\n\n" for i in others]
    options = [f" {option}" for option in example.options]
    encoded = codec.encode([*texts[::-1], f"Q: {example.question}\nA:", *options])
    option_ids = tuple(encoded[len(texts) + 1 :])
    room = context - 1 - max(map(len, option_ids))
    if room < 1:
        raise UsageError(f"a context of {context} has no room for a question: raise it")
    parts = encoded[: len(texts) + 1]
    first = 0
    while first < len(texts) and sum(map(len, parts[first:])) > room:
        first += 1
    ids = np.concatenate(parts[first:])
    return Question(
        prompt=np.concatenate([[codec.vocab_size], ids[-room:]]).astype(np.int32),
        options=option_ids,
        option_bytes=tuple(len(option.encode()) for option in options),
        target=example.target,
        dropped=first + shots - len(texts),
        cut=len(ids) > room,
    )
