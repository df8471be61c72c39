"""What a run of `python -m tests.faults` counted: one row for each case, kept as a benchmark."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from experiments.benchmarks import report
from research.reporting import results

PATH = results.COMMITTED / "benchmarks" / "faults.json"
_SHOWN = 20  # findings of a case that are kept


@dataclasses.dataclass
class Row:
    """A case: how often something was done to it, and what came of it."""

    kind: str
    """kills, mutations or surroundings."""
    case: str
    times: int = 0
    """How often."""
    outcomes: dict[str, int] = dataclasses.field(default_factory=dict)
    """How often what came of it; "ok", or e.g. "same", "refused", "changed" of a mutation."""
    findings: list[str] = dataclasses.field(default_factory=list)
    """What should not have happened, with what repeats it."""
    faults: int = 0
    """How many findings there were, those included that are not kept."""

    def count(self, outcome: str, finding: str | None = None) -> None:
        """Adds one."""
        self.times += 1
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        if finding is not None:
            self.fault(finding)

    def fault(self, finding: str) -> None:
        """Adds what should not have happened."""
        self.faults += 1
        print(f"FAULT {self.kind} {self.case}: {finding}", flush=True)
        self.findings += [finding] * (len(self.findings) < _SHOWN)

    def __str__(self) -> str:
        counted = ", ".join(f"{count} {name}" for name, count in sorted(self.outcomes.items()))
        return f"{self.kind} {self.case}: {self.times} ({counted}), {self.faults} faults"


def write(rows: list[Row], config: dict[str, Any], path: Path) -> None:
    """Writes rows with versions, hardware, commit and date; rows of other cases that the file has
    of the same commit stay."""
    new = [dataclasses.asdict(row) for row in rows]
    cases = {(row["kind"], row["case"]) for row in new}
    settings, kept = {}, []
    if path.is_file():
        last = json.loads(path.read_text("utf-8"))
        if last["commit"] == results.origin()["commit"]:
            kept = [row for row in last["rows"] if (row["kind"], row["case"]) not in cases]
            settings = last["config"]
    kinds = {row.kind: config for row in rows}
    report.write("faults", [*kept, *new], settings | kinds, [config["seed"]], path)
