"""Exit codes, one-line errors, help, and what is imported for it."""

import contextlib
import dataclasses
import signal
import subprocess
import sys

import pytest

from research import __version__, cli
from research.cli import arguments
from research.cli.train import TrainLexinvariant, TrainM2
from research.cli.train_m1 import TrainM1
from research.errors import FreevocabError, UsageError
from tests.one_line import is_one_line

HEAVY = (
    "jax numba tokenizers sentencepiece tensorflow tensorflow_datasets orbax flax matplotlib"
    " scipy torch transformers"
).split()


def python(*arguments, **options):
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


@pytest.mark.parametrize(
    "statement",
    [
        "import research",
        "import research.codecs",
        "import research.cli, research.cli.catalog as c; c.select(None)",
        "import research.cli as c; assert c.call(['--help']) == 0",
        "import research.cli as c; assert c.call(['reproduce', '--help']) == 0",
        "import research.cli as c; assert c.call(['generate', '--help']) == 0",
        "import research.cli as c; assert c.call(['train', 'm2', '--help']) == 0",
        "import configs, pkgutil, importlib\n"
        "for m in pkgutil.walk_packages(configs.__path__, 'configs.'):\n"
        "    importlib.import_module(m.name)",
    ],
)
def test_heavy_packages_are_imported_late(statement):
    report = f"import sys; print(sorted(set({HEAVY}) & set(sys.modules)), file=sys.stderr)"
    done = python("-c", f"{statement}\n{report}")
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("command", list(cli.COMMANDS))
def test_every_command_has_help_worth_reading(freevocab, command):
    code, out, err = freevocab(*command.split(), "--help")
    assert code == 0 and not err
    assert f"usage: freevocab {command}" in out
    assert cli.COMMANDS[command].help in freevocab("--help")[1]
    undocumented = [
        line for line in out.splitlines() if line.strip(" │").endswith("(required)") and
        len(line.strip(" │").split()) <= 3 and line.strip(" │").startswith("-")
    ]
    assert not undocumented


def test_the_overview_and_the_version(freevocab):
    code, out, err = freevocab("--help")
    assert code == 0 and not err and "usage: freevocab COMMAND" in out
    assert freevocab("train", "--help")[1].startswith("usage: freevocab train")
    assert freevocab("--version") == (0, f"freevocab {__version__}\n", "")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ("", "a command is missing"),
        ("reprodcue", "did you mean reproduce"),
        ("train", "m1, m2"),
        ("train m3", "did you mean m"),
        ("reproduce --scael cpu", "perhaps you meant --scale"),
        ("reproduce --scale huge", "'cpu', 'hours', 'gpu', 'paper'"),
        ("reproduce --scale", "--scale"),
        ("reproduce one two", "two"),
        ("compress", "INPUT OUTPUT"),
        ("report --readme no/such/file.md", "no/such/file.md"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(freevocab, argv, words):
    code, out, err = freevocab(*argv.split())
    assert code == 2 and not out
    assert is_one_line(err)
    assert words in err


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (FreevocabError("it failed"), 1, "it failed"),
        (UsageError("no such thing"), 2, "no such thing"),
        (FileNotFoundError(2, "No such file or directory", "a.txt"), 1, "a.txt: No such file"),
        (MemoryError(), 1, "out of memory"),
        (RuntimeError("RESOURCE_EXHAUSTED: 9 bytes"), 1, "out of memory: use a smaller batch"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (ValueError("first\nsecond"), 1, "ValueError: first (FREEVOCAB_TRACEBACK=1"),
        (ZeroDivisionError(), 1, "ZeroDivisionError: no message"),
    ],
)
def test_errors_are_one_line(freevocab, monkeypatch, error, code, line):
    def fail(argv):
        raise error

    monkeypatch.setattr(cli, "dispatch", fail)
    returned, out, err = freevocab("list")
    assert returned == code and not out
    assert err.startswith(f"freevocab: {line}") and err.count("\n") == 1
    monkeypatch.setenv("FREEVOCAB_TRACEBACK", "1")
    assert "Traceback" in freevocab("list")[2]


@pytest.mark.parametrize("stream", ["stdin", "stdout"])
def test_a_closed_stream_is_one_line(freevocab, monkeypatch, stream):
    monkeypatch.setattr(cli.sys, stream, None)
    assert cli.call(["list"]) == 2


@contextlib.contextmanager
def running(work, first=b"started\n"):
    """A command that does `work`, a source text with a function `work`, once it has begun."""
    program = f"import research.cli as c\nimport time\n{work}\nc.dispatch = work\nc.main(['list'])"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == first
        yield process


def test_a_reader_that_goes_away_is_no_error():
    work = "def work(argv):\n    [print('x' * 99) for _ in range(99_999)]"
    with running(work, b"x" * 99 + b"\n") as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 128 + signal.SIGPIPE


def test_interrupting_is_one_line_and_exit_130():
    work = "def work(argv):\n    print('started', flush=True)\n    time.sleep(60)"
    with running(work) as process:
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == b"freevocab: interrupted\n"
        assert process.wait(timeout=60) == 130


def test_being_terminated_leaves_nothing_half_written(tmp_path):
    work = (
        "import research.files as f\n"
        "def work(argv):\n"
        f"    with f.atomic_path({str(tmp_path / 'file')!r}):\n"
        "        print('started', flush=True)\n"
        "        time.sleep(60)"
    )
    with running(work) as process:
        assert len(list(tmp_path.iterdir())) == 1
        process.terminate()
        assert process.stderr.read() == b"freevocab: terminated\n"
        assert process.wait(timeout=60) == 128 + signal.SIGTERM
    assert not list(tmp_path.iterdir())


def test_interrupting_a_compilation_is_no_crash():
    work = (
        "import threading\n"
        "import jax, jax.numpy as jnp\n"
        "def loops(x):\n"
        "    for _ in range(300):\n"
        "        x = jnp.sin(x @ x) + x\n"
        "    return x\n"
        "def work(argv):\n"
        "    compiled = jax.jit(loops).lower(jnp.ones((8, 8)))\n"
        "    threading.Thread(target=compiled.compile, daemon=True).start()\n"
        "    print('started', flush=True)\n"
        "    time.sleep(60)"
    )
    with running(work) as process:
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == b"freevocab: interrupted\n"
        assert process.wait(timeout=60) == 130


def test_the_module_runs_as_a_program():
    assert python("-m", "research.cli", "--version").stdout == f"freevocab {__version__}\n"


@pytest.mark.parametrize("kind", [TrainM1, TrainM2, TrainLexinvariant])
def test_a_preset_changes_defaults_and_gives_way_to_what_is_given(kind):
    plain = arguments.parse(kind, "x", [])
    laptop = arguments.parse(kind, "x", ["--preset", "laptop", "--steps", "7"])
    assert plain == kind() and plain.optimizer.name == "adafactor"
    assert (laptop.size, laptop.optimizer.name, laptop.steps) == ("small", "muon", 7)
    preset = dataclasses.asdict(kind(**kind.PRESETS["laptop"]))
    changed = {name for name, value in dataclasses.asdict(kind()).items() if preset[name] != value}
    assert changed == kind.PRESETS["laptop"].keys()  # nothing is set to what it is anyway
    assert arguments.parse(kind, "x", ["--preset=paper"]) == plain
    for argv in (["--preset", "desktop"], ["--preset"]):
        with pytest.raises(UsageError, match="--preset"):
            arguments.parse(kind, "x", argv)
