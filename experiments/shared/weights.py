"""Weights that lie in the repository: trained for hours on two cores, evaluated in minutes.

results/<paper>/weights/<name>/ holds a model's folder (bfloat16, with the digest of its arrays) and
record.json: the settings that it was trained with, the command, ids seen, seconds, versions,
hardware, commit, and its figures both as trained and as loaded from the rounded file. Configs of
scale `hours` say where their models come from by the field `weights`:

  'committed'  opened; one that is not there is an error that names the command.
  'retrain'    (reproduce --retrain) trained in the work directory, from where an interrupted
               training got to, saved there as it would be committed, and opened again, so that a
               row of a table is the same either way.
  ''           trained, and kept nowhere (the other scales).
"""

import dataclasses
import datetime
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from configs.shared import Weights
from research import files
from research.artifact import Spec, flatten, unflatten, write_arrays
from research.codecs import lm_folder
from research.codecs.protocol import Codec, SavableCodec
from research.errors import FreevocabError, UsageError
from research.models.language_model import LanguageModelConfig
from research.reporting import environment, results
from research.training import run_folder

RECORD = results.WEIGHTS_RECORD
_ARRAYS, _ARRAYS_FILE = Spec("arrays", "arrays.json"), "arrays.safetensors"
_SMALL_BYTES = 1_500_000  # codecs up to this size are kept with their model


class MissingWeights(UsageError):
    """There are no committed weights yet; the message has the command that trains them."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a model belongs: results/<paper>/weights/<name>."""

    paper: str
    """The table's paper."""
    name: str
    """The model's folder."""
    table: str
    """Whose command trains it."""
    source: Weights
    """See the module's docstring."""
    workdir: Path
    """The table's work directory."""
    only: bool = False
    """Whether the table's configuration can name the model alone."""

    @property
    def command(self) -> str:
        """What trains it again."""
        command = f"freevocab reproduce {self.paper}/{self.table} --scale hours --retrain"
        return f"{command} --set only={self.name}" if self.only else command

    @property
    def folder(self) -> Path:
        """Where the model is opened from."""
        if self.source == "committed":
            return results.COMMITTED / self.paper / "weights" / self.name
        return self.workdir / "weights" / self.name

    @property
    def has_record(self) -> bool:
        """Whether there is a model."""
        return (self.folder / RECORD).is_file()

    @property
    def missing(self) -> str:
        """What is to be said where committed weights are not there."""
        return f"{self.paper} has no committed weights of {self.name} yet: {self.command}"


class Format(NamedTuple):
    """How one kind of model is written and opened."""

    save: Callable[[Path, Any], None]
    """(folder, model); rounded to bfloat16."""
    load: Callable[[Path], Any]
    """folder -> model."""


def language_model(config: LanguageModelConfig, codec: Codec) -> Format:
    """A model's folder, with its codec if that is small."""

    def save(folder: Path, params: Any) -> None:
        small = isinstance(codec, SavableCodec) and _is_small(codec.save)
        lm_folder.save(folder, params, config, codec, dtype="bfloat16", with_codec=small)

    return Format(save, lambda folder: lm_folder.load(folder, codec)[0])


def arrays(init: Callable[[jax.Array], Any]) -> Format:
    """Parameters alone, of something that has no codec: arrays.json and arrays.safetensors.

    Args:
      init: typed key -> parameters like those that are kept.
    """

    def save(folder: Path, params: Any) -> None:
        with files.atomic_path(folder, directory=True) as temporary:
            flat = flatten(jax.device_get(params))
            digest = write_arrays(temporary / _ARRAYS_FILE, flat, folder, "bfloat16")
            _ARRAYS.write(temporary, {"arrays": digest})

    def load(folder: Path) -> Any:
        shapes = flatten(jax.eval_shape(init, jax.random.key(0)))
        digest = _ARRAYS.read(folder).get("arrays")
        flat = _ARRAYS.read_arrays(folder / _ARRAYS_FILE, digest, shapes)
        return jax.tree.map(jnp.asarray, unflatten(flat))

    return Format(save, load)


def obtain(
    place: Place,
    settings: Mapping[str, Any],
    form: Format,
    train: Callable[[], tuple[Any, Mapping[str, Any]]],
    evaluate: Callable[[Any], Mapping[str, float]],
    log: Callable[[str], None],
) -> tuple[Any, dict[str, Any]]:
    """The model of a place and its record.

    Args:
      settings: everything that decides what comes out of the training, as JSON values.
      train: trains, or goes on; gives the model and facts for the record (ids seen, ...).
      evaluate: model -> figures, for the record.

    Returns:
      (model, record); the record's 'figures' are those of this model, evaluated now.

    Raises:
      MissingWeights: if they are to be committed and are not.
      FreevocabError: if they were trained with other settings, or are damaged.
    """
    if not place.source:
        model, facts = train()
        return model, {**facts, "figures": dict(evaluate(model))}
    settings = results.plain(settings)
    record = _record(place)
    if record is None and place.source == "committed":
        raise MissingWeights(place.missing)
    if record is not None:
        _check_settings(place, record, settings)
        log(f"{place.name}: weights of {record['date']}, {record['seconds']:,.0f} s of training")
        model = form.load(place.folder)
        return model, {**record, "figures": dict(evaluate(model))}
    started = time.monotonic()
    model, facts = train()
    seconds = time.monotonic() - started
    trained = dict(evaluate(model))
    form.save(place.folder, model)
    model = form.load(place.folder)
    loaded = dict(evaluate(model))
    record = {
        "settings": settings,
        "command": place.command,
        "seconds": round(facts.get("seconds", seconds), 1),
        **{key: value for key, value in facts.items() if key != "seconds"},
        "trained": trained,
        "loaded": loaded,
        "versions": environment.versions(),
        "hardware": environment.hardware(),
        "commit": environment.commit(),
        "date": datetime.date.today().isoformat(),
    }
    files.write_json(place.folder / RECORD, results.plain(record))
    return model, {**record, "figures": loaded}


def chosen(items: Sequence[Any], names: Sequence[str], only: Sequence[str]) -> list[Any]:
    """The items whose names `only` lists; all if it lists none.

    Raises:
      UsageError: if it lists another name.
    """
    if unknown := sorted(set(only) - set(names)):
        raise UsageError(f"no row {unknown[0]!r}: the table has {', '.join(names)}")
    return [item for item, name in zip(items, names, strict=True) if not only or name in only]


def _is_small(save: Callable[[Path], None]) -> bool:
    """Whether what `save` writes into a folder may be kept with a model."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "folder"
        save(folder)
        return sum(path.stat().st_size for path in folder.rglob("*")) <= _SMALL_BYTES


def _record(place: Place) -> dict[str, Any] | None:
    path = place.folder / RECORD
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FreevocabError(f"{path} is damaged ({error}): {place.command}") from None


def _check_settings(place: Place, record: Mapping[str, Any], settings: Any) -> None:
    if different := run_folder.differences(settings, record["settings"]):
        raise FreevocabError(
            f"{place.folder} was trained with other settings ({different[0]}): undo the change, or"
            f" train it again: {place.command}"
        )
