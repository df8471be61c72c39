"""What is said of a compressed file: by `compress` and `decompress` in a line, by `inspect`."""

import dataclasses

from research.codecs.container import format as fmt


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a run of `compress` or `decompress` did, or what `inspect` found.

    Attributes:
      codec: its name.
      num_bytes: bytes of text.
      file_bytes: bytes of the compressed file.
      num_ids: ids in it.
      num_blocks: blocks in it.
    """

    codec: str
    num_bytes: int
    file_bytes: int
    num_ids: int
    num_blocks: int

    def __str__(self) -> str:
        rate = f" ({8 * self.file_bytes / self.num_bytes:.3f} bits/byte)" if self.num_bytes else ""
        return (
            f"{self.num_bytes:,} bytes of text, {self.file_bytes:,} compressed{rate}, "
            f"{self.num_ids:,} ids of {self.codec}"
        )


@dataclasses.dataclass(frozen=True)
class Inspection:
    """What `inspect` found in a file whose every block is sound.

    Attributes:
      summary: sizes.
      header: what the file says of its codec.
      strings: the texts of the first ids or windows; None where the codec is not at hand.
    """

    summary: Summary
    header: fmt.Header
    strings: list[bytes] | None

    def __str__(self) -> str:
        size, header = self.summary, self.header
        rows = {
            "codec": f"{header.name} ({'shipped' if header.shipped else 'given by --codec'})",
            "digest": header.digest.hex(),
            "format": f"version {fmt.VERSION}",
            "vocabulary": f"{header.vocab_size:,} ids, {header.bits_per_id} bits each",
            "text": f"{size.num_bytes:,} bytes in {size.num_blocks:,} blocks of at most "
            f"{header.block_bytes:,}",
            "ids": f"{size.num_ids:,}",
            "compressed": f"{size.file_bytes:,} bytes, headers and checksums included",
        }
        if size.num_bytes:
            rows["bytes per id"] = f"{size.num_bytes / size.num_ids:.3f}"
            rows["ratio"] = f"{size.num_bytes / size.file_bytes:.3f}"
            rows["bits per byte"] = f"{8 * size.file_bytes / size.num_bytes:.3f}"
        if self.strings:
            rows["starts with"] = "|".join(show(string) for string in self.strings)
        return "\n".join(f"{name:<14}{value}" for name, value in rows.items())


def show(text: bytes, limit: int = 60) -> str:
    """`text` as the paper shows windows: a space as "_"; what does not print, escaped.

    Of more than `limit` bytes only the first are shown, and "...".
    """
    characters = text[:limit].decode("utf-8", "backslashreplace")
    printable = "".join(
        "_" if c == " " else c if c.isprintable() else c.encode("unicode_escape").decode()
        for c in characters
    )
    return printable + ("..." if len(text) > limit else "")
