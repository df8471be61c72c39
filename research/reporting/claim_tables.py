"""Claims and verdicts as tables: for the terminal, the README and the report."""

from collections.abc import Sequence
from typing import Any

from research.reporting import claims, tables
from research.reporting.claims import Judged

NAMES = {
    "compressed_text": "Neurally compressed text",
    "lexinvariant": "Lexinvariant, and kin",
    "tokenizer_transfer": "Tokenizer transfer, ALM, OMP",
}
WORDS = (
    "*shown*: the paper's order, beyond twice the spread of seeds, and at least half of its size."
    " *direction*: the order, but less of its size. *not shown*: no difference beyond the spread,"
    " or one that a trivial baseline passes too (counts in the context, gzip, frequencies, nothing"
    " learned). *opposite*: the other sign, beyond the spread. *not run*: no record, or no"
    " experiment."
)


def line(each: Judged) -> dict[str, str]:
    """A claim's line of a table."""
    return {
        "verdict": each.verdict,
        "claim": f"{each.claim.statement} ({each.claim.place})",
        "paper": each.claim.paper,
        "ours": each.ours,
        "command": (each.command or "-").removeprefix("freevocab "),
    }


def headlines(judged: Sequence[Judged]) -> str:
    """The twelve claims that everything else is about, as Markdown."""
    rows: list[dict[str, str]] = []
    paper = None
    for each in judged:
        if not each.claim.headline:
            continue
        if each.paper != paper:
            paper = each.paper
            rows.append(dict.fromkeys(("paper", "ours", "verdict"), "") | {
                "claim": f"**{NAMES.get(paper, paper)}**"
            })  # fmt: skip
        rows.append({
            "claim": each.claim.statement,
            "paper": each.claim.paper,
            "ours": each.ours + (f" ({each.scale})" if each.scale else ""),
            "verdict": f"**{each.verdict}**",
        })
    return tables.markdown(("claim", "paper", "ours", "verdict"), rows)


def scoreboard(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """How many claims of each paper, and of all, have each verdict."""
    names = list(dict.fromkeys(each.paper for each in judged))
    lines = []
    for name, chosen in [*((name, {name}) for name in names), ("all", set(names))]:
        of = [each for each in judged if each.paper in chosen]
        lines.append({"paper": NAMES.get(name, name), **claims.count(of), "claims": len(of)})
    return lines if len(names) > 1 else lines[:1]


def scoreboard_markdown(judged: Sequence[Judged]) -> str:
    """The same as Markdown."""
    return tables.markdown(("paper", *claims.VERDICTS, "claims"), scoreboard(judged))


def spread(judged: Sequence[Judged]) -> str:
    """What the spread of seeds was taken from."""
    sources = dict.fromkeys(
        f"{each.spread.bits:.3f} bits/byte ({each.spread.source})"
        for each in judged
        if each.spread.bits is not None
    )
    return "; ".join(sources) or "not measured, so that no difference between models counts"
