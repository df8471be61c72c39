"""`freevocab transfer`: plans, finds the new rows, writes a folder whole or not at all."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from research.errors import FreevocabError, UsageError
from research.files import atomic_path, shown, write_json, write_text
from research.training.metrics import quantity
from research.transfer import matching
from research.transfer.convert import (
    card,
    families,
    folder,
    methods,
    plan,
    request,
    saved_models,
    scoring,
    special_ids,
    target_files,
    trunk,
)
from research.transfer.convert.predicted import Predicted
from research.transfer.convert.progress import Progress
from research.transfer.convert.request import Request
from research.transfer.convert.trunk import TrunkChange
from research.vocabularies.protocol import EmbeddingTable

Say = Callable[[str], None]


def run(asked: Request, *, dry_run: bool = False, say: Say = print) -> None:
    """Moves a model to another tokenizer.

    Raises:
      UsageError: for what is wrong with the request; nothing is written.
      FreevocabError: for a damaged file, or too little room; nothing is written.
    """
    request.check(asked)
    if saved_models.is_one(asked.model):
        saved_models.transfer(asked, dry_run=dry_run, say=say)
        return
    source = folder.open_source(asked.model)
    if asked.eval_text:
        scoring.check(source.config["model_type"])
    tokenizer = target_files.open_target(asked.tokenizer)
    mapped = special_ids.parse_map(asked.map_special, source.tokenizer, tokenizer)
    match = matching.match(source.tokenizer, tokenizer, map_special=mapped)
    new = folder.target(source, tokenizer, match, asked.dtype)
    base = _open_base(asked) if asked.base else None
    prepared = methods.prepare(asked, None if base is None else (_table(base), base.tokenizer))
    old_table = change = None
    if asked.method == request.HYPERNETWORK:  # it is made for one model: is it this one?
        old_table = _table(source)
        new.notes.extend(prepared.notes(old_table, source.tokenizer, tokenizer))
        change = _trunk_change(prepared, source, base)
    steps = folder.planned(asked, source, new)
    if change is not None:
        trained_on = prepared.trained_on(tokenizer)
        steps = dataclasses.replace(steps, trunk=change.weight, trained_on=trained_on)
    say("\n".join(plan.lines(steps)))
    if dry_run:
        return
    check_room(asked.out, steps.new_nbytes)
    old_table = _table(source) if old_table is None else old_table
    table = prepared(old_table, source.tokenizer, tokenizer, match)
    del old_table
    with atomic_path(asked.out, directory=True, mark=card.RECORD) as temporary:
        progress = Progress(steps.new_nbytes, say)
        folder.write(temporary, source, new, table, progress, change)
        scores: dict[str, Any] = {}
        if asked.eval_text:
            scores = scoring.before_and_after(asked.model, temporary, asked.eval_text)
            say(scoring.line(scores))
        digests = folder.digests(source) | request.digests(asked)
        if base is not None:
            digests |= {f"--base: {name}": one for name, one in folder.digests(base).items()}
        facts = card.record(steps, asked.options(), digests, scores)
        names = [path.name for path in folder.licences(source.directory)]
        write_text(temporary / "README.md", card.card(facts, names))
        write_json(temporary / card.RECORD, facts)
    say(f"wrote {shown(asked.out)}")


def _open_base(asked: Request) -> folder.Source:
    if saved_models.is_one(asked.base):
        raise UsageError(f"--base {asked.base} is a freevocab folder, --model {asked.model} is not")
    return folder.open_source(asked.base)


def _table(source: folder.Source) -> EmbeddingTable:
    return families.read_table(source.layout, source.checkpoint, source.tokenizer)


def _trunk_change(
    prepared: Predicted, source: folder.Source, base: folder.Source | None
) -> TrunkChange | None:
    if not prepared.weight:
        return None
    before = None if base is None else (base.config, base.checkpoint)
    change = trunk.of_checkpoint(
        source.config, source.checkpoint, prepared.trunk(), prepared.weight, before
    )
    prepared.check_trunk(trunk.fingerprint(source.checkpoint, change))
    return change


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
