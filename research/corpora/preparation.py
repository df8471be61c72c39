"""Preparing lm1b and pg19 as array_record, without TensorFlow.

TensorFlow Datasets' own builders of the two list and read files through TensorFlow. These
give the same features, keys and splits under the same names and versions, with plain HTTP.
"""

import concurrent.futures
import contextlib
import csv
import http.client
import io
import itertools
import json
import shutil
import sys
import tarfile
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from research import files
from research.errors import FreevocabError

_LM1B_URL = (
    "http://www.statmt.org/lm-benchmark/1-billion-word-language-modeling-benchmark-r13output.tar.gz"
)
_PG19_LIST_URL = "https://storage.googleapis.com/storage/v1/b/deepmind-gutenberg/o"
_PG19_FILES_URL = "https://storage.googleapis.com/deepmind-gutenberg"
_TIMEOUT_SECONDS = 60
_DOWNLOADS_AT_ONCE = 16


class _Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """What both share."""

    # Asking for it needs a package that tfds 4.9.10 forgets to install (its issue 11212); None
    # says that there is no file of checksums next to the code, which is true.
    code_path = None


class Lm1b(_Builder, skip_registration=True):
    """One Billion Word benchmark: one sentence a document. 1.8 GB to download."""

    name = "lm1b"
    VERSION = tfds.core.Version("1.1.0")
    url = _LM1B_URL

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict({"text": tfds.features.Text()})
        )

    def _split_generators(self, dl_manager) -> dict[str, Any]:
        archive = Path(dl_manager.download_dir) / self.url.rsplit("/", 1)[-1]
        if not archive.exists():
            _download(self.url, archive)
        return {
            "train": self._generate_examples(archive, "/training-monolingual.", "news.en-"),
            "test": self._generate_examples(archive, "/heldout-monolingual.", "news.en.heldout-"),
        }

    def _generate_examples(self, archive: Path, folder: str, prefix: str) -> Iterator[tuple]:
        with tarfile.open(archive, "r:gz") as members:
            for member in members:
                basename = member.name.rsplit("/", 1)[-1]
                if folder not in member.name or not basename.startswith(prefix):
                    continue
                file = members.extractfile(member)
                assert file is not None  # only folders have no content
                lines = io.TextIOWrapper(file, encoding="utf-8")
                for number, line in enumerate(lines):
                    yield f"{basename}_{number}", {"text": line.strip()}


class Pg19(_Builder, skip_registration=True):
    """Project Gutenberg books from before 1919, one a document. 11 GB to download."""

    name = "pg19"
    VERSION = tfds.core.Version("0.1.1")
    list_url = _PG19_LIST_URL
    files_url = _PG19_FILES_URL

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "book_text": tfds.features.Text(),
                    "book_id": np.int32,
                    "book_title": np.str_,
                    "publication_date": np.str_,
                    "book_link": np.str_,
                }
            ),
        )

    def _split_generators(self, dl_manager) -> dict[str, Any]:
        del dl_manager  # books are read straight into the shards
        text = _get(f"{self.files_url}/metadata.csv").decode("utf-8")
        # id, title, date, link; should a title hold bare commas, the ends are still right.
        rows = {
            int(row[0]): [",".join(row[1:-2]), *row[-2:]]
            for row in csv.reader(io.StringIO(text))
            if row
        }
        return {
            split: self._generate_examples(split, rows) for split in ("train", "validation", "test")
        }

    def _generate_examples(self, split: str, rows: dict[int, list[str]]) -> Iterator[tuple]:
        def fetched(name: str) -> tuple[str, bytes]:
            return name, _get(f"{self.files_url}/{urllib.parse.quote(name)}")

        with concurrent.futures.ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool:
            names = self._names(split)
            while group := list(itertools.islice(names, 4 * _DOWNLOADS_AT_ONCE)):
                for name, text in pool.map(fetched, group):
                    book = int(Path(name).stem)
                    title, date, link = rows[book]
                    example = {
                        "book_text": text.decode("utf-8").strip(),
                        "book_id": book,
                        "book_title": title,
                        "publication_date": date,
                        "book_link": link,
                    }
                    yield book, example

    def _names(self, split: str) -> Iterator[str]:
        page: dict[str, Any] = {"nextPageToken": ""}
        while "nextPageToken" in page:
            query = {"prefix": f"{split}/", "pageToken": page["nextPageToken"]}
            page = json.loads(_get(f"{self.list_url}?{urllib.parse.urlencode(query)}"))
            for item in page.get("items", []):
                if item["name"].endswith(".txt"):
                    yield item["name"]


BUILDERS = {"lm1b": Lm1b, "pg19": Pg19}


def prepare(name: str, data_dir: Path) -> None:
    """Downloads and prepares lm1b or pg19 into data_dir, as array_record.

    Raises:
      FreevocabError: if the network, the disk or the downloaded files do not allow it.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):  # the library prints what it does
            builder = BUILDERS[name](data_dir=data_dir)
            builder.download_and_prepare(
                file_format="array_record",
                # A copy in their cloud storage would be in another file format.
                download_config=tfds.download.DownloadConfig(try_download_gcs=False),
            )
    except FreevocabError:
        raise
    except Exception as error:  # the library wraps errors of disk and archive in its own
        reason = str(error).strip().split("\n")[0][:200] or type(error).__name__
        raise FreevocabError(
            f"cannot prepare tfds:{name} in {data_dir}: {reason}; it can be prepared on another"
            " machine and copied there"
        ) from error


def _download(url: str, path: Path) -> None:
    with files.atomic_path(path) as temporary, _opened(url) as answer:
        with open(temporary, "wb") as file:
            shutil.copyfileobj(answer, file, 2**20)
        expected = answer.headers.get("Content-Length")
        if expected is not None and temporary.stat().st_size != int(expected):
            raise FreevocabError(f"the download of {url} was cut short: try again")


def _get(url: str) -> bytes:
    try:
        with _opened(url) as answer:
            return answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise FreevocabError(f"cannot download {url}: {error}; try again") from error


def _opened(url: str):
    try:
        return urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS)
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        raise FreevocabError(
            f"cannot download {url}: {reason}; connect this machine to the network, or prepare"
            " the data set elsewhere, copy it and give ?data_dir=DIR"
        ) from error
