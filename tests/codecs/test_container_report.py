from research.codecs import container
from research.testing.tiny import TinyCodec

TEXT = b"the cat and the dog, thinking in the rain. \xff\xfe\0\n" * 5


def test_inspect_tells_sizes_and_shows_the_first_strings(tmp_path):
    (tmp_path / "plain").write_bytes(TEXT)
    codec = TinyCodec()
    done = container.compress(tmp_path / "plain", tmp_path / "small", codec, block_bytes=100)
    found = container.inspect(tmp_path / "small", codec, count=8)
    assert found.summary == done
    assert found.strings == [b"the ", b"c", b"a", b"t", b" ", b"and ", b"the ", b"d"]
    report = str(found)
    assert "the_|c|a|t|_|and_|the_|d" in report
    assert f"{len(TEXT):,} bytes in {-(-len(TEXT) // 100)} blocks of at most 100" in report
    assert "264 ids, 9 bits each" in report
    assert f"{8 * done.file_bytes / len(TEXT):.3f}" in report
    assert container.inspect(tmp_path / "small").strings is None


def test_inspect_shows_windows_as_one_and_escapes_what_does_not_print(tmp_path):
    (tmp_path / "plain").write_bytes(b"a b\n\xff\x1b[31m" + b"x" * 100)
    container.compress(tmp_path / "plain", tmp_path / "small", "gzip")
    report = str(container.inspect(tmp_path / "small"))
    assert r"a_b\n\xff\x1b[31mxxx" in report
    assert report.splitlines()[-1].endswith("x...")
    (tmp_path / "plain").write_bytes(b"")
    container.compress(tmp_path / "plain", tmp_path / "small", "gzip")
    assert "0 bytes in 0 blocks" in str(container.inspect(tmp_path / "small"))
