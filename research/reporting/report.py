"""A report: every table with our results at every scale beside the paper's figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from research import files
from research.errors import UsageError
from research.reporting import environment, plots, tables
from research.reporting.results import Result

BEGIN = "<!-- results: written by `freevocab report --readme README.md` -->"
END = "<!-- /results -->"


@dataclass(frozen=True)
class Section:
    """One table of a report.

    Attributes:
      columns, paper_rows: of the experiment.
      results: scale -> what was measured; an absent scale has not been run.
      scales: that the table can be run at.
      plot: what the experiment says about its plot, or None.
      brief: what `summary` shows where the table says so: 'value', the column; 'key', the columns
        that name a line; 'where', column -> the value that rows must have.
      pictures: PNG files that runs left beside their results.
    """

    paper: str
    table: str
    title: str
    columns: Sequence[str]
    paper_rows: Sequence[Mapping[str, Any]]
    scales: Sequence[str]
    results: Mapping[str, Result] = field(default_factory=dict)
    plot: Mapping[str, Any] | None = None
    brief: Mapping[str, Any] | None = None
    pictures: Sequence[Path] = ()

    @property
    def ours(self) -> dict[str, list[dict[str, Any]]]:
        return {f"ours, {scale}": result.rows for scale, result in self.results.items()}


def write(directory: Path, sections: Sequence[Section]) -> list[Path]:
    """Writes report.md, and a CSV and (where there is something to draw) a PNG for each table.

    Returns:
      The paths written, report.md first.
    """
    written, parts = [], ["# Results: ours beside the papers'\n"]
    for section in sections:
        columns, rows = tables.merge(section.columns, section.ours, section.paper_rows)
        path = directory / section.paper / f"{section.table}.csv"
        files.write_text(path, tables.comma_separated(columns, rows))
        written.append(path)
        picture = plots.path_of(directory, section.paper, section.table)
        axes = plots.axes_of(section.columns, section.plot)
        drawn = axes is not None and plots.save(
            picture, section.title, axes, section.ours, section.paper_rows
        )
        if drawn:
            written.append(picture)
        shown = [picture] * drawn
        for source in section.pictures:
            shown.append(picture.with_name(f"{section.table}-{source.name}"))
            files.write_bytes(shown[-1], source.read_bytes())
            written.append(shown[-1])
        shown = [path.relative_to(directory) for path in shown]
        parts.append(_markdown(section, columns, rows, shown))
    page = directory / "report.md"
    files.write_text(page, "\n".join(parts))
    return [page, *written]


def summary(section: Section) -> str:
    """A short Markdown table: one line for each method, one column for each scale and the paper.

    It shows bits/byte, or the first column of measured numbers where the table has none. Several
    rows of a method (one for each vocabulary) stand side by side; where a table has models of
    several sizes, the paper's smallest is shown.
    """
    brief = section.brief or {}
    key = section.columns[0]

    def chosen(some):
        """Rows of the brief, each named by its key where it has one."""
        where = brief.get("where", {}).items()
        some = [row for row in some if all(row.get(column) == want for column, want in where)]
        if names_ := brief.get("key"):
            some = [
                dict(row) | dict.fromkeys((key, "group"), ", ".join(str(row[n]) for n in names_))
                for row in some
            ]
        return some

    rows = chosen([row for each in section.ours.values() for row in each])
    bits = [name for name in section.columns if name in plots.BITS_PER_BYTE]
    value = brief.get("value") or next(
        name for name in (*bits, *section.columns) if _number(rows, name)
    )
    paper, paper_rows = tables.smallest_size(chosen(section.paper_rows))
    shown = [scale for scale in section.scales if scale != "paper" or scale in section.results]
    lines = []
    names: dict[Any, Any] = {}
    for row in [*rows, *paper_rows]:
        names.setdefault(tables.group(section.columns, row), row.get(key))
    for group, name in names.items():

        def values(some, group=group):
            return _values([r for r in some if tables.group(section.columns, r) == group], value)

        line = {key: name, paper: values(paper_rows)}
        for scale in shown:
            result = section.results.get(scale)
            line[f"ours, {scale}"] = values(chosen(result.rows)) if result else "not yet run"
        lines.append(line)
    columns = [key, *(f"ours, {scale}" for scale in shown), paper]
    title = f"{section.title}: {tables.heading(value)}"
    return f"{title}\n\n{tables.markdown(columns, lines)}"


def update_readme(text: str, sections: Sequence[Section]) -> str:
    """`text` with everything between the two result marks replaced by the sections' summaries.

    Raises:
      UsageError: if a mark is missing.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UsageError(f"no lines '{BEGIN}' and '{END}' to write the results between")
    parts = []
    for section in sections:
        if not section.results:
            continue
        notes = [f"- {scale}: {_origin(result)}" for scale, result in section.results.items()]
        parts.append(summary(section) + "\n" + "\n".join(notes) + "\n")
    body = "\n".join(parts) or "Nothing has been measured yet.\n"
    return f"{before}{BEGIN}\n\n{body}\n{END}{after}"


def _markdown(section, columns, rows, pictures: Sequence[Path]) -> str:
    lines = [f"## {section.paper}/{section.table}: {section.title}\n"]
    command = f"freevocab reproduce {section.paper}/{section.table} --scale"
    for scale in section.scales:
        result = section.results.get(scale)
        if result is None:
            lines.append(f"- {scale}: not yet run (`{command} {scale}`)")
            continue
        lines.append(f"- {scale}: {_origin(result)}")
        lines += [f"  - {note}" for note in result.notes]
    if rows:
        lines.append("\n" + tables.markdown(columns, rows).rstrip())
    for picture in pictures:
        lines.append(f"\n![{section.title}]({picture.as_posix()})")
    return "\n".join(lines) + "\n"


def _origin(result: Result) -> str:
    """Where a result comes from, in one line."""
    machine = environment.machine(result.hardware)
    seeds = f"seeds {result.seeds}" if len(result.seeds) != 1 else f"seed {result.seeds[0]}"
    commit = (result.commit or "an installed package")[:12]
    minutes = f"{result.seconds / 60:.1f} min"
    jax = result.versions.get("jax")
    return f"{minutes} on {machine}, {seeds}, JAX {jax}, {result.date}, commit {commit}"


def _values(rows: Sequence[Mapping[str, Any]], value: str) -> str | None:
    """The value of each row, side by side; the first and last of many."""
    shown = [tables.cell(row[value]) for row in rows if row.get(value) is not None]
    if len(shown) > 4:
        return f"{shown[0]} to {shown[-1]}"
    return " / ".join(shown) or None


def _number(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    return any(isinstance(row.get(name), float) for row in rows)
