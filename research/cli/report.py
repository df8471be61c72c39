"""`freevocab report`: results as Markdown, CSV and plots; the README's table too."""

from dataclasses import dataclass
from pathlib import Path

from research import files
from research.cli import catalog
from research.errors import UsageError
from research.reporting import report, results


@dataclass(frozen=True)
class Report:
    """Write every result, ours beside the paper's: report.md, and a CSV and a plot per table."""

    workdir: Path = Path("runs")
    """Results under WORKDIR/results are shown in place of the committed ones."""
    out: Path | None = None
    """Where the report goes; WORKDIR/report if not given."""
    readme: Path | None = None
    """Only rewrite the results table of this file, from the committed results."""


def run(options: Report) -> None:
    """Writes the report, or the README's table."""
    if options.readme is not None:
        if not options.readme.is_file():
            raise UsageError(f"there is no file {options.readme}")
        old = options.readme.read_text(encoding="utf-8")
        new = report.update_readme(old, main_sections())
        files.write_text(options.readme, new)
        print(f"{options.readme}: {'as before' if new == old else 'updated'}")
        return
    out = options.out or options.workdir / "report"
    shown = sections(results.COMMITTED, options.workdir / "results")
    written = report.write(out, shown)
    measured = sum(len(section.results) for section in shown)
    print(f"{len(shown)} tables, {measured} results; {len(written)} files, first {written[0]}")


def main_sections() -> list[report.Section]:
    """The main tables with their committed results."""
    main = {table.path for table in catalog.select(None)}
    shown = sections(results.COMMITTED)
    return [section for section in shown if f"{section.paper}/{section.table}" in main]


def sections(*directories: Path) -> list[report.Section]:
    """One section for every table, with what the directories hold of it; a later one wins."""
    measured = results.load_all(*directories)
    found = []
    for table in catalog.tables():
        experiment, configuration = table.experiment(), table.configuration()
        scales = [scale for scale in catalog.SCALES if hasattr(configuration, scale)]
        keys = {scale: (table.paper, table.name, scale) for scale in scales}
        found.append(
            report.Section(
                paper=table.paper,
                table=table.name,
                title=experiment.TITLE,
                columns=experiment.COLUMNS,
                paper_rows=experiment.PAPER_ROWS,
                scales=scales,
                results={s: measured[key] for s, key in keys.items() if key in measured},
                plot=getattr(experiment, "PLOT", None),
                brief=getattr(experiment, "SUMMARY", None),
                pictures=[
                    picture
                    for key in keys.values()
                    if key in measured
                    for picture in results.pictures(_last(directories, *key))
                ],
            )
        )
    return found


def _last(directories: tuple[Path, ...], paper: str, table: str, scale: str) -> Path:
    """The result file that `results.load_all` took."""
    paths = [directory / paper / table / f"{scale}.json" for directory in directories]
    return [path for path in paths if path.is_file()][-1]
