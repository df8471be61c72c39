"""The `freevocab` command: picks a command, reads its arguments, turns errors into one line.

Every command is a frozen dataclass of arguments and a function that takes it. Both are named here
and imported only when the command is called, so that `freevocab --help` answers at once.
Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted, 143 terminated, 129
hung up. Set FREEVOCAB_TRACEBACK=1 to see where an error came from.
"""

import contextlib
import importlib
import logging
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NamedTuple

from research import __version__, interrupts
from research.cli import arguments
from research.errors import FreevocabError, UsageError


class Command(NamedTuple):
    """A command of a module of `research.cli`."""

    arguments: str
    """module:dataclass."""
    function: str
    """What takes the dataclass, in the same module."""
    help: str


COMMANDS = {
    "reproduce": Command(
        "reproduce:Reproduce", "run", "run a paper's tables and print them, ours beside the paper's"
    ),
    "list": Command("catalog:List", "run", "every table: scales, expected time, last result"),
    "claims": Command(
        "claims:Claims", "run", "what the papers claim, and what our records say of it"
    ),
    "report": Command("report:Report", "run", "all results as Markdown, CSV and plots"),
    "compress": Command(
        "files:Compress", "compress", "compress a file or a pipe with any lossless codec"
    ),
    "decompress": Command("files:Decompress", "decompress", "restore it"),
    "inspect": Command(
        "files:Inspect", "inspect", "what a compressed file holds, checked block by block"
    ),
    "decipher": Command(
        "decipher:Decipher", "run", "solve a substitution cipher, and say how sure"
    ),
    "quantize": Command(
        "quantize:Quantize", "run", "make a codec of a byte model whose files decode on any machine"
    ),
    "prepare": Command(
        "prepare:Prepare", "run", "write a corpus as ids in shards, by many processes or machines"
    ),
    "train m1": Command("train_m1:TrainM1", "train_m1", "train a byte model that compresses"),
    "train m2": Command("train:TrainM2", "train_m2", "train a language model over a codec's ids"),
    "train lexinvariant": Command(
        "train:TrainLexinvariant", "train_m2", "train a language model whose ids mean nothing"
    ),
    "train hypernetwork": Command(
        "train_hypernetwork:TrainHypernetwork",
        "run",
        "train a network that predicts a model's table for any tokenizer",
    ),
    "transfer": Command("transfer:Transfer", "run", "move a finished model to another tokenizer"),
    "unigramify": Command(
        "unigramify:Unigramify", "run", "make a Unigram of a BPE or WordPiece tokenizer"
    ),
    "export": Command("export:Export", "run", "write a trained model as a Hugging Face folder"),
    "evaluate": Command("evaluate:Evaluate", "run", "bits per byte of a saved model on a corpus"),
    "generate": Command("generate:Generate", "run", "continue a text with a saved model"),
}

_OUT_OF_MEMORY = "out of memory: use a smaller batch, length or model"

EXAMPLES = """\
examples:
  freevocab reproduce                                       the papers' main tables, on this CPU
  freevocab reproduce compressed_text/closing_rules         one table
  freevocab reproduce compressed_text/all --scale gpu       every table of a paper, on one GPU
  freevocab transfer --model DIR --tokenizer tokenizer.json --out DIR
  freevocab compress README.md readme.fv
  freevocab decompress readme.fv -                          to the terminal or a pipe
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line and exits with its code."""
    interrupts.install()
    if not _tracebacks_wanted():
        _quieten_threads()
    code = call(sys.argv[1:] if argv is None else argv)
    if code and (processes := _joined()):
        processes.leave(code)
    if code > 128:
        # A compilation may still run in a thread, and would crash as Python is taken down.
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


def call(argv: Sequence[str]) -> int:
    """Runs one command line. Returns its exit code; prints at most one line for an error."""
    try:
        dispatch(list(argv))
        interrupts.check()  # one whose exception was lost
        sys.stdout.flush()
        return 0
    except SystemExit as end:  # argument parsing ends this way after --help
        return end.code if isinstance(end.code, int) else 1
    except interrupts.Interrupted as error:
        return _explain(str(error), error.exit_code, error)
    except KeyboardInterrupt as error:
        return _explain("interrupted", 128 + signal.SIGINT, error)
    except BrokenPipeError:
        # The reader went away (`| head`): nothing to say, and nothing more to flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except FreevocabError as error:
        return _explain(str(error), error.exit_code, error)
    except OSError as error:
        reason = error.strerror or str(error)
        return _explain(f"{error.filename}: {reason}" if error.filename else reason, 1, error)
    except MemoryError as error:
        return _explain(_OUT_OF_MEMORY, 1, error)
    except BaseException as error:  # also of libraries in Rust, whose panics are no Exception
        if number := interrupts.noted():  # which may come out as another error
            return _explain(str(interrupts.Interrupted(number)), 128 + number, error)
        if "RESOURCE_EXHAUSTED" in str(error):  # the device's memory, as XLA says it
            return _explain(_OUT_OF_MEMORY, 1, error)
        line = f"{type(error).__name__}: {first_line(error)}"
        return _explain(f"{line} (FREEVOCAB_TRACEBACK=1 shows where)", 1, error)


def dispatch(argv: list[str]) -> None:
    """Finds the command that `argv` names and runs it.

    Raises:
      UsageError: if there is no such command or its arguments are wrong.
    """
    if sys.stdin is None or sys.stdout is None:
        raise UsageError("standard input or output is closed: leave it open, or use /dev/null")
    if argv in (["-h"], ["--help"], ["help"]):
        print(overview())
        return
    if "--trust-code" in argv:
        from research import codecs

        argv = [word for word in argv if word != "--trust-code"]
        codecs.trust_code.set(True)
    if argv == ["--version"]:
        print(f"freevocab {__version__}")
        return
    if not argv:
        raise UsageError(f"a command is missing: one of {', '.join(_first_words())}")
    name, rest = _split(argv)
    if name is None:
        print(overview(f"{argv[0]} "))
        return
    command = COMMANDS[name]
    module_name, kind = command.arguments.split(":")
    module = importlib.import_module(f"research.cli.{module_name}")
    parsed = arguments.parse(getattr(module, kind), f"freevocab {name}", rest)
    getattr(module, command.function)(parsed)


def overview(prefix: str = "") -> str:
    """The help page: every command whose name begins with `prefix`, and examples."""
    names = [name for name in COMMANDS if name.startswith(prefix)]
    width = max(map(len, names))
    commands = "\n".join(f"  {name:<{width}}  {COMMANDS[name].help}" for name in names)
    if prefix:
        return f"usage: freevocab {prefix}...\n\n{commands}"
    return (
        "usage: freevocab COMMAND [ARGUMENTS]      freevocab COMMAND --help says more\n\n"
        "Language models that are not bound to a fixed vocabulary.\n\n"
        f"commands:\n{commands}\n\n{EXAMPLES}\nfreevocab --version prints the version. With"
        " --trust-code, anywhere, a folder may\nrun code that came with it."
    )


def first_line(error: BaseException) -> str:
    """The first line of an error's message that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else "no message"


def _split(argv: list[str]) -> tuple[str | None, list[str]]:
    """The command's name and what follows; None for the help of a group (`train --help`)."""
    for words in (2, 1):
        name = " ".join(argv[:words])
        if len(argv) >= words and name in COMMANDS:
            return name, argv[words:]
    seconds = [name.split()[1] for name in COMMANDS if name.startswith(f"{argv[0]} ")]
    if not seconds:
        raise UsageError(arguments.unknown("command", argv[0], _first_words()))
    if argv[1:] in (["-h"], ["--help"]):
        return None, []
    if len(argv) == 1:
        raise UsageError(f"freevocab {argv[0]} what? One of {', '.join(seconds)}")
    raise UsageError(arguments.unknown(f"{argv[0]} command", argv[1], seconds))


def _first_words() -> list[str]:
    return list(dict.fromkeys(name.split()[0] for name in COMMANDS))


def _joined() -> Any:
    """The module `research.training.processes` if this is one of several processes."""
    processes = sys.modules.get("research.training.processes")
    return processes if processes and sys.modules["jax"].distributed.is_initialized() else None


def _quieten_threads() -> None:
    """Where a checkpoint cannot be written, Orbax's and tensorstore's threads print hundreds of
    lines before the error comes back to us, which is all that there is to say."""
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    sys.unraisablehook = lambda unraisable: None


def _tracebacks_wanted() -> bool:
    return os.environ.get("FREEVOCAB_TRACEBACK") == "1"


def _explain(line: str, code: int, error: BaseException) -> int:
    if _tracebacks_wanted():
        traceback.print_exception(error)
    if processes := _joined():
        line = processes.explain(error) or line
    print(f"freevocab: {line}", file=sys.stderr)
    return code
