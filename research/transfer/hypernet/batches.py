"""A step's batch: packed pieces of the tokens that get a row, and text in the numbers of rows.

Rows are numbered as the packed layout has them, not as the tokenizer has its ids: so the predicted
table needs no reordering on the devices, and stays where it was made.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from research.errors import UsageError
from research.tokenizers import Pieces, Tokenizer
from research.transfer.hypernet import alm
from research.transfer.hypernet.loss import HypernetLossConfig
from research.vocabularies.hypernetwork import packing
from research.vocabularies.hypernetwork.packing import Layout

Batch = dict[str, np.ndarray]
_STREAM = 0xD0C
_IDENTITY_STREAM = 0x1D
_SUBSTITUTES = {"bos": ("cls", "eos"), "eos": ("sep", "bos"), "mask": ()}
_AHEAD = 64  # bytes of text that the teacher sees beyond what the student covers


@dataclasses.dataclass(frozen=True)
class HypernetBatches:
    """Makes batches for one source model; see `make`."""

    source: Tokenizer
    """The source model's tokenizer."""
    loss: HypernetLossConfig
    """Which rows it sees, and whether it needs the teacher's arrays."""
    masked: bool = False
    """The model predicts hidden ids from both sides."""
    seed: int = 0
    """Of the rows and the hidden ids."""

    def chosen(self, drawn: Any, step: int) -> "Chosen":
        """The tokens of a step that get a row, and their pieces.

        Raises:
          UsageError: if the source has no token like the tokenizer's BOS, EOS or mask, or one
            batch has more entries than rows are sampled.
        """
        tokenizer = drawn.tokenizer
        specials = special_rows(self.source, tokenizer, self.masked)
        ordinary_V = ~np.asarray(tokenizer.special_V, bool)
        used_V = np.zeros(tokenizer.vocab_size, bool)
        for name in ("inputs_BxL", "targets_BxL"):
            used_V[drawn.batch[name]] = True
        used_V &= ordinary_V
        ids_M, log_share_M = self._sampled(ordinary_V, used_V, step)
        special_S = np.array(list(specials), np.int64)
        strings = tokenizer.match_bytes()
        pieces = self.source.decompose([strings[id_] for id_ in ids_M])
        copies_S = np.array(list(specials.values()), np.int32)
        start_S = pieces.start_T[-1] + 1 + np.arange(len(copies_S))
        both = Pieces(
            np.concatenate([pieces.ids_N, copies_S]), np.concatenate([pieces.start_T, start_S])
        )
        copies_M = np.full(len(ids_M), -1, np.int32)
        if self.loss.copy_overlap:
            single_M = pieces.counts_T == 1
            copies_M[single_M] = pieces.ids_N[pieces.start_T[:-1][single_M]]
        return Chosen(
            ids_T=np.concatenate([ids_M, special_S]),
            pieces=both,
            copies_T=np.concatenate([copies_M, copies_S]),
            log_share_T=np.concatenate([log_share_M, np.zeros(len(special_S))]),
            needed_T=np.concatenate([used_V[ids_M], np.ones(len(special_S), bool)]),
        )

    def make(self, drawn: Any, step: int, layout: Layout) -> Batch:
        """The whole batch, of all processes.

        Args:
          drawn: tokenizer, batch and rows, as `research.transfer.sampling.SampledBatch`.

        Returns:
          ids_GxN, counts_GxN, tail_ids_GxM, tail_slots_GxM: `packing.Packed`;
          copies_GxT: int32, the source's row to copy, or -1;
          offsets_GxT: float32, added to the row's logits; -inf where there is no token;
          inputs_BxL, targets_BxL (int32, rows), weights_BxL;
          and for distillation chunks_BxL, teacher_inputs_BxS, teacher_targets_BxS,
          teacher_chunks_BxS (int32, the source's ids; S = L).

        Raises:
          UsageError: see `chosen`; or what the batch needs does not fit the layout.
        """
        chosen = self.chosen(drawn, step)
        fits_T = packing.fitting(layout, chosen.pieces.counts_T, chosen.needed_T)
        if not fits_T.all():
            chosen = chosen.take(np.flatnonzero(fits_T))
        packed, row_T = packing.pack(chosen.pieces, layout)
        shape = (layout.groups, layout.rows // layout.groups)
        copies_R = np.full(layout.rows, -1, np.int32)
        copies_R[row_T] = chosen.copies_T
        offsets_R = np.full(layout.rows, -np.inf, np.float32)
        offsets_R[row_T] = -chosen.log_share_T
        row_V = np.full(drawn.tokenizer.vocab_size, -1, np.int32)
        row_V[chosen.ids_T] = row_T
        batch = dict(packed._asdict())
        batch |= {"copies_GxT": copies_R.reshape(shape), "offsets_GxT": offsets_R.reshape(shape)}
        text = self._hidden(drawn, step) if self.masked else drawn.batch
        batch |= {name: row_V[text[name]] for name in ("inputs_BxL", "targets_BxL")}
        batch["weights_BxL"] = text["weights_BxL"]
        if self.loss.distils:
            batch |= _teacher(self.source, drawn)
        return batch

    def _sampled(self, ordinary_V, used_V, step) -> tuple[np.ndarray, np.ndarray]:
        """Ordinary ids with a row, and the logarithm of each one's chance to have one."""
        ids_M = np.flatnonzero(ordinary_V)
        rows = self.loss.sampled_rows
        if not rows or rows >= len(ids_M):
            return ids_M, np.zeros(len(ids_M))
        used_U, rest_M = np.flatnonzero(used_V), np.flatnonzero(ordinary_V & ~used_V)
        more = rows - len(used_U)
        if more < 0:
            raise UsageError(
                f"a batch has {len(used_U)} different entries, sampled_rows is {rows}: raise it"
            )
        drawn_M = np.random.default_rng([self.seed, step, _STREAM]).permutation(rest_M)[:more]
        log_share = np.log(max(more, 1) / max(len(rest_M), 1))
        log_share_M = np.concatenate([np.zeros(len(used_U)), np.full(len(drawn_M), log_share)])
        return np.concatenate([used_U, drawn_M]), log_share_M

    def _hidden(self, drawn, step) -> Batch:
        """Inputs with some ids hidden, which are the targets; each at its own position."""
        tokenizer, ids_BxL = drawn.tokenizer, drawn.batch["inputs_BxL"]
        rng = np.random.default_rng([self.seed, step, _STREAM, 1])
        real_BxL = np.concatenate(
            [np.zeros((len(ids_BxL), 1), bool), drawn.batch["weights_BxL"][:, :-1] > 0], axis=1
        )
        real_BxL &= ~np.asarray(tokenizer.special_V, bool)[ids_BxL]
        hidden_BxL = real_BxL & (rng.random(ids_BxL.shape) < self.loss.masked_share)
        return {
            "inputs_BxL": np.where(hidden_BxL, tokenizer.roles["mask"], ids_BxL),
            "targets_BxL": ids_BxL,
            "weights_BxL": hidden_BxL.astype(np.float32),
        }


class Chosen(NamedTuple):
    """Tokens that get a row."""

    ids_T: np.ndarray
    """Int64, of the step's tokenizer."""
    pieces: Pieces
    """Of the source; a special token's is the source's special token."""
    copies_T: np.ndarray
    """Int32, the source's id whose row is copied; -1: the row is predicted."""
    log_share_T: np.ndarray
    """Ln of the chance that the token got a row."""
    needed_T: np.ndarray
    """It occurs in the batch."""

    def take(self, tokens_M: np.ndarray) -> "Chosen":
        """Some of the tokens."""
        return Chosen._make(
            part.take(tokens_M) if isinstance(part, Pieces) else part[tokens_M] for part in self
        )


def identity_layout(tokens: int, groups: int) -> Layout:
    """One slot a token; `tokens` rounded up to equal groups."""
    return Layout(groups, (1,), (-(-tokens // groups),), 1)


def identity_batches(vocab_size: int, layout: Layout, seed: int) -> Callable[[int], Batch]:
    """step -> random ids of the source, one a token, packed: for the first stage."""

    def batch_fn(step: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng([seed, step, _IDENTITY_STREAM])
        shape = (layout.groups, layout.slots)
        return packing.Packed(
            rng.integers(0, vocab_size, shape).astype(np.int32),
            np.ones(shape, np.int32),
            np.zeros((layout.groups, layout.tails), np.int32),
            np.full((layout.groups, layout.tails), layout.slots, np.int32),
        )._asdict()

    return batch_fn


def special_rows(source: Tokenizer, target: Tokenizer, masked: bool) -> Mapping[int, int]:
    """Special id of the target -> the source's id whose row it takes, of those that texts need.

    Raises:
      UsageError: if the target has no BOS or EOS (or mask, if `masked`), or the source no match.
    """
    source_ids: dict[int, int] = {}
    for role in ("bos", "eos", *(["mask"] if masked else [])):
        if role not in target.roles:
            raise UsageError(f"the tokenizer {target.name} has no {role} token, which texts need")
        like = [name for name in (role, *_SUBSTITUTES[role]) if name in source.roles]
        if not like:
            raise UsageError(f"the model's tokenizer has no {role} token and none like it")
        source_ids.setdefault(target.roles[role], source.roles[like[0]])
    return source_ids


def _teacher(source: Tokenizer, drawn: Any) -> Batch:
    """The same texts in the source's ids, and the chunks that end at the same bytes."""
    targets_BxL, weights_BxL = drawn.batch["targets_BxL"], drawn.batch["weights_BxL"]
    shape = targets_BxL.shape
    specials = special_rows(source, drawn.tokenizer, False)
    bos, eos = (specials[drawn.tokenizer.roles[role]] for role in ("bos", "eos"))
    strings = _strings(drawn.tokenizer)
    counted_B = [int(np.sum(row > 0)) for row in weights_BxL]
    ends = [
        alm.byte_ends([strings[id_] for id_ in targets_L[:count]], row)
        for targets_L, count, row in zip(targets_BxL, counted_B, drawn.rows, strict=True)
    ]
    rows = [
        [] if end is None or not len(end) else _first_bytes(row, int(end[-1]) + _AHEAD)
        for row, end in zip(drawn.rows, ends, strict=True)
    ]
    encoded = iter(source.encode([part for row in rows for part in row]))
    own_strings = _strings(source)
    out = {
        "chunks_BxL": np.full(shape, -1, np.int32),
        "teacher_inputs_BxS": np.full(shape, eos, np.int32),
        "teacher_targets_BxS": np.full(shape, eos, np.int32),
        "teacher_chunks_BxS": np.full(shape, -1, np.int32),
    }
    out["teacher_inputs_BxS"][:, 0] = bos
    for b, (row, end) in enumerate(zip(rows, ends, strict=True)):
        if end is None or not row:
            continue
        joined = [piece for _ in row for piece in (next(encoded), [-1])][:-1]
        ids_S = np.concatenate(joined).astype(np.int32)[: shape[1]]
        tokens = [None if id_ < 0 else own_strings[id_] for id_ in ids_S.tolist()]
        source_end = alm.byte_ends(tokens, row)
        if source_end is None:  # the source's tokens do not spell the text
            continue
        chunks_L, chunks_S = alm.align(end, source_end)
        ids_S = np.where(ids_S < 0, eos, ids_S)
        out["teacher_targets_BxS"][b, : len(ids_S)] = ids_S
        out["teacher_inputs_BxS"][b, 1 : len(ids_S)] = ids_S[:-1]
        out["teacher_chunks_BxS"][b, : len(chunks_S)] = chunks_S
        out["chunks_BxL"][b, : len(chunks_L)] = chunks_L
    return out


def _strings(tokenizer: Tokenizer) -> list[bytes | None]:
    """What ids stand for in a text; None: the end of a document."""
    special_V = np.asarray(tokenizer.special_V, bool)
    strings = zip(tokenizer.match_bytes(), special_V.tolist(), strict=True)
    return [None if special else string for string, special in strings]


def _first_bytes(parts: Sequence[bytes], size: int) -> list[bytes]:
    """The first `size` bytes of a row's texts, EOS between them counted as one."""
    out = []
    for part in parts:
        if size <= 0:
            break
        out.append(part[:size])
        size -= len(part) + 1
    return out
