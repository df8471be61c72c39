"""Results for people: a report of every claim and table, and the README's block of main results."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from research import files
from research.errors import UsageError
from research.reporting import claims, environment, plots, tables
from research.reporting.claims import Judged
from research.reporting.results import Result
from research.reporting.tables import Row

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


@dataclass(frozen=True)
class Section:
    """One table of a report."""

    paper: str
    table: str
    title: str
    columns: Sequence[str]
    paper_rows: Sequence[Row]
    """`columns`, `paper_rows`: of the experiment."""
    scales: Sequence[str]
    """That the table can be run at."""
    results: Mapping[str, Result] = field(default_factory=dict)
    """Scale -> what was measured; an absent scale has not been run."""
    older: Collection[str] = ()
    """The scales whose result was measured with other settings than a run has today."""
    partial: Collection[str] = ()
    """The scales that open models of which most are not trained yet."""
    plot: Mapping[str, Any] | None = None
    """What the experiment says about its plot, or None."""
    draw: Callable[..., bool] | None = None
    """Draws the table's own picture from (path, title, rows, paper's rows) instead."""
    summary: Callable[..., tuple[list[str], list[dict[str, Any]]]] | None = None
    """(rows, paper's rows) -> columns and lines of a table for one screen, or None."""
    brief: Sequence[str] = ()
    """The columns that the experiment shows on a terminal, where it has more."""
    meaning: Mapping[str, str] = field(default_factory=dict)
    """What the experiment says of its columns, by their names."""
    judged: Sequence[Judged] = ()
    """The claims that the table decides."""
    pictures: Sequence[Path] = ()
    """PNG files that runs left next to their results."""

    @property
    def path(self) -> str:
        return f"{self.paper}/{self.table}"

    @property
    def ours(self) -> dict[str, list[dict[str, Any]]]:
        return {f"ours, {scale}": result.rows for scale, result in self.results.items()}

    @property
    def best(self) -> str | None:
        """The scale of the best record that has rows; one that lacks most models comes last."""
        measured = {scale for scale, result in self.results.items() if result.rows}
        found = [scale for scale in claims.BEST_FIRST if scale in measured]
        return next(iter(sorted(found, key=lambda scale: scale in self.partial)), None)


def write(directory: Path, sections: Sequence[Section], judged: Sequence[Judged]) -> list[Path]:
    """Writes report.md, and a CSV and (where there is something to draw) a PNG for each table; all
    of them or, where that fails, none.

    Args:
      judged: every claim.

    Returns:
      The paths written, report.md first.
    """
    with files.all_into(directory) as folder:
        written = [path.relative_to(folder) for path in _write(folder, sections, judged)]
    return [directory / path for path in written]


def _write(directory: Path, sections: Sequence[Section], judged: Sequence[Judged]) -> list[Path]:
    written, parts = [], [_head(sections, judged)]
    for section in sections:
        names, rows = tables.merge(section.columns, section.ours, section.paper_rows)
        path = directory / section.paper / f"{section.table}.csv"
        files.write_text(path, tables.comma_separated(names, rows))
        written.append(path)
        picture = path.with_suffix(".png")
        shown = [picture] * draw(section, picture)
        written += shown
        for source in section.pictures:
            shown.append(picture.with_name(f"{section.table}-{source.name}"))
            files.write_bytes(shown[-1], source.read_bytes())
            written.append(shown[-1])
        shown = [path.relative_to(directory) for path in shown]
        parts.append(_markdown(section, shown))
    page = directory / "report.md"
    files.write_text(page, "\n".join(parts))
    return [page, *written]


def draw(section: Section, path: Path) -> bool:
    """Draws a table's picture, its own or one by its columns; False if there is nothing to draw."""
    if section.draw is not None and section.best is not None:
        return section.draw(
            path, section.title, section.results[section.best].rows, section.paper_rows
        )
    axes = plots.axes_of(section.columns, section.plot)
    return axes is not None and plots.save(
        path, section.title, axes, section.ours, section.paper_rows
    )


def origin(result: Result, spread: claims.Spread | None = None) -> str:
    """Where a result comes from, in one line."""
    machine = environment.machine(result.hardware)
    seeds = f"seeds {result.seeds}" if len(result.seeds) != 1 else f"seed {result.seeds[0]}"
    commit, mark, _ = (result.commit or "an installed package").partition("+")
    commit = commit[:12] + (f"{mark}dirty" if mark else "")
    minutes = f"{result.seconds / 60:.1f} min"
    jax = result.versions.get("jax")
    scatter = ""
    if spread is not None and spread.bits is not None:
        scatter = f"; spread of seeds {spread.bits:.3f} bits/byte ({spread.source})"
    return f"{minutes} on {machine}, {seeds}, JAX {jax}, {result.date}, commit {commit}{scatter}"


def dated(section: Section, scale: str) -> str:
    """A line where the table's command measures something else today; else nothing."""
    if scale not in section.older:
        return ""
    rows = section.results[scale].rows
    text = next((f" ({row['corpus']})" for row in rows if row.get("corpus")), "")
    return (
        f"- measured with an older configuration{text}: `freevocab reproduce {section.path}`"
        " measures another\n"
    )


def _head(sections: Sequence[Section], judged: Sequence[Judged]) -> str:
    """Verdicts first, with links to the tables that decide."""
    known = {section.path: section for section in sections}
    lines = [
        {
            "verdict": each.verdict,
            "claim": f"{each.claim.statement} ({each.claim.place})",
            "paper": each.claim.paper,
            "ours": each.ours,
            "table": _link(known[each.claim.table])
            if each.claim.table in known
            else each.claim.table,
        }
        for each in judged
    ]
    contents = "\n".join(
        f"- {_link(section)}: {section.title}{_counted(section.judged)}" for section in sections
    )
    return "\n".join([
        "# Results: ours beside the papers'\n",
        tables.markdown(("paper", *claims.VERDICTS, "claims"), claims.scoreboard(judged)),
        f"{claims.WORDS} Spread of seeds: {claims.spread(judged)}.\n",
        "## Every claim\n",
        tables.markdown(("verdict", "claim", "paper", "ours", "table"), lines),
        "## Every table\n",
        contents + "\n",
    ])  # fmt: skip


def _counted(judged: Sequence[Judged]) -> str:
    counted = ", ".join(f"{n} {verdict}" for verdict, n in claims.count(judged).items() if n)
    return f" ({counted})" if counted else ""


def _link(section: Section) -> str:
    """A link to the section, with the anchor that GitHub gives its heading."""
    return f"[{section.path}](#{section.path.replace('/', '')})"


def _markdown(section: Section, pictures: Sequence[Path]) -> str:
    lines = [f"## {section.path}\n", f"**{section.title}**\n"]
    lines += [f"- {claims.line(each)}" for each in section.judged]
    command = f"freevocab reproduce {section.path} --scale"
    for scale in section.scales:
        result = section.results.get(scale)
        if result is None:
            lines.append(f"- {scale}: not yet run (`{command} {scale}`)")
            continue
        lines.append(f"- {scale}: {origin(result)}")
        lines += dated(section, scale).splitlines()
        lines += [f"  - {note}" for note in result.notes]
    names, rows = tables.shown(section.brief or section.columns, section.ours, section.paper_rows)
    if rows:
        fitting = tables.fitting(names, rows, declared=bool(section.brief))
        lines.append("\n" + tables.markdown(fitting, rows).rstrip())
        more = f"[All {len(section.columns)} columns as CSV]({section.path}.csv)."
        words = tables.explained(fitting, section.meaning)
        lines.append(f"\n{more} {_with_headings(words, section.columns)}".rstrip())
    for picture in pictures:
        lines.append(f"\n![{section.title}]({picture.as_posix()})")
    return "\n".join(lines) + "\n"


def _with_headings(words: str, names: Sequence[str]) -> str:
    """What is said of columns, with these called as the table's head calls them."""
    for name in sorted(names, key=len, reverse=True):
        if tables.heading(name) != name:
            words = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", tables.heading(name), words)
    return words


def update_readme(text: str, sections: Sequence[Section], judged: Sequence[Judged]) -> str:
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
    return f"{before}{BEGIN}\n\n{_block(sections, judged)}\n{END}{after}"


def _block(sections: Sequence[Section], judged: Sequence[Judged]) -> str:
    """What stands between the marks."""
    measured = [section for section in sections if section.best]
    if not measured:
        return "Nothing has been measured yet.\n"
    counted = ", ".join(f"{n} {verdict}" for verdict, n in claims.count(judged).items())
    parts = [
        claims.headlines(judged),
        f"Of all {len(judged)} claims: {counted} (`freevocab claims` lists them, with the command"
        f" for each).\n\n{claims.WORDS} Spread of seeds: {claims.spread(judged)}.\n",
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
    others = [
        f"- {scale}: so far {len(section.results[scale].rows)} rows, in `freevocab report`\n"
        for scale in section.partial if scale in section.results and scale != section.best
    ]  # fmt: skip
    return (
        f"**{section.title}**\n\n{tables.markdown(names, lines)}\n"
        f"- {section.best}: {origin(result, spread)}\n{dated(section, section.best)}"
        + "".join(others)
    )


def write_pictures(directory: Path, sections: Sequence[Section]) -> list[Path]:
    """Draws the picture of each paper's first main table that has one, next to the README."""
    written: list[Path] = []
    for section in sections:
        path = directory / PICTURES / f"{section.paper}.png"
        if section.draw is not None and section.best and path not in written:
            if draw(section, path):
                written.append(path)
    return written
