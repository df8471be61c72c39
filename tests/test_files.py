"""What can be written is known before the work, and what was half-written goes."""

import os
import signal
import subprocess
import sys

import pytest

from research import files
from research.errors import FreevocabError, UsageError
from tests.test_folders import failing, is_whole, write

HALF = """
import os, sys
from research import files
with files.atomic_path(sys.argv[1], directory=sys.argv[2] == "True") as temporary:
    print("begun", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("directory", [True, False])
def test_what_a_killed_run_half_wrote_goes_with_the_next(directory, tmp_path):
    def begin():
        command = [sys.executable, "-c", HALF, str(tmp_path / "out"), str(directory)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"begun\n"
        return process

    def end(process, *, by):
        with process:
            process.send_signal(by)
            process.wait(timeout=60)

    def half():
        return [name for name in os.listdir(tmp_path) if name.startswith(".out.freevocab-")]

    dead, alive = begin(), begin()
    assert len(half()) == 2
    end(dead, by=signal.SIGKILL)
    (tmp_path / ".out.20261130").write_text("a user's")  # as is what has a name like it
    write(tmp_path / "out", "new") if directory else files.write_text(tmp_path / "out", "new")
    assert len(half()) == 1  # the other run is still at it
    end(alive, by=signal.SIGKILL)
    files.check_out(tmp_path / "out") if directory else files.write_text(tmp_path / "out", "new")
    assert sorted(os.listdir(tmp_path)) == [".out.20261130", "out"]


def test_the_target_of_a_link_is_replaced(tmp_path):
    write(tmp_path / "disk" / "real", "old")
    (tmp_path / "out").symlink_to(tmp_path / "disk" / "real")
    files.check_out(tmp_path / "out")
    write(tmp_path / "out", "new")
    assert (tmp_path / "out").is_symlink() and is_whole(tmp_path / "disk" / "real", "new")
    (tmp_path / "file").symlink_to("disk/text")  # of what is not there yet
    for text in ("one", "two"):
        files.write_text(tmp_path / "file", text)
        assert (tmp_path / "file").is_symlink() and (tmp_path / "disk/text").read_text() == text
    assert sorted(os.listdir(tmp_path / "disk")) == ["real", "text"]
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UsageError, match="loop is a file"):
        files.check_out(tmp_path / "loop")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.tex").write_text("years of work")
    (tmp_path / "other").symlink_to("notes")
    with pytest.raises(UsageError, match="other holds thesis.tex"):
        write(tmp_path / "other", "new")


def test_checking_changes_nothing_and_finds_what_cannot_be_written(tmp_path, monkeypatch):
    out = tmp_path / "out"
    files.check_out(out)
    files.check_out(tmp_path / "a" / "b" / "c")
    assert not os.listdir(tmp_path)
    write(out, "old")
    files.check_out(out)
    assert is_whole(out, "old") and os.listdir(tmp_path) == ["out"]
    with pytest.raises(FreevocabError, match="File name too long"):
        files.check_out(tmp_path / ("x" * 250))
    (tmp_path / "file").write_text("")
    for name in ("file", "file/out"):
        with pytest.raises(UsageError, match="file is a file"):
            files.check_out(tmp_path / name)

    def read_only(**options):
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(files.tempfile, "mkdtemp", read_only)
        with pytest.raises(FreevocabError, match=r"out cannot be written \(Read-only file system"):
            files.check_out(out)
    # Looking renames nothing: a reader of the folder never misses it.
    with failing("rename", range(1, 9), OSError(16, "Device or resource busy"), monkeypatch):
        files.check_out(out)
    assert is_whole(out, "old") and sorted(os.listdir(tmp_path)) == ["file", "out"]


def test_inputs_in_the_folder_to_write_are_named(tmp_path):
    out = tmp_path / "out"
    write(out, "old")
    (tmp_path / "link").symlink_to(out / "codec")
    (tmp_path / "outer").mkdir()
    for flag, path in (
        ("--model", out),
        ("--workdir", out / "work" / "deep"),  # not there yet
        ("--corpus", out / "config.json"),
        ("--codec", tmp_path / "link"),
        ("--text", tmp_path / "outer" / ".." / "out" / "config.json"),
    ):
        with pytest.raises(UsageError, match=f"would replace {flag} "):
            files.check_out(out, [("--other", None), (flag, path)])
    apart = [("--model", tmp_path / "outer"), ("--workdir", tmp_path / "out.work"), ("--text", "")]
    files.check_out(out, apart)
    files.check_out(tmp_path / "outer" / "out", apart)


def test_a_file_does_not_take_the_place_of_anything_else(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, said in (("folder", "is a folder"), ("pipe", "no regular file"), ("", "is a folder")):
        with pytest.raises(UsageError, match=said):
            files.write_text(tmp_path / name, "text")
    assert (tmp_path / "folder").is_dir() and (tmp_path / "pipe").is_fifo()
    assert sorted(os.listdir(tmp_path)) == ["folder", "pipe"]


def test_what_cannot_be_read_is_named(tmp_path):
    missing = tmp_path / "missing"
    with pytest.raises(FreevocabError, match=f"^cannot read {missing}: No such file or directory$"):
        with files.reading(missing):
            missing.read_bytes()


def test_links_out_of_a_folder_are_refused_and_those_of_a_download_cache_are_not(tmp_path):
    home = tmp_path / "models--x" / "snapshots" / "abc"
    home.mkdir(parents=True)
    blob = tmp_path / "models--x" / "blobs" / "1"
    blob.parent.mkdir()
    blob.write_text("terms")
    (tmp_path / "secret").write_text("key")
    (home / "LICENSE").symlink_to("../../blobs/1")
    (home / "NOTICE").symlink_to("LICENSE")
    files.check_inside(home, ["LICENSE", "NOTICE", "absent"])
    (home / "NOTICE").unlink()
    (home / "NOTICE").symlink_to(tmp_path / "secret")
    with pytest.raises(UsageError, match="NOTICE is a link out of its folder"):
        files.check_inside(home, ["LICENSE", "NOTICE"])
    (tmp_path / "through").symlink_to(home)  # the folder itself may be reached by a link
    files.check_inside(tmp_path / "through", ["LICENSE"])


def test_files_are_put_in_their_places_all_or_none(tmp_path):
    (tmp_path / "out" / "a").mkdir(parents=True)
    (tmp_path / "out" / "a" / "one").write_text("old")
    (tmp_path / "out" / "other").write_text("stays")

    def write(fail):
        with files.all_into(tmp_path / "out") as folder:
            files.write_text(folder / "a" / "one", "new")
            if fail:
                raise OSError("the disk is full")
            files.write_text(folder / "two", "new")

    def there():
        paths = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
        return {path.name: path.read_text() for path in paths}

    with pytest.raises(OSError):
        write(fail=True)
    assert there() == {"one": "old", "other": "stays"}
    write(fail=False)
    assert there() == {"one": "new", "two": "new", "other": "stays"}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a", "other", "two"]
