"""SIGKILL at random moments: the same command goes on, and its result is that of a run that was
left alone, to the bit. After each kill the output is absent, or whole: the old or the new.
"""

import contextlib
import dataclasses
import json
import random
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults import forked
from tests.faults.mutations import digest
from tests.faults.record import Row

MOST = 4
"""Kills of one run, which is then left to its end."""
_PATIENCE = 1800


@dataclasses.dataclass(frozen=True)
class Case:
    """A command in a folder with its inputs."""

    inputs: Callable[[Path], None]
    """Writes them."""
    argv: str
    result: Callable[[Path], Any]
    """What has to be equal of two runs; raises where the output is not whole."""
    out: str
    """The output's name; absent until it is whole."""
    older: str | None = None
    """A command whose output stands there before."""
    whole: Callable[[Path], list[str]] = lambda folder: []
    """What else is wrong with a finished run, one line each."""


def run(times: int, seed: int, only: str) -> list[Row]:
    """At least `times` kills of each case in whose name `only`, an expression, is found."""
    return [_row(name, times, seed) for name in CASES if re.search(only, name)]


def _row(name: str, times: int, seed: int) -> Row:
    row, rng, number = Row("kills", name), random.Random(f"{seed} {name}"), 0
    with Bench(name) as bench:
        while row.times < times:
            number += 1
            _one_run(bench, row, rng, f"run {number} of seed {seed}")
    print(row, flush=True)
    return row


def _one_run(bench: "Bench", row: Row, rng: random.Random, called: str) -> None:
    """Kills a run up to MOST times, lets it end, and counts each kill."""
    bench.clear()
    kills: list[float] = []
    code = None
    while code is None and len(kills) < MOST:
        moment = rng.uniform(0, 1.05 * bench.seconds)
        child = forked.start(bench.command, bench.printed)
        code = forked.wait(child, moment)
        if code is None:
            forked.kill(child)
            kills.append(round(moment, 2))
            there = bench.there()
            row.count("old" if there == bench.old else "new" if there == bench.new else "broken")
            if there not in (bench.old, bench.new):
                row.fault(f"{called}, killed after {kills} s: the output is {there}")
    if code is None:
        code = bench.go().code
    for line in bench.wrong(code):
        row.fault(f"{called}, killed after {kills} s: {line}")


class Bench(contextlib.ExitStack):
    """A case in a folder of its own, once run alone; then as often as one likes.

    Attributes:
      new, old: digests of the output after the command, and before it ("absent" if there is none).
      seconds: that the command takes.
      folder: where `command` runs.
    """

    def __init__(self, name: str):
        super().__init__()
        self.case = CASES[name]
        self._place = Path(
            self.enter_context(tempfile.TemporaryDirectory(prefix="freevocab-faults-"))
        )
        self.printed, self.folder = self._place / "printed", self._place / "run"
        self.command = forked.command(self.folder, self.case.argv.split())
        self._inputs = self._place / "inputs"
        self._inputs.mkdir()
        self._prepare(lambda: self.case.inputs(self._inputs))
        if self.case.older is not None:
            self._prepare(forked.command(self._inputs, self.case.older.split()))
        self.clear()
        self.old = self.there()
        for _ in range(2):  # the first compiles
            self.clear()
            began = time.monotonic()
            self._prepare(self.command)
            self.seconds = time.monotonic() - began
        self.new = self.there()

    def _prepare(self, work: Callable[[], int | None]) -> None:
        end = forked.run(work, self.printed, seconds=_PATIENCE)
        assert end.code == 0, f"it fails left alone: {end.output}"

    def clear(self) -> None:
        """The folder as it is before the command."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self._inputs, self.folder, symlinks=True)

    def go(self) -> forked.End:
        """Runs the command to its end."""
        return forked.run(self.command, self.printed, seconds=_PATIENCE)

    def there(self) -> str:
        """The digest of the output; "absent", or what is wrong with it."""
        if not (self.folder / self.case.out).exists():
            return "absent"
        try:
            return digest(self.case.result(self.folder))
        except Exception as error:
            return f"not whole ({type(error).__name__}: {error})"

    def wrong(self, code: int) -> list[str]:
        """What is wrong with a run that should have ended well, one line each."""
        if code != 0:
            printed = " ".join(self.printed.read_text("utf-8", "replace").split())
            return [f"ended with {code}: {printed[-300:]}", *self.left()]
        other = [] if self.there() == self.new else [f"its result is another: {self.there()}"]
        return other + self.left() + self.case.whole(self.folder)

    def left(self) -> list[str]:
        """Temporary files that nobody will remove."""
        names = (".*.freevocab-*", "*orbax-checkpoint-tmp*")
        paths = [path for name in names for path in self.folder.rglob(name)]
        return [f"{path.relative_to(self.folder)} is left" for path in paths]


def _files(out: str) -> Callable[[Path], Any]:
    """Every file of a folder, by name, or the content of a file."""

    def read(folder: Path) -> Any:
        path = folder / out
        if path.is_file():
            return path.read_bytes()
        paths = sorted(path for path in path.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in paths}

    return read


def _weights(out: str) -> Callable[[Path], Any]:
    """What was trained; the description beside it holds times."""
    return lambda folder: {
        path.name: path.read_bytes() for path in sorted((folder / out).rglob("*.safetensors"))
    }


def _metrics(workdir: str, steps: int) -> Callable[[Path], list[str]]:
    """metrics.jsonl has a line for every step, and none twice from one start to the next."""

    def check(folder: Path) -> list[str]:
        lines = [json.loads(line) for line in open(folder / workdir / "metrics.jsonl")]
        seen, last = set(), None
        wrong = []
        for line in lines:
            if line["kind"] == "run":
                last = line["step"]
            elif line["kind"] == "train":
                if last is None or line["step"] != last + 1:
                    wrong.append(f"step {line['step']} follows {last} in metrics.jsonl")
                last = line["step"]
                seen.add(last)
        if seen != set(range(1, steps + 1)):
            wrong.append(f"metrics.jsonl has the steps {sorted(seen)}, not 1 to {steps}")
        return wrong

    return check


def _rows(folder: Path) -> Any:
    """Of the result, without the times that they hold."""
    rows = json.loads((folder / _RESULT).read_text())["rows"]
    timeless = [{key: value for key, value in row.items() if "second" not in key} for row in rows]
    return json.dumps(timeless)


def _text(folder: Path) -> None:
    words = random.Random(0)
    lines = [" ".join(words.choices(["the", "cat", "sat", "on", "a", "mat"], k=9)) + "\n\n"
             for _ in range(20_000)]  # fmt: skip
    (folder / "text.txt").write_text("".join(lines))


def _hf_model(folder: Path) -> None:
    from tests.transfer import hf_folders

    old = hf_folders.bpe(folder / "old", 300, eos="</s>", bos="<s>")
    hf_folders.bpe(folder / "new", 290, eos="</s>")
    hf_folders.model(folder / "model", "llama", 300, tokenizer=old)


def _own_model(folder: Path) -> None:
    from research.codecs import lm_folder
    from research.testing.tiny import TinyCodec, tiny_model

    codec = TinyCodec()
    params, config = tiny_model(vocab_size=codec.vocab_size + 2, num_layers=1)
    lm_folder.save(folder / "model", params, config, codec)


_RESULT = "runs/results/compressed_text/token_semantics/quick.json"
_STEPS = 12
_TRAINING = (
    f"--steps {_STEPS} --save-every 3 --log-every 1 --optimizer.schedule constant"
    " --optimizer.warmup-steps 1"
)
_COMPRESS = "compress text.txt small.fv --codec {codec} --block-bytes 20000"
_TRANSFER = "transfer --model model --tokenizer new --out moved --method {method}"
CASES = {
    "train m2": Case(
        inputs=_text,
        argv="train m2 --corpus text:text.txt --codec bytes --size tiny --out out --length 16"
        f" --batch-size 2 --valid-bytes 500 {_TRAINING}",
        result=_weights("out"),
        out="out",
        whole=_metrics("out.work", _STEPS),
    ),
    "train hypernetwork": Case(
        inputs=_own_model,
        argv="train hypernetwork --model model --text synthetic:40000 --layers 1 --slots 3"
        " --vocab-size 280 --queue 2 --window-bytes 128 --length 8 --batch-size 8 --out out"
        f" {_TRAINING}",
        result=_weights("out"),
        out="out",
        whole=_metrics("out.work", _STEPS),
    ),
    "compress": Case(
        inputs=_text,
        argv=_COMPRESS.format(codec="gzip"),
        older=_COMPRESS.format(codec="bytes"),
        result=_files("small.fv"),
        out="small.fv",
    ),
    "transfer": Case(
        inputs=_hf_model,
        argv=_TRANSFER.format(method="fvt"),
        older=_TRANSFER.format(method="mean"),
        result=_files("moved"),
        out="moved",
    ),
    "reproduce": Case(
        inputs=lambda folder: None,
        argv="reproduce compressed_text/token_semantics --quick",
        result=_rows,
        out=_RESULT,
    ),
}
