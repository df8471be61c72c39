"""Results: what a run of a table measured, as one JSON file with everything needed to explain it.

A file is at <directory>/<paper>/<table>/<scale>.json. `results/` next to the packages holds the
committed ones; a run writes its own under <workdir>/results, which are shown in their place.
"""

import dataclasses
import datetime
import hashlib
import json
import math
import shutil
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from research import contents, files
from research.errors import FreevocabError
from research.reporting import environment

WEIGHTS_RECORD = "record.json"  # in each folder of results/<paper>/weights
COMMITTED = Path(__file__).resolve().parent.parent.parent / "results"


@dataclasses.dataclass(frozen=True)
class Result:
    """One table measured at one scale."""

    paper: str
    table: str
    scale: str
    rows: list[dict[str, Any]]
    """One dict per row of the table, column name -> number, string, bool or None."""
    columns: list[str]
    """The table's columns in order."""
    config: dict[str, Any]
    """The configuration's fields, nested as the dataclasses are."""
    versions: dict[str, str]
    """Package -> version, and the flags that change random numbers."""
    hardware: dict[str, Any]
    """Processor, cores, device kind and count."""
    commit: str | None
    """Of the code, "+dirty" if it was changed since; None outside a checkout."""
    seeds: list[int]
    seconds: float
    """Wall time of the run."""
    notes: list[str]
    """What the table's remarks say about these rows."""
    date: str

    @property
    def path(self) -> str:
        return f"{self.paper}/{self.table}"


Results = Mapping[tuple[str, str, str], Result]
"""(paper, table, scale) -> a result, as `load_all` finds them."""

KINDS = {
    name: typing.get_origin(kind) or kind for name, kind in typing.get_type_hints(Result).items()
} | {"commit": (str, type(None)), "seconds": (int, float)}


def record(
    paper: str,
    table: str,
    scale: str,
    rows: Sequence[Mapping[str, Any]],
    config: Any,
    seeds: Sequence[int],
    seconds: float,
    notes: Sequence[str],
    directory: str | Path,
    *,
    columns: Sequence[str] | None = None,
) -> Path:
    """Writes one result under `directory`, with the versions, hardware and commit of this process.

    Args:
      rows: numbers may be numpy scalars; one that is not finite is written as null.
      config: a dataclass or a dict.
      columns: the order of the columns; by default that of first appearance in the rows.

    Returns:
      The path of the file, written whole or not at all.
    """
    if columns is None:
        columns = list(dict.fromkeys(name for row in rows for name in row))
    result = Result(
        paper=paper,
        table=table,
        scale=scale,
        rows=[plain(row) for row in rows],
        columns=list(columns),
        config=plain(fields_of(config)),
        seeds=[int(seed) for seed in seeds],
        seconds=round(float(seconds), 1),
        notes=[str(note) for note in notes],
        **origin(),
    )
    written = path_of(directory, paper, table, scale)
    files.write_json(written, dataclasses.asdict(result))
    return written


def origin() -> dict[str, Any]:
    """What every record says of this process: versions, hardware, commit and today's date."""
    return {
        "versions": environment.versions(),
        "hardware": environment.hardware(),
        "commit": environment.commit(),
        "date": datetime.date.today().isoformat(),
    }


def path_of(directory: str | Path, paper: str, table: str, scale: str) -> Path:
    """Where a result is below a directory of results."""
    return Path(directory) / paper / table / f"{scale}.json"


def load(path: str | Path) -> Result:
    """Reads one result file.

    Raises:
      FreevocabError: if it is not JSON, or a field is missing, unknown or of the wrong kind.
    """
    try:
        values = contents.parse_json(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise FreevocabError(f"{path} is damaged ({error}): delete it and run it again") from None
    if not isinstance(values, dict):
        raise FreevocabError(f"{path} is damaged (not an object): delete it and run it again")
    wrong = [name for name in KINDS if name not in values]
    wrong += [name for name in values if name not in KINDS]
    wrong += [name for name, kind in KINDS.items() if not isinstance(values.get(name), kind)]
    rows = values.get("rows")
    wrong += ["rows"] * (isinstance(rows, list) and any(type(row) is not dict for row in rows))
    if wrong:
        names = ", ".join(dict.fromkeys(wrong))
        raise FreevocabError(f"{path} is damaged (fields: {names}): delete it and run it again")
    return Result(**values)


def load_all(*directories: str | Path) -> dict[tuple[str, str, str], Result]:
    """Every result under the directories, keyed (paper, table, scale); a later directory wins.

    A directory that does not exist holds none.

    Raises:
      FreevocabError: naming a file that is damaged or lies where it does not belong.
    """
    by_key = {}
    for directory in directories:
        for path in sorted(Path(directory).glob("*/*/*.json")):
            key = (path.parent.parent.name, path.parent.name, path.stem)
            result = load(path)
            if (result.paper, result.table, result.scale) != key:
                raise FreevocabError(f"{path} says it is {result.path} at {result.scale} scale")
            by_key[key] = result
    return by_key


def other_texts(
    rows: Sequence[Mapping[str, Any]], committed: Sequence[Mapping[str, Any]]
) -> str | None:
    """The texts of the committed rows where ours were measured on others; None if on the same.

    Which text it was stands in the rows' `corpus`, with its digest: the text that a name stands
    for may change, with the version of Python, say.
    """
    ours, theirs = (
        list(dict.fromkeys(row["corpus"] for row in some if row.get("corpus")))
        for some in (rows, committed)
    )
    return "; ".join(theirs) if ours and theirs and set(ours) != set(theirs) else None


def copy(source: Path, target: Path) -> Path:
    """Copies a result file with its pictures, in place of an earlier one. Returns `target`."""
    _keep_pictures(target, {picture.name: picture for picture in pictures(source)})
    files.write_bytes(target, source.read_bytes())
    return target


def keep_pictures(folder: Path, result: Path) -> list[Path]:
    """Copies the PNG files that a run left in a folder next to its result file.

    cpu.json gets cpu-NAME.png. Those of an earlier run of the scale are removed.
    """
    named = {f"{result.stem}-{picture.name}": picture for picture in sorted(folder.glob("*.png"))}
    return _keep_pictures(result, named)


def _keep_pictures(result: Path, named: Mapping[str, Path]) -> list[Path]:
    for old in pictures(result):
        old.unlink()
    for name, picture in named.items():
        files.write_bytes(result.parent / name, picture.read_bytes())
    return [result.parent / name for name in named]


def keep_weights(trained: Path, committed: Path) -> None:
    """Puts the models that a run trained (folders with a record) in the place of committed ones.

    Raises:
      FreevocabError: if a model was trained by changed code, whose commit nobody could look up.
    """
    for record in sorted(trained.glob(f"*/{WEIGHTS_RECORD}")):
        commit = json.loads(record.read_text(encoding="utf-8"))["commit"]
        if not environment.is_clean(commit):
            raise FreevocabError(
                f"{record.parent} was trained by code that is not committed ({commit}): commit, "
                "and train it again"
            )
        target = committed / record.parent.name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(record.parent, target)


def pictures(result: Path) -> list[Path]:
    """The PNG files that `keep_pictures` put next to a result file."""
    return sorted(result.parent.glob(f"{result.stem}-*.png"))


def fields_of(config: Any) -> Any:
    """A dataclass as a dict; anything else as it is."""
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        return dataclasses.asdict(config)
    return config


def is_older(result: Result, config: Any) -> bool:
    """Was a result measured with other settings than `config`'s? New fields do not count."""
    return _differs(result.config, plain(fields_of(config)))


def _differs(recorded: Any, today: Any) -> bool:
    if isinstance(recorded, Mapping) and isinstance(today, Mapping):
        return any(name not in today or _differs(recorded[name], today[name]) for name in recorded)
    if isinstance(recorded, list) and isinstance(today, list) and len(recorded) == len(today):
        return any(map(_differs, recorded, today))
    return recorded != today


def key(*parts: Any) -> str:
    """16 hex digits for dataclasses and JSON values: the name of what was made from them."""
    values = [plain(fields_of(part)) for part in parts]
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: numpy scalars become numbers, paths strings, NaN null."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def once(
    workdir: str | Path, config: Any, facts: Any, measure: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """The row that `measure` gives, or that it gave before the table was interrupted.

    Until the whole table is finished its rows are under `workdir`, for the configuration, commit
    and versions; none are where no commit names the code.

    Args:
      config: the table's dataclass.
      facts: what makes the row another than the table's others, as JSON values.
    """
    commit = environment.commit()
    if not environment.is_clean(commit):
        return measure()
    path = _rows_of(workdir, config) / f"{key(facts, commit, environment.versions())}.json"
    try:
        row = contents.parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # ValueError: damaged; then it is measured again
        row = plain(measure())
        files.write_json(path, row)
    return row


def forget(workdir: str | Path, config: Any) -> None:
    """Removes the rows that `once` has under `workdir` for a configuration."""
    shutil.rmtree(_rows_of(workdir, config), ignore_errors=True)


def _rows_of(workdir: str | Path, config: Any) -> Path:
    kind = f"{type(config).__module__}.{type(config).__qualname__}"
    return Path(workdir) / "rows" / key(kind, config)
