import os
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import pytest

from research.codecs import container
from research.errors import UsageError

ROOT = Path(__file__).resolve().parent.parent.parent
TEXT = b"the cat and the dog, thinking in the rain. \xff\xfe\0\n" * 5


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def plain(tmp_path):
    path = tmp_path / "plain"
    path.write_bytes(TEXT)
    return path


@pytest.fixture
def packed(tmp_path_factory):
    """The bytes of TEXT compressed."""
    folder = tmp_path_factory.mktemp("packed")
    (folder / "plain").write_bytes(TEXT)
    container.compress(folder / "plain", folder / "small", "bytes")
    return (folder / "small").read_bytes()


@pytest.mark.parametrize("to", ["small", "-"])
@pytest.mark.parametrize("size", [200, 200_000])
def test_a_full_disk_is_one_line_and_leaves_nothing(to, size, tmp_path):
    """The system's limit on a file's size stands for the disk."""
    (tmp_path / "plain").write_bytes(bytes(size))
    program = (
        "import resource, sys\n"
        "from research.codecs import container\n"
        "from research.errors import FreevocabError\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size // 4}, {size // 4}))\n"
        "try:\n"
        f"    container.compress({str(tmp_path / 'plain')!r}, {to!r}, 'bytes')\n"
        "except FreevocabError as error:\n"
        "    print(error, file=sys.stderr)\n"
        "    sys.exit(1)\n"
    )
    with open(tmp_path / "stdout", "wb") as stdout:
        command = [sys.executable, "-c", program]
        done = subprocess.run(
            command, stdout=stdout, stderr=subprocess.PIPE, text=True, cwd=tmp_path, timeout=60,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""},
        )  # fmt: skip
    target = "standard output" if to == "-" else "small"
    assert done.stderr == f"cannot write {target}: File too large\n"
    assert done.returncode == 1
    assert names_in(tmp_path) == ["plain", "stdout"]


def test_real_pipes(tmp_path):
    program = (
        "import sys\n"
        "from research.codecs import container\n"
        "getattr(container, sys.argv[1])('-', '-', *sys.argv[2:])\n"
    )

    def run(*arguments, data):
        command = [sys.executable, "-c", program, *arguments]
        return subprocess.run(command, input=data, capture_output=True, cwd=ROOT, timeout=60).stdout

    text = TEXT * 10_000
    small = run("compress", "gzip", data=text)
    assert 0 < len(small) < len(text) / 10
    assert run("decompress", data=small) == text


def test_a_named_pipe_is_written_not_replaced(plain, packed, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    container.compress(plain, pipe, "bytes")
    reader.join(timeout=60)
    assert got == [packed]
    assert pipe.is_fifo()


def test_a_links_file_is_replaced_not_the_link(plain, packed, tmp_path):
    (tmp_path / "link").symlink_to("target")
    container.compress(plain, tmp_path / "link", "bytes")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == packed


def test_a_file_may_be_compressed_onto_itself(plain):
    container.compress(plain, plain, "bytes")
    container.decompress(plain, plain)
    assert plain.read_bytes() == TEXT


def test_wrong_paths_are_usage_errors(plain, tmp_path):
    for source, target, words in [
        (tmp_path / "absent", tmp_path / "small", "there is no file"),
        (tmp_path, tmp_path / "small", "is a directory"),
        (plain, tmp_path, "is a directory"),
        (plain, tmp_path / "absent" / "small", "there is no directory"),
    ]:
        with pytest.raises(UsageError, match=words):
            container.compress(source, target, "bytes")
    with pytest.raises(UsageError, match="no codec 'morse'"):
        container.compress(plain, tmp_path / "small", "morse")
    for size in (0, -1, 1 << 40):
        with pytest.raises(UsageError, match="a block holds"):
            container.compress(plain, tmp_path / "small", "bytes", block_bytes=size)
    assert names_in(tmp_path) == ["plain"]


def test_nothing_is_compressed_to_a_terminal(plain, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with pytest.raises(UsageError, match="not for a terminal"):
        container.compress(plain, "-", "bytes")


def test_memory_does_not_grow_with_the_file(tmp_path):
    size = 12_000_000
    with open(tmp_path / "plain", "wb") as stream:
        stream.truncate(size)
    tracemalloc.start()
    container.compress(tmp_path / "plain", tmp_path / "small", "bytes", block_bytes=1 << 16)
    container.decompress(tmp_path / "small", tmp_path / "back")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "back").stat().st_size == size
    assert peak < size / 2
