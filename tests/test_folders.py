"""Folders are replaced whole or not at all, and nothing that is not ours is removed."""

import contextlib
import json
import os
import subprocess
import sys
import threading

import pytest

from research import files, folders
from research.errors import FreevocabError, UsageError

LIST = folders.MANIFEST


def write(path, text, mark=None, names=None):
    """A folder of two files, one of them in a folder."""
    with files.atomic_path(path, directory=True, mark=mark, names=names) as temporary:
        assert not list(temporary.iterdir())
        (temporary / "config.json").write_text(text)
        (temporary / "codec").mkdir()
        (temporary / "codec" / "codec.json").write_text(text * 2)


def content(path):
    """Relative names and bytes of all files below a folder, links as what they point to."""
    return {
        name.relative_to(path).as_posix(): os.readlink(name)
        if name.is_symlink()
        else name.read_bytes()
        for name in path.rglob("*")
        if name.is_symlink() or not name.is_dir()
    }


def is_whole(path, text):
    """Is it the folder that `write` makes, as its list says?"""
    found = content(path)
    listed = json.loads(found.pop(LIST))["files"]
    assert listed.keys() == found.keys()
    return found == {"config.json": text.encode(), "codec/codec.json": text.encode() * 2}


def test_a_folder_of_ours_is_replaced_and_nothing_else_is_left(tmp_path):
    out = tmp_path / "deep" / "out"
    for text in ("old", "new", "new again"):
        write(out, text)
        assert is_whole(out, text)
        assert os.listdir(out.parent) == ["out"]
    (out / "config.json").unlink()  # what is missing can no longer be lost
    write(out, "and again")
    assert is_whole(out, "and again")
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty", "first")
    assert is_whole(tmp_path / "empty", "first")


def changed(path, text):
    path.write_text(text)


FOREIGN = {
    "config.json": lambda out: changed(out / "config.json", "alt"),  # as long as before
    "codec/codec.json": lambda out: changed(out / "codec" / "codec.json", "longer than before"),
    "codec/thesis.tex": lambda out: changed(out / "codec" / "thesis.tex", "years of work"),
    "thesis.tex": lambda out: changed(out / "thesis.tex", "years of work"),
    "empty/": lambda out: (out / "empty").mkdir(),
    "link": lambda out: (out / "link").symlink_to("config.json"),
    "folder": lambda out: (out / "folder").symlink_to("codec"),
    "a pipe": lambda out: os.mkfifo(out / "a pipe"),
    "config.json ": lambda out: (
        (out / "config.json").rename(out.parent / "kept"),
        (out / "config.json").symlink_to(out.parent / "kept"),
    ),
    "codec/": lambda out: (out / LIST).unlink(),
    "codec/ ": lambda out: changed(out / LIST, "{"),
    "codec/  ": lambda out: changed(out / LIST, '{"format": "freevocab-folder", "version": 2}'),
    "codec/   ": lambda out: changed(out / LIST, "[]"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_not_as_we_wrote_it_is_named_and_stays(name, tmp_path):
    out = tmp_path / "out"
    write(out, "old")
    FOREIGN[name](out)
    before = sorted(os.listdir(tmp_path)), sorted(os.walk(out))
    for attempt in (lambda: write(out, "new"), lambda: files.check_out(out)):
        with pytest.raises(UsageError, match=f"out holds {name.strip()}, .*choose another folder"):
            attempt()
        assert (sorted(os.listdir(tmp_path)), sorted(os.walk(out))) == before


def test_a_list_that_names_files_elsewhere_removes_none(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    out = tmp_path / "out"
    write(out, "old")
    listed = json.loads((out / LIST).read_text())
    facts = {"bytes": 13, "sha256": folders.digest(tmp_path / "thesis.tex")}
    listed["files"] |= {"../thesis.tex": facts, str(tmp_path / "thesis.tex"): facts}
    (out / LIST).write_text(json.dumps(listed))
    write(out, "new")
    assert is_whole(out, "new") and (tmp_path / "thesis.tex").read_text() == "years of work"


def test_another_kind_of_folder_is_not_replaced(tmp_path):
    write(tmp_path / "out", "a model")
    for attempt in (files.check_out, lambda path, mark: write(path, "new", mark)):
        with pytest.raises(UsageError, match="something else .* no hypernetwork.json"):
            attempt(tmp_path / "out", mark="hypernetwork.json")
    write(tmp_path / "out", "another", mark="config.json")
    assert is_whole(tmp_path / "out", "another")


def test_files_known_by_name_may_be_damaged(tmp_path):
    names = ("config.json", "codec/codec.json")
    write(tmp_path / "store", "old", names=names)
    changed(tmp_path / "store" / "config.json", "damaged")
    write(tmp_path / "store", "new", names=names)
    assert len(content(tmp_path / "store")) == 2  # and no list
    changed(tmp_path / "store" / "thesis.tex", "years of work")
    with pytest.raises(UsageError, match="holds thesis.tex"):
        write(tmp_path / "store", "newer", names=names)


def test_what_comes_while_the_new_folder_is_made_stops_it_and_the_new_one_is_kept(tmp_path):
    out = tmp_path / "out"
    for number, kept in enumerate(("out.new", "out.new2")):
        text = f"new {number}"
        if not out.exists():
            write(out, "old")
        with pytest.raises(FreevocabError, match=f"holds notes.txt, .* is in .*/{kept}$"):
            with files.atomic_path(out, directory=True) as temporary:
                (temporary / "config.json").write_text(text)
                (out / "notes.txt").write_text("mine")
        assert (tmp_path / kept / "config.json").read_text() == text
        assert (out / "notes.txt").read_text() == "mine"
        (out / "notes.txt").unlink()
        assert is_whole(out, "old")
    assert sorted(os.listdir(tmp_path)) == ["out", "out.new", "out.new2"]


@pytest.mark.parametrize("error", [OSError(16, "Device or resource busy"), KeyboardInterrupt()])
@pytest.mark.parametrize("step", [1, 2])
def test_a_rename_that_fails_leaves_the_old_folder(step, error, tmp_path, monkeypatch):
    write(tmp_path / "out", "old")
    with failing("rename", step, error, monkeypatch):
        with pytest.raises((FreevocabError, KeyboardInterrupt)) as caught:
            write(tmp_path / "out", "new")
    assert is_whole(tmp_path / "out", "old")
    left = {"out"}
    if isinstance(error, OSError):
        assert "busy" in str(caught.value) and str(caught.value).endswith("out.new")
        assert is_whole(tmp_path / "out.new", "new")
        left.add("out.new")
    assert set(os.listdir(tmp_path)) == left


def test_an_old_folder_that_cannot_be_put_back_comes_back_the_next_time(tmp_path, monkeypatch):
    out, aside = tmp_path / "out", tmp_path / ".out.freevocab-old"
    write(out, "old")
    with failing("rename", range(2, 9), OSError(5, "Input/output error"), monkeypatch):
        with pytest.raises(OSError):
            write(out, "new")
    assert os.listdir(tmp_path) == [aside.name] and is_whole(aside, "old")
    # As long as it cannot be renamed back, the only copy stays, and is named.
    for use in (files.check_out, lambda path: write(path, "new")):
        with failing("rename", range(1, 9), OSError(13, "Permission denied"), monkeypatch):
            with pytest.raises(FreevocabError, match=rf"{aside.name} .* rename it yourself"):
                use(out)
        assert is_whole(aside, "old")
    files.check_out(out)
    assert is_whole(out, "old") and os.listdir(tmp_path) == ["out"]


@contextlib.contextmanager
def failing(name, steps, error, monkeypatch):
    """Makes the calls of os.NAME with these numbers, from 1 on, raise."""
    steps = [steps] if isinstance(steps, int) else steps
    real, calls = getattr(os, name), []

    def call(*arguments, **options):
        calls.append(arguments)
        if len(calls) in steps:
            raise error
        return real(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, name, call)
        yield


KILLED = """
import os, sys
from research import files, folders

out, name, step, early = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "early"
real, calls = getattr(os, name), []

def call(*arguments, **options):
    calls.append(arguments)
    if len(calls) == step and early:
        os._exit(9)
    real(*arguments, **options)
    if len(calls) == step:
        os._exit(9)

with files.atomic_path(out, directory=True) as temporary:
    (temporary / "config.json").write_text("new")
    (temporary / "codec").mkdir()
    (temporary / "codec" / "codec.json").write_text("newnew")
    folders.write_manifest(temporary)
    folders.write_manifest = lambda folder: None
    setattr(os, name, call)
"""


def killed(path, *arguments):
    command = [sys.executable, "-c", KILLED, str(path), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 9, done.stderr


@pytest.mark.parametrize(
    ("name", "step", "when", "stands"),
    [
        ("rename", 1, "early", "old"),
        ("rename", 1, "late", None),
        ("rename", 2, "early", None),
        ("rename", 2, "late", "new"),
        ("unlink", 1, "late", "new"),
        ("unlink", 2, "late", "new"),
        ("rmdir", 1, "late", "new"),
        ("unlink", 3, "late", "new"),
        ("rmdir", 2, "early", "new"),
    ],
)
def test_a_killed_run_leaves_the_old_folder_or_the_new_one(name, step, when, stands, tmp_path):
    out, aside = tmp_path / "out", tmp_path / ".out.freevocab-old"
    write(out, "old")
    killed(out, name, step, when)
    if stands is None:  # between the two renames
        assert not out.exists() and is_whole(aside, "old")
    else:
        assert is_whole(out, stands)
    # The next run finds its way before it does anything, and removes what is left.
    files.check_out(out)
    assert is_whole(out, stands or "old") and os.listdir(tmp_path) == ["out"]
    write(out, "newer")
    assert is_whole(out, "newer") and os.listdir(tmp_path) == ["out"]


def test_what_a_user_put_into_an_abandoned_old_folder_is_not_removed(tmp_path):
    out, aside = tmp_path / "out", tmp_path / ".out.freevocab-old"
    write(out, "old")
    killed(out, "rename", 2, "late")
    (aside / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="freevocab-old, .* holds thesis.tex, .*: move it away"):
        write(out, "newer")
    assert is_whole(out, "new") and (aside / "thesis.tex").read_text() == "years of work"


def test_many_at_once_leave_one_whole_folder(tmp_path):
    out, errors = tmp_path / "out", []

    def work(number):
        try:
            for turn in range(8):
                write(out, f"{number} {turn}")
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    files.check_out(out)
    assert os.listdir(tmp_path) == ["out"]
    assert is_whole(out, (out / "config.json").read_text())


@pytest.mark.parametrize("filled", [True, False])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        (".", "is the current folder"),
        ("..", "holds the current folder"),
        ("../here/", "is the current folder"),
        ("/", "folder, which cannot be replaced"),
        ("link", "is the current folder"),
    ],
)
def test_the_current_folder_is_refused(name, said, filled, tmp_path, monkeypatch):
    here = tmp_path / "here"
    write(here, "old") if filled else here.mkdir()
    (tmp_path / "link").symlink_to(here)
    monkeypatch.chdir(here)
    name = name if name != "link" else str(tmp_path / "link")
    for attempt in (files.check_out, lambda path: write(path, "new")):
        with pytest.raises(UsageError, match=said):
            attempt(name)
    assert not filled or is_whole(here, "old")
    assert sorted(os.listdir(tmp_path)) == ["here", "link"]


def test_home_a_mount_point_and_no_name_are_refused(tmp_path, monkeypatch):
    out = tmp_path / "out"
    write(out, "old")
    for attempt in (files.check_out, lambda path: write(path, "new")):
        for home, said in ((out, "is the home folder"), (out / "me", "holds the home folder")):
            with monkeypatch.context() as patch:
                patch.setenv("HOME", str(home))
                with pytest.raises(UsageError, match=said):
                    attempt(out)
        with monkeypatch.context() as patch:
            patch.setattr(os.path, "ismount", lambda path: str(path) == str(out))
            with pytest.raises(UsageError, match="out is a mount point"):
                attempt(out)
        with pytest.raises(UsageError, match="needs a name"):
            attempt("")
    assert is_whole(out, "old")
