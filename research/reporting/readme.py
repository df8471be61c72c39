"""The README's results: twelve claims, a picture a paper, the main tables, what is out of reach."""

from collections.abc import Sequence
from pathlib import Path

from research.errors import UsageError
from research.reporting import claim_tables, claims, report, tables
from research.reporting.claims import Judged
from research.reporting.report import Section

BEGIN = "<!-- results: written by `freevocab report --readme README.md` -->"
END = "<!-- /results -->"
PICTURES = "results/pictures"  # next to the README

OUT_OF_REACH = """\
**What two cores cannot show.** The papers train for days on pods: 26 billion tokens a model, or
7 B models moved for three days. Here models of about a million weights read a thousandth of that
text or less. The sizes of the papers' effects shrink first; their order survives where a method
needs little text. Out of reach is everything that grows with the model (the gap to subwords from
25m to 2b), lexinvariance over 32,000 tokens, BIG-bench, and accuracies of 7 B models on their
tasks. Those tables have configurations for a GPU and for the papers' own size, which are tested for
shapes and cost but were never run. A verdict says what these records show, not whether a paper is
right.
"""


def update(text: str, sections: Sequence[Section], judged: Sequence[Judged]) -> str:
    """`text` with everything between the two result marks replaced.

    Args:
      sections: the main tables.
      judged: every claim.

    Raises:
      UsageError: if a mark is missing.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UsageError(f"no lines '{BEGIN}' and '{END}' to write the results between")
    return f"{before}{BEGIN}\n\n{block(sections, judged)}\n{END}{after}"


def block(sections: Sequence[Section], judged: Sequence[Judged]) -> str:
    """What stands between the marks."""
    measured = [section for section in sections if section.best]
    if not measured:
        return "Nothing has been measured yet.\n"
    counted = ", ".join(f"{n} {verdict}" for verdict, n in claims.count(judged).items())
    parts = [
        claim_tables.headlines(judged),
        f"Of all {len(judged)} claims: {counted} (`freevocab claims` lists them, with the command"
        f" for each).\n\n{claim_tables.WORDS} Spread of seeds: {claim_tables.spread(judged)}.\n",
    ]
    drawn: set[str] = set()
    for section in measured:
        if section.draw is not None and section.paper not in drawn:
            drawn.add(section.paper)
            parts.append(f"![{section.title}]({PICTURES}/{section.paper}.png)\n")
        parts.append(summary(section))
    return "\n".join([*parts, OUT_OF_REACH])


def summary(section: Section) -> str:
    """A table for one screen, of the best record, and where that comes from."""
    assert section.best is not None  # what nobody has measured has no summary
    result = section.results[section.best]
    if section.summary is not None:
        names, lines = section.summary(result.rows, section.paper_rows)
    else:
        names, lines = list(section.columns), list(result.rows)
    spread = None
    if "bits_per_byte" in section.columns:
        known = (each.spread for each in section.judged if each.spread.bits is not None)
        spread = next(known, None)
    return (
        f"**{section.title}**\n\n{tables.markdown(names, lines)}\n"
        f"- {section.best}: {report.origin(result, spread)}\n{report.dated(section, section.best)}"
    )


def write_pictures(directory: Path, sections: Sequence[Section]) -> list[Path]:
    """Draws the picture of each paper's first main table that has one, next to the README."""
    written: list[Path] = []
    for section in sections:
        path = directory / PICTURES / f"{section.paper}.png"
        if section.draw is not None and section.best and path not in written:
            if report.draw(section, path):
                written.append(path)
    return written
