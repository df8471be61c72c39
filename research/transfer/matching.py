"""Which entries of two tokenizers are the same, and the rows that every method treats alike.

Ordinary entries match by their bytes, special tokens by what they are for. `finish` puts the
matched rows into a table that some method made, so that special tokens are handled in one place.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from research.errors import FreevocabError, UsageError
from research.tokenizers import ROLES, Tokenizer
from research.vocabularies.protocol import EmbeddingTable


class Match(NamedTuple):
    """Pairs of ids; every target id is in at most one of the three target arrays."""

    overlap_target_N: np.ndarray
    """Int32, ascending: ordinary entries that the source has too, by their bytes."""
    overlap_source_N: np.ndarray
    """Int32, the same entries in the source."""
    special_target_S: np.ndarray
    """Int32, ascending: special tokens with a partner."""
    special_source_S: np.ndarray
    """Int32, the partners."""
    readout_source_S: np.ndarray
    """Int32, the partner in the readout's table and bias. It is another one where the target has
    one token for both ends of a text (GPT-2) and the source has two: texts begin with the source's
    BOS, and end where the source's EOS would be predicted."""
    unmatched_S: np.ndarray
    """Int32, special target ids without one: they take the source's mean row."""
    ordinary_source_V: np.ndarray
    """Bool, entries of the source that stand for text."""
    target_size: int
    """Ids of the target."""

    @property
    def new_target_M(self) -> np.ndarray:
        """Ordinary target ids without a partner, int32: what a method has to find rows for."""
        new_V = np.ones(self.target_size, bool)
        for ids in (self.overlap_target_N, self.special_target_S, self.unmatched_S):
            new_V[ids] = False
        return np.flatnonzero(new_V).astype(np.int32)


def match(
    source: Tokenizer, target: Tokenizer, *, map_special: Mapping[int, int] | None = None
) -> Match:
    """Pairs entries by `match_bytes`, special tokens by `map_special`, role or equal name.

    Where several entries have the same bytes ("A" and "<0x41>"), the one that the tokenizer itself
    uses comes first, then the others by id; the k-th of the target takes the k-th of the source,
    or the first if there are fewer. So identical tokenizers match entirely, in whatever order
    their ids are.

    Args:
      map_special: source id -> target id of special tokens; overrules roles and names.

    Raises:
      UsageError: map_special names an id that does not exist, or ordinary target entries.
    """
    mapped = map_special or {}
    overlap, partner = _overlap(source, target), _specials(source, target, mapped)
    special_T = np.flatnonzero(target.special_V)
    matched_S = np.array([id_ for id_ in special_T if id_ in partner], np.int32)
    read = partner | _ends(source, target, mapped)
    return Match(
        overlap_target_N=overlap[:, 0].astype(np.int32),
        overlap_source_N=overlap[:, 1].astype(np.int32),
        special_target_S=matched_S,
        special_source_S=np.array([partner[id_] for id_ in matched_S], np.int32),
        readout_source_S=np.array([read[id_] for id_ in matched_S], np.int32),
        unmatched_S=np.array([id_ for id_ in special_T if id_ not in partner], np.int32),
        ordinary_source_V=~np.asarray(source.special_V, bool),
        target_size=target.vocab_size,
    )


def finish(
    rows: EmbeddingTable, source: EmbeddingTable, match: Match, *, copy_overlap: bool
) -> EmbeddingTable:
    """The table of the target: `rows` of a method, with what is known put in its place.

    Copied bit for bit: special rows with a partner and, if `copy_overlap`, overlapping ones. The
    mean of the source's ordinary rows: special ones without a partner, and predicted rows that
    came out as zero. All float32, each table and the bias alike.

    Raises:
      FreevocabError: a predicted row is not finite, or a table has another shape than expected.
    """
    return EmbeddingTable(*(
        _finish(name, one, of, match, copy_overlap)
        for name, one, of in zip(EmbeddingTable._fields, rows, source, strict=True)
    ))  # fmt: skip


def mean_row(source_V: np.ndarray, match: Match) -> np.ndarray:
    """Mean of the rows (or biases) of the source's ordinary entries, float32."""
    rows = source_V[match.ordinary_source_V]
    return np.asarray(rows.mean(0, dtype=np.float64), np.float32)


def _finish(name, rows, source, match, copy_overlap):
    if (rows is None) != (source is None):
        raise FreevocabError(f"{name}: the source and the new table do not both have it")
    if rows is None:
        return None
    source = np.asarray(source, np.float32)
    _check_shape(name, source, (len(match.ordinary_source_V), *source.shape[1:]))
    out = np.array(rows, np.float32)
    _check_shape(name, out, (match.target_size, *source.shape[1:]))
    mean = mean_row(source, match)
    if out.ndim == 2:
        out[~out.any(1)] = mean
    out[match.unmatched_S] = mean
    of_input = name == "input_VxD"
    partners_S = match.special_source_S if of_input else match.readout_source_S
    out[match.special_target_S] = source[partners_S]
    if copy_overlap:
        out[match.overlap_target_N] = source[match.overlap_source_N]
    bad = np.flatnonzero(~np.isfinite(out.reshape(len(out), -1)).all(1))
    if len(bad):
        which = f"{len(bad)} rows are not finite, the first that of id {bad[0]}"
        raise FreevocabError(f"{name}: {which}")
    return out


def _check_shape(name, array, shape):
    if array.shape != shape:
        raise FreevocabError(f"{name}: expected the shape {shape}, found {array.shape}")


def _overlap(source: Tokenizer, target: Tokenizer) -> np.ndarray:
    """Pairs (target id, source id), int64 [N, 2], by target id."""
    of_source, of_target = _by_bytes(source), _by_bytes(target)
    shared = of_source.keys() & of_target.keys()
    of_source = _own_first(source, of_source, shared)
    of_target = _own_first(target, of_target, shared)
    pairs = []
    for token in shared:
        ids = of_source[token]
        pairs += [(id_, ids[k if k < len(ids) else 0]) for k, id_ in enumerate(of_target[token])]
    return np.array(sorted(pairs), np.int64).reshape(-1, 2)


def _by_bytes(tokenizer: Tokenizer) -> dict[bytes, list[int]]:
    ids: dict[bytes, list[int]] = {}
    for id_, (token, special) in enumerate(
        zip(tokenizer.match_bytes(), tokenizer.special_V, strict=True)
    ):
        if not special and token:
            ids.setdefault(token, []).append(id_)
    return ids


def _own_first(tokenizer, ids, shared):
    """Ids of each string, the one that the tokenizer makes of it first."""
    several = sorted(token for token in shared if len(ids[token]) > 1)
    if not several:
        return ids
    pieces = tokenizer.decompose(several)
    out = dict(ids)
    for t, token in enumerate(several):
        own = pieces.ids_N[pieces.start_T[t] : pieces.start_T[t + 1]].tolist()
        out[token] = sorted(ids[token], key=lambda id_, own=own: ([id_] != own, id_))
    return out


def _specials(source: Tokenizer, target: Tokenizer, mapped: Mapping[int, int]) -> dict[int, int]:
    """Target id -> source id of special tokens."""
    partner: dict[int, int] = {}
    for source_id, target_id in mapped.items():
        if not 0 <= source_id < source.vocab_size:
            raise UsageError(f"special tokens: the source has no id {source_id}")
        if not 0 <= target_id < target.vocab_size or not target.special_V[target_id]:
            raise UsageError(f"special tokens: {target_id} is no special id of the target")
        partner[target_id] = source_id
    # One id may have several roles (GPT-2's end is its beginning): the first of ROLES decides.
    for role in ROLES:
        if role in target.roles and role in source.roles:
            partner.setdefault(target.roles[role], source.roles[role])
    ids_by_name = {name: id_ for id_, name in reversed(_names(source).items())}
    for id_, name in _names(target).items():
        if name in ids_by_name:
            partner.setdefault(id_, ids_by_name[name])
    if source.fingerprint() == target.fingerprint():  # also ids that no token has
        for id_ in np.flatnonzero(target.special_V).tolist():
            if id_ not in mapped.values():
                partner[id_] = id_
    return partner


def _ends(source: Tokenizer, target: Tokenizer, mapped: Mapping[int, int]) -> dict[int, int]:
    """The target's EOS -> the source's, if the target begins texts with the same token."""
    id_ = target.roles.get("eos")
    if id_ is None or id_ != target.roles.get("bos") or "eos" not in source.roles:
        return {}
    return {} if id_ in mapped.values() else {id_: source.roles["eos"]}


def _names(tokenizer: Tokenizer) -> dict[int, str]:
    """How special tokens are written, by id, where the tokenizer tells."""
    return dict(sorted(tokenizer.special_names.items()))
