"""A finished model moved to another tokenizer: planned, then written whole or not at all."""

import dataclasses
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from research.errors import FreevocabError, UsageError
from research.files import atomic_path, shown, write_json, write_text
from research.models import saved
from research.training.metrics import duration, quantity
from research.transfer import matching
from research.transfer.convert import card, plan, special_ids
from research.transfer.convert.folders import Source
from research.transfer.convert.hf_folder import HFSource
from research.transfer.convert.new_rows import Computed, Predicted
from research.transfer.convert.own_folder import OwnSource

Say = Callable[[str], None]
EVERY_SECONDS = 5.0


def run(
    model: str,
    tokenizer: str,
    out: str,
    method: str,
    open_method: Callable[[Source | None], Computed | Predicted],
    *,
    base: str | None = None,
    map_special: Sequence[str] = (),
    dtype: str | None = None,
    eval_text: str | None = None,
    options: Mapping[str, Any] | None = None,
    dry_run: bool = False,
    say: Say = print,
) -> None:
    """Moves a model to another tokenizer.

    Args:
      model: a Hugging Face folder, or one that freevocab saved.
      tokenizer: the name of the new one; see `target_tokenizer.open_target`.
      out: folder to write.
      method: for the plan and the card.
      open_method: from the base, opened, if there is one; called once the model is known to be
        fine, so that what the method needs fails before anything else is done.
      base: the model that a hypernetwork was trained for, where `model` is a variant of it.
      map_special: "SRC=DST" for special tokens that roles and names do not pair.
      dtype: of the numbers written; None: each tensor's own.
      eval_text: file to measure bits/byte on, before and after.
      options: what else was asked for, for the card.
      dry_run: say what would be done; write nothing.
      say: takes the plan and how far writing has come.

    Raises:
      UsageError: for what is wrong with the request; nothing is written.
      FreevocabError: for a damaged file, or too little room; nothing is written.
    """
    source = _open(model)
    if eval_text:
        source.check_measurable()
    target = source.open_target(tokenizer)
    mapped = special_ids.parse_map(map_special, source.tokenizer, target)
    match = matching.match(source.tokenizer, target, map_special=mapped)
    move = source.move(target, match, dtype)
    base_source = _open_base(base, source) if base else None
    new_rows = open_method(base_source)
    steps, old_table = plan.of_move(source, move, method, out), None
    if isinstance(new_rows, Predicted):  # it is made for one model: is it this one?
        old_table = source.table()
        move.notes.extend(new_rows.notes(old_table, source.tokenizer, target))
        if weight := new_rows.trunk_weight:
            move.change_trunk(new_rows.trunk(), weight, new_rows.check_trunk, base_source)
            trained_on = new_rows.trained_on(target)
            steps = dataclasses.replace(steps, trunk=weight, trained_on=trained_on)
    say("\n".join(plan.lines(steps)))
    if dry_run:
        return
    check_room(out, steps.new_nbytes)
    old_table = source.table() if old_table is None else old_table
    table = new_rows(old_table, source.tokenizer, target, match)
    del old_table
    digests = source.digests() | new_rows.digests()
    if base_source is not None and base_source.hugging_face:
        digests |= {f"--base: {name}": one for name, one in base_source.digests().items()}
    record = card.record(steps, options or {}, digests)
    with atomic_path(out, directory=True, mark=card.RECORD) as temporary:
        move.write(temporary, table, record, Progress(steps.new_nbytes, say))
        if eval_text:
            record["scores"] = before_and_after(model, temporary, eval_text)
            say(scores_line(record["scores"]))
        names = [path.name for path in source.licences()]
        content = card.card(record, names, hugging_face=source.hugging_face)
        write_text(temporary / "README.md", content)
        write_json(temporary / card.RECORD, record)
    say(f"wrote {shown(out)}")


def _open(name: str) -> Source:
    return OwnSource(name) if saved.is_own(name) else HFSource(name)


def _open_base(name: str, source: Source) -> Source:
    if source.hugging_face and saved.is_own(name):
        raise UsageError(f"--base {name} is a freevocab folder, --model {source.name} is not")
    if not source.hugging_face and not saved.is_own(name):
        raise UsageError(f"--model {source.name} is a freevocab folder, --base {name} is not")
    return _open(name)


def check_room(out: str, nbytes: int) -> None:
    """Raises FreevocabError if the disk has no room for `nbytes` more and a little."""
    parent = Path(out).absolute().parent
    while not parent.exists():
        parent = parent.parent
    free = shutil.disk_usage(parent).free
    needed = nbytes + (50 << 20)
    if free < needed:
        raise FreevocabError(
            f"{out} needs {quantity(needed, 'B')} and the disk has {quantity(free, 'B')} free: "
            "make room, or give an --out elsewhere"
        )


class Progress:
    """How far writing has come, for large models: a line now and then, with rate and time left.

    Call it with the bytes of each piece written.

    Args:
      total: bytes there will be.
      say: takes a line.
      clock: seconds.
    """

    def __init__(self, total: int, say: Say, clock: Callable[[], float] = time.monotonic):
        self._total, self._say, self._clock = total, say, clock
        self._start = self._last = clock()
        self._done = 0

    def __call__(self, nbytes: int) -> None:
        """Counts, and speaks if the last line was some time ago."""
        self._done += nbytes
        now = self._clock()
        if now - self._last < EVERY_SECONDS:
            return
        self._last = now
        rate = self._done / (now - self._start)
        left = duration((self._total - self._done) / rate)
        self._say(f"{quantity(self._done, 'B')} of {quantity(self._total, 'B')} written, "
                  f"{quantity(rate, 'B')}/s, {left} left")  # fmt: skip


def before_and_after(before: str | Path, after: str | Path, text: str) -> dict[str, Any]:
    """Both models on every byte of a file, as `freevocab evaluate --text` measures it.

    Returns:
      {"text": name, "bytes": n, "before": {"bits/byte", "tokens/byte"}, "after": {...}}
    """
    from research.training import commands
    from research.training.command_configs import Evaluate

    scores: dict[str, Any] = {"text": shown(Path(text).name)}
    for when, folder in (("before", before), ("after", after)):
        with tempfile.TemporaryDirectory() as stores:
            options = Evaluate(model=str(folder), text=text, stores=stores)
            totals = commands.evaluate(options, log=lambda line: None)
        scores["bytes"] = int(totals.bytes)
        scores[when] = {
            "bits/byte": round(float(totals.bits_per_byte), 6),
            "tokens/byte": round(float(totals.tokens / totals.bytes), 6),
        }
    return scores


def scores_line(scores: Mapping[str, Any]) -> str:
    """Scores for people."""
    parts = [
        f"{when} {scores[when]['bits/byte']:.4f} bits/byte, "
        f"{scores[when]['tokens/byte']:.4f} tokens/byte"
        for when in ("before", "after")
    ]
    return f"{scores['text']}: {'; '.join(parts)}"
