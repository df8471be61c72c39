"""README.md and freevocab_transfer.json: what was done to a model, for people and for programs."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from research.reporting import environment
from research.transfer.convert.plan import Plan

RECORD = "freevocab_transfer.json"
FORMAT = "freevocab-transfer"
VERSION = 1


def record(plan: Plan, options: Mapping[str, Any], digests: Mapping[str, str]) -> dict[str, Any]:
    """The content of freevocab_transfer.json, whose "scores" are for the caller to fill in.

    Args:
      options: the method's, as they were given.
      digests: SHA-256 by file name, of what was read.
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        **dataclasses.asdict(plan),
        "overlap_share": round(plan.overlap_share, 6),
        "options": dict(options),
        "digests": dict(digests),
        "scores": {},
        "versions": environment.versions(),
    }


def card(facts: Mapping[str, Any], licences: list[str], *, hugging_face: bool) -> str:
    """The content of README.md, from `record`.

    Args:
      hugging_face: it opens in transformers; else it is a folder of freevocab.
    """
    source, target = facts["source"], facts["target"]
    options = "".join(f", {name} {value}" for name, value in facts["options"].items())
    parts = [
        "---\ntags:\n- tokenizer-transfer\n---",
        f"# {facts['model']}, with the tokenizer {target['name']}",
        _what(facts),
        _table([
            ("method", facts["method"] + options),
            ("tokenizer before", _tokenizer(source)),
            ("tokenizer now", _tokenizer(target)),
            ("entries in common", f"{facts['overlap']:,} ({facts['overlap_share']:.1%} of the "
                                  "new tokenizer's)"),
            ("new entries", f"{facts['new']:,}"),
            ("special tokens that took over a row", _listed(facts["copied"])),
            ("special tokens that took the mean row", _listed(facts["unmatched"])),
            ("parameters", f"{facts['parameters']:,} before, {facts['new_parameters']:,} now"),
        ]),
    ]  # fmt: skip
    if facts["scores"]:
        parts += ["## Before and after", _scores(facts["scores"])]
    if facts["notes"]:
        parts += ["## Notes", "\n".join(f"- {note}" for note in facts["notes"])]
    parts += [
        "## Use",
        _use(facts, hugging_face),
        "The original's licence holds for this model too"
        + (f" ({', '.join(licences)})." if licences else "."),
        "## Origin",
        _table([
            *((f"SHA-256 of {name}", f"`{digest}`") for name, digest in facts["digests"].items()),
            ("versions", ", ".join(f"{k} {v}" for k, v in facts["versions"].items())),
        ]),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def scores_line(scores: Mapping[str, Any]) -> str:
    """Scores for people."""
    parts = [
        f"{when} {scores[when]['bits/byte']:.4f} bits/byte, "
        f"{scores[when]['tokens/byte']:.4f} tokens/byte"
        for when in ("before", "after")
    ]
    return f"{scores['text']}: {'; '.join(parts)}"


def _what(facts: Mapping[str, Any]) -> str:
    start = "Made by `freevocab transfer`: the input and output tables were exchanged for another "
    end = "." if facts["options"].get("dtype") is None else ", in another type."
    if not facts["trunk"]:
        rest = "every other tensor is the original's"
        return f"{start}tokenizer's, without training; {rest}{end}"
    times = "" if facts["trunk"] == 1 else f", {facts['trunk']:g} times"
    ids = f"the ids of {facts['trained_on']}" if facts["trained_on"] else "the new tokenizer's ids"
    of_base = "the base model's trunk" if facts["options"].get("base") else "the trunk"
    did = f"what n-shot training in {ids} did to {of_base}"
    return f"{start}tokenizer's, and {did} was added{times}{end}"


def _use(facts: Mapping[str, Any], hugging_face: bool) -> str:
    opens = "Opens in `transformers` as the original did, with `AutoTokenizer`."
    if not hugging_face:
        opens = "Opens in freevocab (`freevocab generate --model`, `freevocab evaluate --model`)."
    trained = facts["trunk"] == 1 and not facts["trained_on"] and not facts["options"].get("base")
    unseen = "" if trained else " The model has seen no text through these ids."
    rest = "Measure it before you rely on it, and train it further where that is not good enough."
    return f"{opens}{unseen} {rest}"


def _scores(scores: Mapping[str, Any]) -> str:
    head = f"On {scores['text']} ({scores['bytes']:,} bytes):\n\n"
    rows = [f"| {when} | {scores[when]['bits/byte']:.4f} | {scores[when]['tokens/byte']:.4f} |"
            for when in ("before", "after")]  # fmt: skip
    return head + "\n".join(["| | bits/byte | tokens/byte |", "| --- | ---: | ---: |", *rows])


def _table(rows: list[tuple[str, str]]) -> str:
    lines = [f"| {name} | {_cell(value)} |" for name, value in rows]
    return "\n".join(["| | |", "| --- | --- |", *lines])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:20])
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return (shown + more) or "none"


def _tokenizer(facts: Mapping[str, Any]) -> str:
    return f"{facts['name']}, {facts['size']:,} ids, {facts['special']} of them special"
