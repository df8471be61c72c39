"""What a transfer will do and cost, known before any table is read; and its progress."""

import dataclasses
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from research.errors import FreevocabError
from research.files import shown
from research.tokenizers import Tokenizer
from research.transfer.convert import special_ids
from research.transfer.convert.hf_folder import HFMove, HFSource
from research.transfer.convert.own_folder import OwnMove, OwnSource
from research.transfer.matching import Match
from research.transfer.methods import METHODS
from research.units import countdown, quantity, rough_duration

# Rough, of two cores: what a program can copy. Only an order of magnitude is promised.
COPIED_PER_SECOND = 3e8
EVERY_SECONDS = 5.0  # between two lines about progress
PROGRAM_BYTES = 400e6  # Python, numpy and JAX themselves


@dataclasses.dataclass(frozen=True)
class Plan:
    """Facts about a transfer; see `lines`."""

    model: str
    """Folder, family and architecture, for people."""
    method: str
    out: str
    dtype: str
    d_model: int
    tied: bool
    bias: bool
    rows: int
    """Of the old table, padding included."""
    parameters: int
    """Numbers in all tensors."""
    new_parameters: int
    nbytes: int
    """Of all tensors."""
    new_nbytes: int
    files: int
    source: dict[str, Any]
    """See `described`."""
    target: dict[str, Any]
    overlap: int
    """New entries that the old tokenizer has too."""
    new: int
    """New entries that it lacks."""
    pieces: dict[str, float]
    """Share of the latter that the old tokenizer takes no piece for, or 1, 2, 3, 4, 5 to 7, 8 or
    more."""
    copied: list[str]
    """Special tokens that take over a row."""
    unmatched: list[str]
    """Special tokens that take the mean row."""
    notes: list[str]
    """What a reader should know, one line each."""
    readout: bool = True
    """False: the checkpoint holds none."""
    trunk: float = 0.0
    """How much of n-shot training's change of the trunk is added."""
    trained_on: str = ""
    """The tokenizer of that training, where it is not the new one."""

    @property
    def overlap_share(self) -> float:
        """Of the new tokenizer's ordinary entries, those that the old one has too."""
        return self.overlap / max(1, self.overlap + self.new)

    @property
    def memory(self) -> float:
        """Bytes, roughly: both tables in float32, the method's copies of each, a changed trunk."""
        tables = 1 if self.tied else 2
        sizes = self.source["size"] + self.target["size"]
        copies = METHODS[self.method].table_copies
        trunk = 4.0 * self.parameters if self.trunk else 0.0
        return PROGRAM_BYTES + copies * 4.0 * tables * self.d_model * sizes + trunk

    @property
    def seconds(self) -> float:
        """Very roughly."""
        rate = METHODS[self.method].rows_per_second * 768 / self.d_model
        return 5 + 2 * self.new_nbytes / COPIED_PER_SECOND + self.new / rate


def of_move(source: HFSource | OwnSource, move: HFMove | OwnMove, method: str, out: str) -> Plan:
    """The plan of a transfer."""
    match, target = move.match, move.tokenizer
    copied, unmatched = special_lists(source.tokenizer, target, match)
    return Plan(
        **move.facts(),
        method=method,
        out=shown(out),
        source=described(source.tokenizer),
        target=described(target),
        overlap=len(match.overlap_target_N),
        new=len(match.new_target_M),
        pieces=piece_shares(source.tokenizer, target, match),
        copied=copied,
        unmatched=unmatched,
        notes=move.notes,
    )


def described(tokenizer: Tokenizer) -> dict[str, Any]:
    """What the plan and the card say of a tokenizer."""
    return {
        "name": shown(tokenizer.name),
        "size": tokenizer.vocab_size,
        "special": int(np.sum(tokenizer.special_V)),
        "lossless": bool(tokenizer.lossless),
        "fingerprint": tokenizer.fingerprint(),
    }


def piece_shares(source: Tokenizer, target: Tokenizer, match: Match) -> dict[str, float]:
    """How many old pieces make a new entry that the old tokenizer lacks, as shares."""
    tokens = target.match_bytes()
    pieces = source.decompose([tokens[id_] for id_ in match.new_target_M.tolist()])
    counts = pieces.only(match.ordinary_source_V).counts_T
    edges = {"1": (1, 1), "2": (2, 2), "3": (3, 3), "4": (4, 4), "5-7": (5, 7), "8+": (8, 1 << 40)}
    if np.any(counts == 0):
        edges = {"none": (0, 0)} | edges
    return {
        name: round(float(np.mean((counts >= low) & (counts <= high))), 4) if len(counts) else 0.0
        for name, (low, high) in edges.items()
    }


def special_lists(
    source: Tokenizer, target: Tokenizer, match: Match
) -> tuple[list[str], list[str]]:
    """Special tokens of the target: those that take over a row, and those without a partner.

    Ids that no token has are special too; they are counted, not listed.
    """
    pairs = zip(match.special_source_S.tolist(), match.special_target_S.tolist(), strict=True)
    copied = [
        f"{special_ids.written(source, old)} -> {special_ids.written(target, new)}"
        for old, new in pairs
    ]
    tokens = [special_ids.written(target, id_) for id_ in match.unmatched_S.tolist()]
    unmatched = [token for token in tokens if "(" in token]  # NAME (ID)
    if nameless := len(tokens) - len(unmatched):
        unmatched.append(f"{nameless} ids that no token has")
    return copied, unmatched


def lines(plan: Plan) -> list[str]:
    """The plan for people, before anything is written."""
    where = "input and readout tied" if plan.tied else "input and readout apart"
    where = where if plan.readout else "input alone"
    bias = ", with a bias" if plan.bias else ""
    pieces = ", ".join(f"{name}: {share:.0%}" for name, share in plan.pieces.items() if share)
    padding = plan.rows - plan.source["size"]
    padded = f" ({padding:,} of padding)" if padding > 0 else ""
    several = "" if plan.files == 1 else f" in {plan.files} files"
    out = [
        f"model      {plan.model}",
        f"           {quantity(plan.parameters)} parameters, {plan.dtype},"
        f" {quantity(plan.nbytes, 'B')}{several}",
        f"tables     {plan.rows:,} x {plan.d_model:,}{padded}, {where}{bias}",
        f"tokenizer  {_tokenizer(plan.source)}",
        f"        -> {_tokenizer(plan.target)}",
        f"overlap    {plan.overlap:,} of the new entries are old ones too"
        f" ({plan.overlap_share:.1%}); {plan.new:,} are new",
    ]
    if pieces:
        out.append(f"pieces     of a new entry under the old tokenizer: {pieces}")
    out.append(f"special    {'; '.join(plan.copied) or 'none has a partner'}")
    if plan.unmatched:
        out.append(f"           mean row, nothing known: {_some(plan.unmatched)}")
    out += [f"note       {note}" for note in plan.notes]
    out += [
        f"writes     {quantity(plan.new_nbytes, 'B')}, {quantity(plan.new_parameters)} parameters,"
        f" to {plan.out}",
        f"costs      about {quantity(plan.memory, 'B')} of memory and, very roughly,"
        f" {rough_duration(plan.seconds)}",
    ]
    return out


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

    def __init__(
        self, total: int, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ):
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
        left = countdown((self._total - self._done) / rate)
        self._say(f"{quantity(self._done, 'B')} of {quantity(self._total, 'B')} written, "
                  f"{quantity(rate, 'B')}/s, {left} left")  # fmt: skip


def _tokenizer(facts: dict[str, Any]) -> str:
    lossy = "" if facts["lossless"] else ", lossy"
    return f"{facts['name']}: {facts['size']:,} ids, {facts['special']} of them special{lossy}"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return ", ".join(names[:12]) + more
