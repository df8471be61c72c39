"""Packs the novels of `builtin:novels`: one archive a split, under research/corpora/novels.

    python -m experiments.make_novels FOLDER

FOLDER holds the text files of github.com/computationalstylistics/100_english_novels (folder
`corpus` at commit 143e6018), named Author_Title_Year.txt. Files are kept whole, the shorter ones
first until `TRAIN_BYTES` are used; the authors of the validation and test splits have no book in
train. The same files give the same archives.
"""

import argparse
import io
import lzma
import re
import tarfile
from pathlib import Path

from research.corpora import builtin
from research.errors import UsageError

TRAIN_BYTES = 40_300_000
HELD_OUT = {
    "valid": "Gissing_Warburton Gissing_Women Stevenson_Treasure Stevenson_Catriona".split(),
    "test": "Kipling_Captains Kipling_Kim Kipling_Light Burnett_Garden Burnett_Princess".split(),
}
# Forster died in 1970, so he is under copyright where it lasts for seventy years after death; this
# file of Hardy's comes from a modern edition.
LEFT_OUT = ("Forster_", "Hardy_Madding_")
# What is not the author's: a note by the man who typed the text in.
NOTES = re.compile(
    r" Note: In the 1909 New York Edition .*?preparer of this\nelectronic text\s*\n", re.DOTALL
)


def clean(data: bytes) -> bytes:
    """UTF-8 without a byte order mark, line ends as \\n, no blanks at line ends, at most one
    blank line in a row."""
    text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    text = re.sub(r"[ \t\f\v\u00a0]+\n", "\n", NOTES.sub("", text))
    return (re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n").encode("utf-8")


def choose(folder: Path) -> dict[str, dict[str, bytes]]:
    """Split -> file name -> text.

    Raises:
      UsageError: if a book of the held-out splits is not there.
    """
    books = {path.name: clean(path.read_bytes()) for path in sorted(folder.glob("*_*_*.txt"))}
    chosen: dict[str, dict[str, bytes]] = {"train": {}}
    for split, names in HELD_OUT.items():
        chosen[split] = {name: books[name] for name in books if name.rsplit("_", 1)[0] in names}
        if len(chosen[split]) != len(names):
            raise UsageError(f"{folder} lacks some of {', '.join(names)}")
    taken = {_author(name) for split in HELD_OUT for name in chosen[split]}
    total = 0
    for name in sorted(books, key=lambda name: len(books[name])):
        if _author(name) in taken or name.startswith(LEFT_OUT):
            continue
        total += len(books[name])
        if total > TRAIN_BYTES:
            break
        chosen["train"][name] = books[name]
    return chosen


def pack(books: dict[str, bytes]) -> bytes:
    """A .tar.xz without times and owners."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(books):
            member = tarfile.TarInfo(name)
            member.size = len(books[name])
            archive.addfile(member, io.BytesIO(books[name]))
    # A dictionary as large as the text: names and phrases come back in other books.
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 26}]
    return lzma.compress(plain.getvalue(), check=lzma.CHECK_CRC64, filters=filters)


def _author(name: str) -> str:
    return name.split("_")[0]


def main() -> None:
    """Writes the archives and prints what is in them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    for split, books in choose(parser.parse_args().folder).items():
        packed = pack(books)
        builtin.archive(split).write_bytes(packed)
        size = sum(map(len, books.values()))
        print(f"{split}: {len(books)} books, {size:,} bytes, {len(packed):,} packed")


if __name__ == "__main__":
    main()
