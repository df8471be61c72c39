"""`freevocab report`: verdicts and results as Markdown, CSV and plots; the README's block too."""

from dataclasses import dataclass
from pathlib import Path

from research import files
from research.cli import catalog, claims
from research.errors import UsageError
from research.reporting import report, results
from research.reporting.claims import Judged
from research.reporting.results import Results


@dataclass(frozen=True)
class Report:
    """Write what became of every claim, then every result, ours beside the paper's: report.md, and
    a CSV and a plot per table."""

    workdir: Path = Path("runs")
    """Results under WORKDIR/results are shown in place of the committed ones."""
    out: Path | None = None
    """Where the report goes; WORKDIR/report if not given."""
    readme: Path | None = None
    """Only rewrite the results of this file, and its pictures, from the committed results."""


def run(options: Report) -> None:
    """Writes the report, or the README's results."""
    if options.readme is not None:
        if not options.readme.is_file():
            raise UsageError(f"there is no file {options.readme}")
        measured = results.load_all(results.COMMITTED)
        judged = claims.judged(claims.records(measured))
        shown = main_sections(measured, judged)
        old = options.readme.read_text(encoding="utf-8")
        new = report.update_readme(old, shown, judged)
        files.write_text(options.readme, new)
        pictures = report.write_pictures(options.readme.parent, shown)
        said = "as before" if new == old else "updated"
        print(f"{options.readme}: {said}; {len(pictures)} pictures in {report.PICTURES}")
        return
    out = options.out or options.workdir / "report"
    directories = results.COMMITTED, options.workdir / "results"
    measured = results.load_all(*directories)
    judged = claims.judged(claims.records(measured))
    shown = sections(catalog.tables(), measured, judged, *directories)
    written = report.write(out, shown, judged)
    count = sum(len(section.results) for section in shown)
    print(f"{len(shown)} tables, {count} results; {len(written)} files, first {written[0]}")


def main_sections(measured: Results, judged: list[Judged]) -> list[report.Section]:
    """The main tables with their committed results."""
    return sections(catalog.select(None), measured, judged, results.COMMITTED)


def sections(
    tables: list[catalog.Table], measured: Results, judged: list[Judged], *directories: Path
) -> list[report.Section]:
    """One section for each table.

    Args:
      measured: what `results.load_all` found in the directories.
      judged: every claim.
    """
    every = []
    for table in tables:
        experiment, configuration = table.experiment(), table.configuration()
        scales = [scale for scale in catalog.SCALES if hasattr(configuration, scale)]
        scales += [key[2] for key in measured if key[:2] == tuple(table) and key[2] not in scales]
        keys = {scale: table.key(scale) for scale in scales}
        every.append(
            report.Section(
                paper=table.paper,
                table=table.name,
                title=experiment.TITLE,
                columns=experiment.COLUMNS,
                paper_rows=experiment.PAPER_ROWS,
                scales=scales,
                results={s: measured[key] for s, key in keys.items() if key in measured},
                older={
                    scale
                    for scale, key in keys.items()
                    if key in measured
                    and hasattr(configuration, scale)
                    and results.is_older(measured[key], table.config(scale))
                },
                partial=[
                    scale
                    for scale in scales
                    if hasattr(configuration, scale)
                    and not catalog.weights_are_there(table, table.config(scale))
                ],
                plot=getattr(experiment, "PLOT", None),
                draw=getattr(experiment, "picture", None),
                summary=getattr(experiment, "summary", None),
                brief=getattr(experiment, "BRIEF", ()),
                meaning=getattr(experiment, "MEANING", {}),
                judged=[each for each in judged if each.claim.table == table.path],
                pictures=[
                    picture
                    for key in keys.values()
                    if key in measured
                    for picture in results.pictures(_last(directories, key))
                ],
            )
        )
    return every


def _last(directories: tuple[Path, ...], key: tuple[str, str, str]) -> Path:
    """The result file that `results.load_all` took."""
    paths = [results.path_of(directory, *key) for directory in directories]
    return [path for path in paths if path.is_file()][-1]
