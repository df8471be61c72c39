import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research import codecs
from research.codecs import container
from research.codecs.basic import BytesCodec, GZipCodec
from research.codecs.container import format as fmt
from research.errors import FreevocabError, UsageError
from research.testing.tiny import TinyCodec

ROOT = Path(__file__).resolve().parent.parent.parent
TEXT = b"the cat and the dog, thinking in the rain. \xff\xfe\0\n" * 5
OURS = {
    "bytes": "bytes",
    "gzip": "gzip",
    "tiny": TinyCodec(),
    "13 bits": GZipCodec(13, header=False),
}


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def plain(tmp_path):
    path = tmp_path / "plain"
    path.write_bytes(TEXT)
    return path


def packed(text, codec="bytes", **options):
    """The bytes of a compressed file, made through pipes."""
    return through_pipes(container.compress, text, codec, **options)[0]


def through_pipes(function, data, *arguments, **options):
    """What `function("-", "-", ...)` writes, and the error it raises (or None)."""
    output, error = io.BytesIO(), None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
        flush, isatty = (lambda: None), (lambda: False)
        patch.setattr(sys, "stdout", SimpleNamespace(buffer=output, flush=flush, isatty=isatty))
        try:
            function("-", "-", *arguments, **options)
        except FreevocabError as caught:
            error = caught
    return output.getvalue(), error


def at_the_other_end(codec):
    return None if isinstance(codec, str) else codec


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 48, 200])
def test_files_and_pipes_come_back(name, size, tmp_path):
    codec, text = OURS[name], TEXT[:size]
    (tmp_path / "plain").write_bytes(text)
    done = container.compress(tmp_path / "plain", tmp_path / "small", codec, block_bytes=16)
    undone = container.decompress(tmp_path / "small", tmp_path / "back", at_the_other_end(codec))
    assert (tmp_path / "back").read_bytes() == text
    assert done == undone
    assert done.num_bytes == size
    assert done.num_blocks == -(-size // 16)
    assert done.file_bytes == (tmp_path / "small").stat().st_size
    assert packed(text, codec, block_bytes=16) == (tmp_path / "small").read_bytes()
    back, error = through_pipes(
        container.decompress, (tmp_path / "small").read_bytes(), at_the_other_end(codec)
    )
    assert (back, error) == (text, None)
    assert names_in(tmp_path) == ["back", "plain", "small"]


@pytest.mark.parametrize("name", [n for n in codecs.names() if codecs.load(n).lossless])
def test_every_shipped_codec_is_found_by_its_name(name, plain, tmp_path):
    container.compress(plain, tmp_path / "small", name)
    container.decompress(tmp_path / "small", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == TEXT


def test_a_shipped_codec_that_is_handed_over_open_is_known_by_its_name():
    assert packed(TEXT, codecs.load("gzip")) == packed(TEXT, "gzip")
    impostor = Lossy()
    impostor.name, impostor.lossless, impostor.fingerprint = "gzip", True, lambda: "other"
    _, error = through_pipes(container.decompress, packed(TEXT, impostor))
    assert "give its directory" in str(error)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(text=st.binary(max_size=200), size=st.integers(1, 50))
def test_any_bytes_in_any_blocks(text, size):
    for codec in OURS.values():
        small = packed(text, codec, block_bytes=size)
        assert through_pipes(container.decompress, small, at_the_other_end(codec))[0] == text


def damaged_files():
    """(what, bytes) of every truncation, and of a change of every byte, of a small file."""
    small = packed(TEXT[:40], block_bytes=16)
    for length in range(len(small)):
        yield f"cut to {length}", small[:length]
    for place in range(len(small)):
        for mask in (1 << place % 8, 0xFF):
            changed = bytearray(small)
            changed[place] ^= mask
            yield f"byte {place} ^ {mask}", bytes(changed)
    head = fmt.header_length(small[: fmt.FIXED_BYTES], "")
    size = fmt.HEAD_BYTES + 16
    first, second, rest = small[head:][:size], small[head + size :][:size], small[head + 2 * size :]
    header = small[:head]
    yield "two blocks exchanged", header + second + first + rest
    yield "a block twice", header + first + first + second + rest
    yield "a block missing", header + first + rest
    yield "no first block", header + second + rest
    yield "two files", small + small
    # Whole in itself and in its place: only the link to the block before tells.
    other = packed(TEXT[20:60], block_bytes=16)
    yield "another file's second block", header + first + other[head + size :][:size] + rest
    yield "one byte more", small + b"\0"


def test_no_change_of_a_file_goes_unseen(tmp_path):
    """Each gives one line and no file; on a pipe, at most whole right blocks before it."""
    source = tmp_path / "small"
    for what, content in damaged_files():
        source.write_bytes(content)
        with pytest.raises(FreevocabError) as caught:
            container.decompress(source, tmp_path / "back")
        assert "\n" not in str(caught.value) and str(source) in str(caught.value), what
        assert names_in(tmp_path) == ["small"], what
        out, error = through_pipes(container.decompress, content)
        assert error is not None, what
        assert TEXT[:40].startswith(out), what
        with pytest.raises(FreevocabError):
            container.inspect(source)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_no_change_of_a_packed_file_goes_unseen(data):
    codec = TinyCodec()
    small = bytearray(packed(TEXT[:90], codec, block_bytes=32))
    for _ in range(data.draw(st.integers(1, 3))):
        small[data.draw(st.integers(0, len(small) - 1))] = data.draw(st.integers(0, 255))
    out, error = through_pipes(container.decompress, bytes(small), codec)
    if bytes(small) == packed(TEXT[:90], codec, block_bytes=32):
        assert (out, error) == (TEXT[:90], None)
    else:
        assert error is not None and TEXT[:90].startswith(out)


def test_an_older_output_survives_a_failure(plain, tmp_path):
    small = packed(TEXT)
    (tmp_path / "small").write_bytes(small[:-3])
    (tmp_path / "back").write_text("older")
    with pytest.raises(FreevocabError, match="cut short"):
        container.decompress(tmp_path / "small", tmp_path / "back")
    assert (tmp_path / "back").read_text() == "older"
    assert names_in(tmp_path) == ["back", "plain", "small"]


def test_another_codec_than_the_one_used_is_refused(plain, tmp_path):
    TinyCodec().save(tmp_path / "codec")
    container.compress(plain, tmp_path / "small", tmp_path / "codec")
    with pytest.raises(UsageError, match="'tiny-264': give its directory with --codec"):
        container.decompress(tmp_path / "small", tmp_path / "back")
    for other in (TinyCodec([b"x "] * 8), "bytes"):
        with pytest.raises(FreevocabError, match="made with another codec"):
            container.decompress(tmp_path / "small", tmp_path / "back", other)
    assert not (tmp_path / "back").exists()
    container.decompress(tmp_path / "small", tmp_path / "back", tmp_path / "codec")
    assert (tmp_path / "back").read_bytes() == TEXT


def test_a_shipped_codec_that_this_version_lacks(tmp_path, plain, monkeypatch):
    container.compress(plain, tmp_path / "small", "gzip")
    monkeypatch.setattr(codecs, "names", lambda: ["bytes"])
    with pytest.raises(FreevocabError, match="'gzip', which this freevocab does not have"):
        container.decompress(tmp_path / "small", tmp_path / "back")


class Lossy(BytesCodec):
    name = "lossy"
    lossless = False


class Wrong(BytesCodec):
    """Says that it is lossless; letters lose their case."""

    name = "wrong"

    def encode(self, texts):
        return super().encode([text.lower() for text in texts])


class Forgetful(BytesCodec):
    """Decodes right once (when its work is verified), then wrongly."""

    name = "forgetful"

    def __init__(self):
        super().__init__()
        self.calls = 0

    def decode(self, ids):
        self.calls += 1
        return [text if self.calls == 1 else text[::-1] for text in super().decode(ids)]


def test_a_lossy_codec_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(UsageError, match="choose a lossless codec"):
        container.compress(tmp_path / "absent", tmp_path / "small", Lossy())


def test_a_codec_that_does_not_keep_its_word_is_found_out(tmp_path):
    (tmp_path / "plain").write_text("Letters")
    with pytest.raises(FreevocabError, match="does not give this text back"):
        container.compress(tmp_path / "plain", tmp_path / "small", Wrong())
    assert names_in(tmp_path) == ["plain"]
    codec = Forgetful()
    container.compress(tmp_path / "plain", tmp_path / "small", codec)
    with pytest.raises(FreevocabError, match="decodes to another text"):
        container.decompress(tmp_path / "small", tmp_path / "back", codec)
    assert names_in(tmp_path) == ["plain", "small"]


class Interrupted(BytesCodec):
    """Ctrl-C while the third group of blocks is being worked on."""

    name = "interrupted"
    block_bytes = container.GROUP

    def __init__(self, method):
        super().__init__()
        self.method, self.calls = method, 0

    def _count(self, method):
        self.calls += method == self.method
        if self.calls == 3:
            raise KeyboardInterrupt

    def encode(self, texts):
        self._count("encode")
        return super().encode(texts)

    def decode(self, ids):
        self._count("decode")
        return super().decode(ids)


def test_an_interruption_leaves_nothing(tmp_path):
    (tmp_path / "plain").write_bytes(bytes(4 * container.GROUP))
    with pytest.raises(KeyboardInterrupt):
        container.compress(tmp_path / "plain", tmp_path / "small", Interrupted("encode"))
    assert names_in(tmp_path) == ["plain"]
    container.compress(tmp_path / "plain", tmp_path / "small", Interrupted("never"))
    with pytest.raises(KeyboardInterrupt):
        container.decompress(tmp_path / "small", tmp_path / "back", Interrupted("decode"))
    assert names_in(tmp_path) == ["plain", "small"]


class Live(BytesCodec):
    """Has no table, as a codec that runs a model; remembers how many texts it was given."""

    name = "live"

    def __init__(self):
        super().__init__()
        self.batches = []

    def token_bytes(self):
        return None

    def encode(self, texts):
        self.batches.append([len(text) for text in texts])
        return super().encode(texts)


def test_a_codec_without_a_table_gets_many_short_blocks_at_once(tmp_path):
    codec = Live()
    (tmp_path / "plain").write_bytes(bytes(container.GROUP + 5))
    done = container.compress(tmp_path / "plain", tmp_path / "small", codec)
    count = container.GROUP // container.LIVE_BLOCK
    assert codec.batches == [[container.LIVE_BLOCK] * count, [5]]
    assert done.num_blocks == count + 1
    container.decompress(tmp_path / "small", tmp_path / "back", codec)
    assert (tmp_path / "back").stat().st_size == container.GROUP + 5
