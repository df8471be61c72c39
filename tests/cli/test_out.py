"""No command removes what stands at --out unless it is freevocab's own, and says so at once."""

import os

import jax
import pytest

from research import codecs
from research.codecs import lm_folder
from research.codecs.subword import BPECodec
from research.files import atomic_path
from research.models import language_model, pretrained, sizes
from research.models.language_model import LanguageModelConfig
from research.testing.tiny import TinyCodec, tiny_model
from research.testing.tokenizers import english
from tests.one_line import is_one_line

CORPUS = ("--corpus", "synthetic:20000")
TEXT = ("--text", "synthetic:20000")
# What stands for FOLDER is the fixture's; the second is a file of every folder that it writes.
COMMANDS = {
    "m1": (("train", "m1", *CORPUS), "model.json"),
    "m2": (("train", "m2", *CORPUS, "--codec", "bytes"), "model.json"),
    "lexinvariant": (("train", "lexinvariant", *CORPUS), "model.json"),
    "hypernetwork": (
        ("train", "hypernetwork", "--model", "FOLDER/bytes", *TEXT),
        "hypernetwork.json",
    ),
    "quantize": (
        ("quantize", "--model", "FOLDER/bytes", "--valid-bytes", "0"),
        "codec.json",
    ),
    "export": (("export", "--model", "FOLDER/llama"), "config.json"),
    "transfer": (
        ("transfer", "--model", "FOLDER/bytes", "--tokenizer", "FOLDER/codec"),
        "freevocab_transfer.json",
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """bytes: a tiny model of bytes; llama: one that can be exported; codec: another codec."""
    folder = tmp_path_factory.mktemp("models")
    params, config = tiny_model(vocab_size=258)
    lm_folder.save(folder / "bytes", params, config, codecs.load("bytes"), {"length": 64})
    codec = BPECodec.train(english(), 300)
    config = LanguageModelConfig(sizes.size("llama-tiny"), codec.vocab_size + 2)
    params = jax.jit(language_model.init, static_argnums=1)(jax.random.key(0), config)
    lm_folder.save(folder / "llama", params, config, codec)
    TinyCodec().save(folder / "codec")
    return folder


@pytest.fixture(params=COMMANDS)
def command(request, folder):
    """(arguments without --out, a file of what the command writes)."""
    arguments, mark = COMMANDS[request.param]
    return [word.replace("FOLDER", str(folder)) for word in arguments], mark


@pytest.fixture
def refused(freevocab, tmp_path):
    """Calls a command that must refuse by one line, before any work; returns the line."""

    def call(*argv, code=2):
        before = everything(tmp_path)
        said = freevocab(*argv)
        assert said[0] == code and not said[1]
        assert is_one_line(said[2])
        assert everything(tmp_path) == before
        return said[2]

    return call


def everything(folder):
    """Names and contents of all below a folder."""
    return {
        path.relative_to(folder): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def earlier(out, mark):
    """Something like what the command that writes `mark` has written to `out` before."""
    with atomic_path(out, directory=True) as temporary:
        (temporary / mark).write_text("{}")


def test_the_name_of_a_file_makes_no_folder_ours(command, tmp_path, refused):
    arguments, mark = command
    proj = tmp_path / "proj"
    proj.mkdir()
    (proj / mark).write_text("{}")
    (proj / "thesis.tex").write_text("years of work")
    said = refused(*arguments, "--out", proj)
    assert f"holds {mark}, and no .freevocab.json says that freevocab wrote it" in said
    (proj / "thesis.tex").unlink()
    assert f"holds {mark}, and no" in refused(*arguments, "--out", proj)


def test_notes_among_what_a_command_wrote_stay(command, tmp_path, refused):
    arguments, mark = command
    earlier(tmp_path / "out", mark)
    (tmp_path / "out" / "notes.txt").write_text("mine")
    said = refused(*arguments, "--out", tmp_path / "out")
    assert "out holds notes.txt, which freevocab did not write" in said


def test_the_current_folder_is_refused(command, tmp_path, refused, monkeypatch):
    arguments, mark = command
    (tmp_path / "r").mkdir()
    earlier(tmp_path / "out", mark)
    for name in ("r", "out"):
        monkeypatch.chdir(tmp_path / name)
        for out in (".", "..", tmp_path / name):
            assert "the current folder" in refused(*arguments, "--out", out)


def test_a_mount_point_is_refused(command, tmp_path, refused, monkeypatch):
    arguments, mark = command
    out = tmp_path / "out"
    earlier(out, mark)
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path) == str(out))
    assert "is a mount point" in refused(*arguments, "--out", out)


def test_what_cannot_be_written_is_refused_before_the_work(command, tmp_path, refused):
    arguments, _ = command
    long = tmp_path / ("x" * 250)
    assert "cannot be written (File name too long)" in refused(*arguments, "--out", long, code=1)
    (tmp_path / "file").write_text("")
    assert "is a file" in refused(*arguments, "--out", tmp_path / "file" / "out")


@pytest.mark.parametrize("name", ["m1", "m2", "lexinvariant", "hypernetwork"])
def test_a_training_does_not_write_over_what_it_works_with(name, folder, tmp_path, refused):
    arguments, mark = COMMANDS[name]
    arguments = [word.replace("FOLDER", str(folder)) for word in arguments]
    out = tmp_path / "out"
    for workdir in (out, out / "work"):
        said = refused(*arguments, "--out", out, "--workdir", workdir)
        assert f"would replace --workdir {workdir}" in said
    earlier(out, mark)
    (tmp_path / "link").symlink_to(out / "work")
    assert "--workdir" in refused(*arguments, "--out", out, "--workdir", tmp_path / "link")
    # A text that is one of our files, so that nothing else would keep it from being replaced.
    flag = "--text" if name == "hypernetwork" else "--corpus"
    given = [*arguments, flag, f"text:{out / mark}"]
    assert f"would replace {flag} {out / mark}" in refused(*given, "--out", out)
    named = tmp_path / os.fsdecode(b"r\xff")
    assert "no UTF-8: choose another --out" in refused(*arguments, "--out", named)


def test_the_workdir_of_a_folder_with_a_slash_is_beside_it(folder, tmp_path, freevocab):
    arguments = ("--codec", folder / "nowhere", *CORPUS, "--out", f"{tmp_path / 'out'}/")
    assert "no codec" in freevocab("train", "m2", *arguments)[2]  # and nothing about --out


@pytest.mark.parametrize(
    ("name", "more"),
    [("m2", "--codec"), ("m2", "--init-from"), ("m2", "--checkpoint"), ("m1", "--codec"),
     ("hypernetwork", "--model"), ("hypernetwork", "--init-from"), ("hypernetwork", "--tokenizer"),
     ("export", "--model"), ("transfer", "--tokenizer"), ("transfer", "--eval-text")],
)  # fmt: skip
def test_inputs_in_out_are_named(name, more, folder, tmp_path, refused):
    arguments, mark = COMMANDS[name]
    words = [word.replace("FOLDER", str(folder)) for word in arguments]
    out = tmp_path / "out"
    earlier(out, mark)
    if more in words:
        del words[words.index(more) : words.index(more) + 2]
    path = out / mark if more == "--eval-text" else out
    said = refused(*words, more, path, "--out", tmp_path / "out" / ".." / "out")
    assert f"would replace {more} {path}" in said


def test_a_link_is_followed_and_our_own_folder_replaced(folder, tmp_path, freevocab):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk" / "checkpoint")
    for context in (32, 64):
        words = ("--out", tmp_path / "out", "--context", context)
        code, _, err = freevocab("export", "--model", folder / "llama", *words)
        assert (code, err) == (0, "")
        assert pretrained.load(tmp_path / "out").context == context
        assert (tmp_path / "out").is_symlink() and os.listdir(tmp_path / "disk") == ["checkpoint"]


def test_another_commands_folder_is_not_replaced(folder, tmp_path, refused):
    lm_folder.save(tmp_path / "m2", *tiny_model(vocab_size=258), codecs.load("bytes"))
    said = refused("export", "--model", folder / "llama", "--out", tmp_path / "m2")
    assert "something else that freevocab wrote (it has no config.json)" in said
