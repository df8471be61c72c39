"""`freevocab claims`: what the papers say, and what our records say of it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import tyro

from research.cli import catalog
from research.cli.arguments import unknown
from research.errors import UsageError
from research.reporting import claims, results, tables
from research.reporting.claims import Judged, Records
from research.reporting.results import Result, Results

COLUMNS = ("verdict", "claim", "paper", "ours", "command")
WIDE = 120  # characters; below them the claims are a list


@dataclass(frozen=True)
class Claims:
    """Every claim of the papers: what we found (shown, direction, not shown, opposite, not run),
    the paper's figure, ours, and the command that makes ours."""

    paper: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[PAPER]")] = None
    """Only this paper's; `freevocab list` names them."""
    json: bool = False
    """Print JSON instead of a table."""
    workdir: Path = Path("runs")
    """Results under WORKDIR/results are taken in place of the committed ones."""


def run(options: Claims) -> None:
    """Prints the table, or JSON.

    Raises:
      UsageError: if there is no such paper.
    """
    known = catalog.papers()
    if options.paper is not None and options.paper not in known:
        raise UsageError(unknown("paper", options.paper, known))
    measured = results.load_all(results.COMMITTED, options.workdir / "results")
    claims_judged = judged(records(measured), options.paper)
    if options.json:
        print(json.dumps([as_json(each) for each in claims_judged], indent=1, ensure_ascii=False))
        return
    console = tables.console()
    for paper in dict.fromkeys(each.paper for each in claims_judged):
        of = [each for each in claims_judged if each.paper == paper]
        if console.width >= WIDE:
            lines = [_row(each) for each in of]
            console.print(tables.terminal(paper, COLUMNS, lines))
        else:
            console.print(f"[bold]{paper}[/bold]\n")
            console.print("\n\n".join(map(_paragraph, of)) + "\n", markup=False)
    board = claims.scoreboard(claims_judged)
    console.print(tables.terminal("", ("paper", *claims.VERDICTS, "claims"), board))
    words = claims.WORDS.replace("*", "")
    console.print(f"{words}\nSpread of seeds: {claims.spread(claims_judged)}.")


def _row(each: Judged) -> dict[str, str]:
    """A claim's row of the table."""
    return {
        "verdict": each.verdict,
        "claim": f"{each.claim.statement} ({each.claim.place})",
        "paper": each.claim.paper,
        "ours": each.ours,
        "command": (each.command or "-").removeprefix("freevocab "),
    }


def _paragraph(each: Judged) -> str:
    """A claim below another, where five columns side by side would be too narrow to read."""
    claim = each.claim
    lines = [
        f"{each.verdict}: {claim.statement} ({claim.place})",
        f"  paper {claim.paper}",
        f"  ours  {each.ours}",
    ]
    return "\n".join([*lines, f"  {each.command}"] if each.command else lines)


def judged(measured: Records, paper: str | None = None) -> list[Judged]:
    """Every claim (of one paper) by its best record, in the papers' order."""
    return [
        claims.judge(name, claim, measured)
        for name in catalog.papers()
        if paper in (None, name)
        for claim in catalog.claims(name)
    ]


def of_run(table: catalog.Table, result: Result, measured: Records) -> list[str]:
    """A line for each claim that one result decides, in place of the table's other records."""
    records = {key: each for key, each in measured.items() if key[:2] != tuple(table)}
    records[table.key(result.scale)] = result
    chosen = [claim for claim in catalog.claims(table.paper) if claim.table == table.path]
    own_claims = [claims.judge(table.paper, claim, records) for claim in chosen]
    return [claims.line(each) for each in own_claims if each.verdict != claims.NOT_RUN]


class Rows(NamedTuple):
    """A record as far as a claim reads it."""

    rows: list[dict]
    config: dict


def records(measured: Results) -> Records:
    """The results, as `results.load_all` gives them, and the committed benchmarks."""
    by_key: dict[tuple[str, str, str], claims.Record] = {**measured}
    for path in sorted((results.COMMITTED / "benchmarks").glob("*.json")):
        values = json.loads(path.read_text(encoding="utf-8"))
        by_key["benchmarks", path.stem, "cpu"] = Rows(values["rows"], values.get("config", {}))
    return by_key


def as_json(each: Judged) -> dict[str, str | bool | None]:
    """A claim with its verdict, flat."""
    claim = each.claim
    return {
        "paper": each.paper,
        "id": claim.id,
        "claim": claim.statement,
        "place": claim.place,
        "figure": claim.paper,
        "ours": each.ours,
        "verdict": each.verdict,
        "table": claim.table,
        "scale": each.scale,
        "command": each.command,
        "headline": claim.headline,
    }
