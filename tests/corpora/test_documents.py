"""Documents out of files of every format."""

import bz2
import gzip
import json
import lzma
import tracemalloc
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from research.corpora import documents as reading
from research.errors import FreevocabError

COMPRESSORS = {
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}


def read(path: Path, content: bytes, **options) -> list[bytes]:
    path.write_bytes(content)
    return list(reading.documents(path, **options))


def message(path: Path, content: bytes) -> str:
    with pytest.raises(FreevocabError) as raised:
        read(path, content)
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)
    return str(raised.value)


def test_a_plain_file_is_one_document(tmp_path):
    novel = b"Chapter 1\r\n\r\nIt was \xff\x00 late.\r\n\r\n\r\nThe end" * 3
    assert read(tmp_path / "novel.txt", novel) == [novel]
    assert read(tmp_path / "marked.txt", b"\xef\xbb\xbf" + novel) == [novel]
    assert read(tmp_path / "empty.txt", b"") == []
    assert read(tmp_path / "mark.txt", b"\xef\xbb\xbf") == []


def test_elements_lose_their_tags_and_keep_their_titles(tmp_path):
    dump = (
        b'<doc id="1" url="http://x?curid=1" title="A -> B">\nA -> B\n\nText <b>x</b>.\n\n</doc>\n'
        b'<doc id="2" title="">\n</doc>\n\n \n'
        b'<doc id="3" title="Inline">One line </doc> more</doc>\n'
        b'<doc id="4" title="Weird">\n<doc is not closed here\n</doc>\n'
    )
    expected = [
        b"A -> B\n\nText <b>x</b>.\n\n",
        b"One line </doc> more",
        b"<doc is not closed here\n",
    ]
    assert read(tmp_path / "wiki", dump) == expected
    assert read(tmp_path / "wiki.txt", b"\xef\xbb\xbf\n" + dump.rstrip()) == expected


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_elements_do_not_depend_on_the_chunks(tmp_path, monkeypatch, size):
    bodies = [b"\nT%d\n\n" % i + b"x" * i for i in range(1, 30)]
    dump = b"\n".join(b'<doc id="%d">%b</doc>' % (i, body) for i, body in enumerate(bodies))
    monkeypatch.setattr(reading, "_CHUNK_BYTES", size)
    monkeypatch.setattr(reading, "HEAD_BYTES", 10)
    for mark in (b"", b"\xef\xbb\xbf"):
        assert read(tmp_path / "wiki", mark + dump) == [body[1:] for body in bodies]
        assert read(tmp_path / "wiki.gz", gzip.compress(mark + dump)) == [b[1:] for b in bodies]


def test_an_unclosed_element_is_named(tmp_path, monkeypatch):
    whole = b'<doc id="1" title="First">\nA\n</doc>\n'
    cut = b'<doc id="2" title="Second">\nB\n'
    said = message(tmp_path / "wiki", whole + cut)
    assert 'element <doc id="2" title="Second"> is not closed by </doc>' in said
    assert "not closed" in message(tmp_path / "wiki", whole + b"text outside")
    monkeypatch.setattr(reading, "ELEMENT_BYTES", 100)
    assert "Second" in message(tmp_path / "wiki", whole + cut + b"x" * 3_000_000)
    assert "without its '>'" in message(tmp_path / "wiki", b"<doc id=1 </doc>")


def test_json_lines_give_their_text(tmp_path):
    texts = ["plain", "two\nlines", "é\u2028\x85", "\ud83d alone", '"quoted"']
    lines = [json.dumps({"meta": 1, "text": text}) for text in texts]
    content = ("\n".join(lines[:2]) + "\r\n\n  \n" + "\n".join(lines[2:])).encode()
    expected = [text.encode("utf-8", "surrogatepass") for text in texts]
    assert read(tmp_path / "a.jsonl", content) == expected
    assert read(tmp_path / "b.JSONL", content + b'\n{"text": ""}\n') == expected
    for suffix, compress in COMPRESSORS.items():
        assert read(tmp_path / f"a.jsonl{suffix}", compress(content)) == expected


@pytest.mark.parametrize(
    "line", [b'{"texts": "x"}', b'{"text": 3}', b'["text"]', b'{"text": null}', b'"text"']
)
def test_a_line_without_text_is_named(tmp_path, line):
    said = message(tmp_path / "a.jsonl", b'{"text": "fine"}\n' + line)
    assert 'line 2: no "text" field' in said


def test_a_line_without_end_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "LINE_BYTES", 2**22)
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"text": "a"}\n{"text": "' + b"x" * 2**26))
    tracemalloc.start()
    with pytest.raises(FreevocabError, match="line 2: longer than 4,194,304 bytes"):
        list(reading.documents(path))
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


def test_a_line_nested_without_end_is_named(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"[" * 100_000)
    with pytest.raises(FreevocabError, match="line 1: not JSON"):
        list(reading.documents(tmp_path / "a.jsonl"))


def test_a_line_that_is_not_json_is_named(tmp_path):
    assert "line 2: not JSON" in message(tmp_path / "a.jsonl", b"\n{'text': 1}\n")
    assert "line 1: not JSON" in message(tmp_path / "a.jsonl", b'{"text": "\xff"}\n')


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_compressed_files_read_like_plain_ones(tmp_path, suffix):
    text = bytes(range(256)) * 20_000
    half = len(text) // 2
    compress = COMPRESSORS[suffix]
    assert read(tmp_path / f"a.txt{suffix}", compress(text)) == [text]
    # Compressed files may be joined, an empty one among them.
    joined = compress(b"") + compress(text[:half]) + compress(text[half:])
    assert read(tmp_path / f"b.txt{suffix}", joined) == [text]


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_damaged_compressed_files_are_named(tmp_path, suffix):
    compressed = COMPRESSORS[suffix](bytes(range(256)) * 2000)
    path = tmp_path / f"a.txt{suffix}"
    assert "cannot be decompressed" in message(path, b"not compressed at all")
    assert "cannot be decompressed" in message(path, compressed[: len(compressed) // 2])
    assert "cannot be decompressed" in message(path, compressed[:-1])


def test_an_unreadable_file_is_named(tmp_path):
    with pytest.raises(FreevocabError, match="cannot read .*gone.txt: No such file"):
        list(reading.documents(tmp_path / "gone.txt"))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    text=st.text(alphabet="ab\n\ré", max_size=200).map(str.encode),
    size=st.integers(min_value=1, max_value=20),
)
def test_cutting_keeps_every_byte_and_bounds_the_pieces(text, size):
    pieces = reading._cut(text, size)
    assert b"".join(pieces) == text
    assert all(0 < len(piece) <= 3 * size + len(text) * (b"\n\n" in piece) for piece in pieces[:-1])
    assert len(pieces[-1]) <= 2 * size
    for piece in pieces[1:] if size > 1 else []:
        assert piece[0] & 0xC0 != 0x80, "a character was cut in two"


def test_a_large_plain_file_is_cut_at_blank_lines(tmp_path, monkeypatch):
    paragraphs = [b"paragraph %d " % i + b"x" * (i % 977) + b"\n\n" for i in range(4000)]
    text = b"".join(paragraphs)
    monkeypatch.setattr(reading, "WHOLE_FILE_BYTES", 2**20)
    pieces = read(tmp_path / "large.txt", text)
    assert b"".join(pieces) == text
    assert all(piece.endswith(b"\n\n") for piece in pieces)
    assert all(2**16 <= len(piece) <= 2**16 + 1100 for piece in pieces[:-1])


def test_the_only_file_is_cut_into_about_a_hundred(tmp_path):
    for blank in (b"\n\n", b"\r\n\r\n", b"\n \n", b"\n \t\n\n"):
        text = (b"line\n  line" + blank) * 10_000
        pieces = read(tmp_path / "only.txt", text, pieces=100)
        assert b"".join(pieces) == text and 90 <= len(pieces) <= 100
        assert all(piece.startswith(b"line\n") for piece in pieces)
    assert b"".join(read(tmp_path / "only.txt", b"short", pieces=100)) == b"short"


@pytest.mark.parametrize("kind", ["plain", "elements", "jsonl"])
def test_memory_does_not_grow_with_the_file(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(reading, "WHOLE_FILE_BYTES", 2**20)
    monkeypatch.setattr(reading, "_CHUNK_BYTES", 2**18)
    line = b"word " * 200 + b"\n"
    unit = {
        "plain": line * 9 + b"\n",
        "elements": b'<doc id="1">\n' + line * 9 + b"</doc>\n",
        "jsonl": json.dumps({"text": (line * 9).decode()}).encode() + b"\n",
    }[kind]
    path = tmp_path / ("a.jsonl.gz" if kind == "jsonl" else "a.gz")
    path.write_bytes(gzip.compress(unit * 3000, 1))  # 27 MB
    tracemalloc.start()
    total = sum(map(len, reading.documents(path)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total >= 3000 * 9 * len(line)
    assert peak < 8 * 2**20


def test_a_small_file_of_much_text_is_read_in_pieces(tmp_path):
    path = tmp_path / "zeros.txt.zst"
    path.write_bytes(zstandard.ZstdCompressor().compress(bytes(200 * 2**20)))
    assert path.stat().st_size < 2**15
    sizes = [len(chunk) for chunk in reading._chunks(path)]
    assert sum(sizes) == 200 * 2**20 and max(sizes) <= 2**9 * 2**17 // 4


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("suffix", [".txt", ".jsonl"])
def test_other_encodings_are_known_by_their_marks(tmp_path, encoding, suffix):
    text = "na\u00efve \U0001f98a\nline " * 50
    path = tmp_path / f"a{suffix}"
    path.write_text(text if suffix == ".txt" else json.dumps({"text": text}), encoding)
    assert list(reading.documents(path)) == [text.encode()]


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
def test_compressed_files_are_known_by_their_first_bytes(tmp_path, pack):
    (tmp_path / "a.txt").write_bytes(pack(b"some text"))
    assert list(reading.documents(tmp_path / "a.txt")) == [b"some text"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PAR1" + bytes(range(256)) * 4 + b"PAR1", "Parquet"),
        (b"PK\x03\x04" + bytes(50), "zip archive"),
        (b"%PDF-1.7\n...", "a PDF"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (("text " * 99).encode("utf-16-le"), "UTF-16 without its mark"),
        (b"\x80\x03\xff\x00\x10" * 5 + b"binary" * 5, "binary"),
    ],
)
def test_what_is_no_text_is_named(tmp_path, content, said):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(FreevocabError, match=said) as caught:
        list(reading.documents(tmp_path / "a.txt"))
    assert str(tmp_path / "a.txt") in str(caught.value)


def test_a_nul_in_a_text_is_text(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"a long line with one \x00 in it")
    assert list(reading.documents(tmp_path / "a.txt")) == [b"a long line with one \x00 in it"]


def test_lines_may_hold_their_text_under_another_name(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"content": "x", "id": 1}\n')
    assert list(reading.documents(path, field="content")) == [b"x"]
    with pytest.raises(FreevocabError, match='no "text" field .*; it has content: name one with'):
        list(reading.documents(path))
