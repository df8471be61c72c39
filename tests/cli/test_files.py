"""compress, decompress and inspect from the command line; the format itself is tested elsewhere."""

import pytest

from tests.one_line import is_one_line


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(b"the cat sat on the mat, \xff\x00 and again: the cat sat on the mat\n" * 9)
    return path


@pytest.mark.parametrize("codec", ["bytes", "gzip"])
def test_there_and_back(text, tmp_path, freevocab, codec):
    small, back = tmp_path / "small.fv", tmp_path / "back.txt"
    code, out, err = freevocab("compress", text, small, "--codec", codec, "--block-bytes", 100)
    assert (code, err) == (0, "") and f"ids of {codec}" in out
    code, out, _ = freevocab("inspect", small)
    assert code == 0 and "6 blocks of at most 100" in out
    assert freevocab("decompress", small, back)[0] == 0
    assert back.read_bytes() == text.read_bytes()


def test_failures_are_one_line_and_leave_no_file(text, tmp_path, freevocab):
    small, target = tmp_path / "small.fv", tmp_path / "target"
    assert freevocab("compress", text, small, "--codec", "gzip")[0] == 0
    cut = tmp_path / "cut.fv"
    cut.write_bytes(small.read_bytes()[:-3])
    for argv, expected in (
        (["decompress", cut, target], 1),
        (["decompress", text, target], 1),
        (["inspect", cut], 1),
        (["compress", tmp_path / "absent", target], 2),
        (["compress", text, target, "--codec", "no-such-codec"], 2),
        (["compress", text, target, "--codec", "gzip", "--block-bytes", 0], 2),
    ):
        code, out, err = freevocab(*argv)
        assert (code, out) == (expected, ""), argv
        assert is_one_line(err)
        assert not target.exists()
