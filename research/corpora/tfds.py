"""`tfds:NAME[/CONFIG][:VERSION][?data_dir=DIR][&field=NAME][&SPLIT=NAME]`: TensorFlow Datasets.

Directories prepared as array_record are read without TensorFlow and without the data set's
builder class. lm1b and pg19 are prepared here when they are missing (see `preparation`); C4,
Wiki-40B and the rest have builders that need TensorFlow, so they are prepared elsewhere:

    tfds build c4/en --file_format=array_record --data_dir=DIR

The text is the feature 'text' or 'book_text' (pg19), unless another `field` is named. Splits are
known by the common names; `valid=validation_matched` names another (train, valid, test). A data
set without a validation split gives the documents of train that `split_by_hash` puts into valid;
one without any held-out split is split by hash altogether; one without a test split has an empty
test split here.
"""

import dataclasses
import functools
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets

from research import contents
from research.corpora import preparation
from research.corpora.corpus import Piece, Source, split_by_hash
from research.corpora.documents import OnDamage
from research.errors import FreevocabError, UsageError

_TEXT_FEATURES = ("text", "book_text")
_THEIR_NAMES = {
    "train": ("train",),
    "valid": ("validation", "valid", "dev", "val"),
    "test": ("test",),
}
_LIKE_HELD_OUT = re.compile("val|dev|test|eval|held|hold", re.IGNORECASE)
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_FETCH_BYTES = 4 * 2**20  # about so much is fetched at a time: sentences by the thousand,
_FETCH_RECORDS = 4096  # books by the dozen
_SAMPLE_BYTES = 2**16  # of each end of a shard, in the digest


def source(argument: str) -> "PreparedDataset":
    """`tfds:...`, the part after the colon.

    Raises:
      UsageError: if the data set is not there and cannot be prepared here, has another file
        format, or no text.
      FreevocabError: if its download fails or its files are damaged.
    """
    name, *rest = re.split("[?&]", argument)
    parts = [option.partition("=") for option in rest]
    pairs = [(key, value) for key, _, value in parts]
    options = dict(pairs)
    if not name or len(options) < len(pairs) or not all(
        key in ("data_dir", "field", *_THEIR_NAMES) and value for key, value in pairs
    ):  # fmt: skip
        raise UsageError(
            f"tfds:{argument}: give tfds:NAME[/CONFIG][?data_dir=DIR][&field=NAME], and "
            "&train=NAME, &valid=NAME, &test=NAME for splits by other names"
        )
    default = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    data_dir = Path(options.pop("data_dir", default)).expanduser()
    folder = _find(name, data_dir)
    if folder is None and name in preparation.BUILDERS:
        preparation.prepare(name, data_dir)
        folder = _find(name, data_dir)
    if folder is None:
        raise UsageError(
            f"tfds:{name} is not in {data_dir}: prepare it on a machine with TensorFlow"
            f" (tfds build {name} --file_format=array_record --data_dir=DIR), copy it there,"
            " or name its place with ?data_dir=DIR or TFDS_DATA_DIR"
        )
    _check_format(name, folder)
    return PreparedDataset(f"tfds:{name}", folder, tuple(sorted(options.items())))


@dataclasses.dataclass(frozen=True)
class PreparedDataset(Source):
    """A folder with dataset_info.json, features.json and array_record shards."""

    name: str
    folder: Path
    options: tuple[tuple[str, str], ...] = ()
    """"field" and names of splits that were given."""

    @functools.cached_property
    def _builder(self) -> Any:
        try:
            return tensorflow_datasets.builder_from_directory(self.folder)
        except Exception as error:  # whatever a damaged description sets off in the library
            raise _damaged(self.folder, error) from error

    @functools.cached_property
    def _names(self) -> dict[str, str]:
        """Their name of each split that they have, by ours."""
        theirs = self._builder.info.splits
        given = dict(self.options)
        for ours in _THEIR_NAMES:
            if ours in given and given[ours] not in theirs:
                raise UsageError(
                    f"{self.name} has no split {given[ours]}, only {', '.join(theirs)}"
                )
        known = {
            ours: [given[ours]] if ours in given else [name for name in names if name in theirs]
            for ours, names in _THEIR_NAMES.items()
        }
        first = {ours: names[0] for ours, names in known.items() if names}
        # A held-out split may be said to come out of train.
        return {o: name for o, name in first.items() if o == "train" or name != first.get("train")}

    @functools.cached_property
    def _feature(self) -> str:
        features: Any = self._builder.info.features
        given = dict(self.options).get("field")
        for feature in (given,) if given else _TEXT_FEATURES:
            if feature in features:
                return feature
        raise UsageError(
            f"{self.name} has no text: none of its features ({', '.join(sorted(features))})"
            f" is called {given or ' or '.join(_TEXT_FEATURES)}; name one with &field=NAME"
        )

    def __post_init__(self):
        if not self._feature or "train" not in self._names:
            theirs = ", ".join(self._builder.info.splits)
            raise UsageError(
                f"{self.name} in {self.folder} has no train split, only {theirs}: "
                "name one with &train=NAME"
            )
        self._check_held_out()

    def _check_held_out(self) -> None:
        """Raises UsageError for a split that is held out and goes by a name not known here."""
        splits, taken = list(self._builder.info.splits), set(self._names.values())
        others = [name for name in splits if name not in taken and _LIKE_HELD_OUT.match(name)]
        for ours in ("valid", "test"):
            if others and ours not in self._names and ours not in dict(self.options):
                raise UsageError(
                    f"{self.name} has the splits {', '.join(splits)}: say which is {ours} with "
                    f"&{ours}=NAME (&{ours}=train: a share of train)"
                )

    def documents(self, split: str) -> Iterator[bytes]:
        ours = "train" if split in self._from_train else split
        if ours in self._names:
            for assigned, document in self._labelled(ours):
                if assigned == split:
                    yield document

    def pieces(self) -> tuple[Piece, ...]:
        pieces = []
        for ours, theirs in self._names.items():
            start = 0
            for length in self._builder.info.splits[theirs].shard_lengths:
                read = functools.partial(_labelled, self, ours, start, start + length)
                pieces.append(Piece(f"{self.name}, {theirs} from {start}", read))
                start += length
        return tuple(pieces)

    @property
    def _from_train(self) -> frozenset[str]:
        """The splits that they do not have and that get a share of train."""
        if set(self._names) == {"train"}:
            return frozenset({"valid", "test"})
        return frozenset({"valid"} - self._names.keys())

    def _labelled(
        self, ours: str, start: int = 0, end: int | None = None
    ) -> Iterator[tuple[str, bytes]]:
        """The documents of one of their splits, of which some of train are in another here."""
        taken = self._from_train if ours == "train" else frozenset()
        for document in self._texts(ours, start, end):
            by_hash = split_by_hash(document) if taken else ours
            yield by_hash if by_hash in taken else ours, document

    def _texts(self, split: str, start: int, end: int | None) -> Iterator[bytes]:
        try:
            records = self._builder.as_data_source(split=self._names[split])
            size = self._builder.info.splits[self._names[split]].num_bytes
            step = min(_FETCH_RECORDS, 1 + _FETCH_BYTES * len(records) // max(size, 1))
            end = len(records) if end is None else end
            for first in range(start, end, step):
                for record in records.__getitems__(list(range(first, min(first + step, end)))):
                    text = record[self._feature]
                    yield text.encode("utf-8") if isinstance(text, str) else bytes(text)
        except FreevocabError:
            raise
        except Exception as error:  # array_record reports damage in many ways
            raise _damaged(self.folder, error) from error

    def overlaps(self, split: str) -> tuple[str, ...]:
        return tuple(other for other in super().overlaps(split) if other in self._names)

    def digest(self) -> str:
        """Over the description and both ends of every shard: whole, C4 has 800 GB."""
        state = hashlib.blake2b(digest_size=16)
        if self.options:
            state.update(repr(self.options).encode())
        for path in sorted(self.folder.iterdir()):
            if not path.is_file():
                continue
            size = path.stat().st_size
            state.update(f"{path.name} {size}\n".encode())
            with open(path, "rb") as file:
                state.update(file.read(_SAMPLE_BYTES))
                file.seek(max(0, size - _SAMPLE_BYTES))
                state.update(file.read(_SAMPLE_BYTES))
        return state.hexdigest()

    def details(self) -> dict[str, Any]:
        return {"version": self.folder.name, "tfds": tensorflow_datasets.__version__}

    def paths(self) -> tuple[Path, ...]:
        return (self.folder,)


def _labelled(
    dataset: PreparedDataset, ours: str, start: int, end: int, on_damage: OnDamage
) -> Iterator[tuple[str, bytes]]:
    return dataset._labelled(ours, start, end)  # a shard that is damaged is an error


def _find(name: str, data_dir: Path) -> Path | None:
    """data_dir/NAME[/CONFIG]/VERSION with the highest version, or None."""
    path, _, version = name.partition(":")
    top = data_dir / path
    versions = [folder for folder in _subfolders(top) if _VERSION.fullmatch(folder.name)]
    configs = [
        folder
        for folder in _subfolders(top)
        if any(_VERSION.fullmatch(inner.name) for inner in _subfolders(folder))
    ]
    if not versions and len(configs) == 1:
        return _find(f"{path}/{configs[0].name}" + (f":{version}" if version else ""), data_dir)
    if not versions and configs:
        names = ", ".join(folder.name for folder in configs)
        raise UsageError(f"tfds:{name} has several configs, name one: {path}/... of {names}")
    versions = [
        folder
        for folder in versions
        if (folder / "dataset_info.json").is_file() and version in ("", folder.name)
    ]
    return max(versions, key=lambda v: tuple(map(int, v.name.split("."))), default=None)


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _check_format(name: str, folder: Path) -> None:
    try:
        info = contents.read_mapping(folder / "dataset_info.json")
        # Directories from before the format was written down are tfrecord.
        file_format = info.get("fileFormat", "tfrecord")
    except (OSError, ValueError, AttributeError) as error:
        raise _damaged(folder, error) from error
    if file_format != "array_record":
        raise UsageError(
            f"tfds:{name} in {folder} is stored as {file_format}, which needs TensorFlow to read:"
            " prepare it again with --file_format=array_record, or convert it with"
            " python -m tensorflow_datasets.scripts.convert_format"
        )


def _damaged(folder: Path, error: Exception) -> FreevocabError:
    reason = str(error).strip().split("\n")[0][:200] or type(error).__name__
    return FreevocabError(f"cannot read the data set in {folder}: {reason}; prepare it again")
