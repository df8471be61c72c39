"""Ids of special tokens in config.json and generation_config.json, rewritten for new ids.

An id that is left as it was would mean another token, or none: transformers then pads, starts or
stops at the wrong place, or does not open the model at all.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from research.errors import UsageError
from research.tokenizers import ROLES, Tokenizer
from research.transfer.matching import Match

SUFFIX = "_token_id"
# What transformers takes where config.json says nothing.
DEFAULTS = {
    "gpt2": {"bos": 50256, "eos": 50256},
    "llama": {"bos": 1, "eos": 2},
    "mistral": {"bos": 1, "eos": 2},
    "gemma2": {"pad": 0, "eos": 1, "bos": 2},
    "roberta": {"bos": 0, "pad": 1, "eos": 2},
    "xlm-roberta": {"bos": 0, "pad": 1, "eos": 2},
}
# Lists of ordinary ids, which have no equal in another tokenizer; generation goes on without them.
DROPPED = ("suppress_tokens", "begin_suppress_tokens", "bad_words_ids", "forced_decoder_ids",
           "force_words_ids", "sequence_bias", "forced_bos_tokens")  # fmt: skip


class Renaming(NamedTuple):
    """How the source's ids turn into the target's.

    Attributes:
      source_roles, target_roles: ids by what they are for.
      targets: source id -> target ids that stand for the same, by id.
      ordinary: source ids that stand for text.
    """

    source_roles: Mapping[str, int]
    target_roles: Mapping[str, int]
    targets: Mapping[int, list[int]]
    ordinary: frozenset[int]

    @classmethod
    def of(cls, source: Tokenizer, target: Tokenizer, match: Match) -> "Renaming":
        """From the pairs of two tokenizers."""
        targets: dict[int, list[int]] = {}
        of_source = np.concatenate([match.special_source_S, match.overlap_source_N])
        of_target = np.concatenate([match.special_target_S, match.overlap_target_N])
        for old, new in zip(of_source.tolist(), of_target.tolist(), strict=True):
            targets.setdefault(old, []).append(new)
        ordinary = frozenset(np.flatnonzero(match.ordinary_source_V).tolist())
        return cls(source.roles, target.roles, targets, ordinary)

    def one(self, id_: int, role: str) -> int | None:
        """The new id for `id_`, used as `role`; None if the target has none like it.

        The role decides where the source's tokenizer agrees that `id_` has it (GPT-2's one token
        is beginning and end, which another tokenizer keeps apart), and where `id_` is no special
        token at all; else whoever is its partner.
        """
        agreed = self.source_roles.get(role) == id_ or id_ in self.ordinary
        if agreed and role in self.target_roles:
            return self.target_roles[role]
        partners = self.targets.get(id_, [])
        for preferred in (role, "eos"):
            if self.target_roles.get(preferred) in partners:
                return self.target_roles[preferred]
        return partners[0] if partners else None


def rewrite(
    content: Mapping[str, Any], renaming: Renaming, defaults: Mapping[str, int] = {}
) -> tuple[dict[str, Any], list[str]]:
    """A configuration with every special id rewritten, and one line for each that was dropped.

    Keys keep their order and their names. What was null stays null: the model was not trained
    with such a token.

    Args:
      defaults: ids by role that hold where the configuration has no key for them and the source's
        tokenizer no such role.
    """
    out, notes = dict(content), []
    for key in DROPPED:
        if out.get(key):
            notes.append(f"{key} is left out: its ids were the old tokenizer's")
        out.pop(key, None)
    for role, id_ in defaults.items():
        out.setdefault(role + SUFFIX, renaming.source_roles.get(role, id_))
    for key, value in out.items():
        if not key.endswith(SUFFIX) or value is None:
            continue
        role = key.removesuffix(SUFFIX)
        old = value if isinstance(value, list) else [value]
        new = [renaming.one(id_, role) for id_ in old]
        found = list(dict.fromkeys(id_ for id_ in new if id_ is not None))
        if not found and role in renaming.target_roles:
            found = [renaming.target_roles[role]]
        lost = [id_ for id_, now in zip(old, new, strict=True) if now is None]
        if lost and (len(old) > 1 or not found):
            ids = ", ".join(map(str, lost))
            notes.append(f"{key} {ids} has no successor; --map-special names one")
        if isinstance(value, list):
            out[key] = found or None
        else:
            out[key] = found[0] if found else None
    return out, notes


def parse_map(pairs: Sequence[str], source: Tokenizer, target: Tokenizer) -> dict[int, int]:
    """`--map-special SRC=DST ...` as source id -> target id.

    Each side is a special token as it is written, a role (bos, eos, ...) or an id.

    Raises:
      UsageError: a side names nothing, or a pair has no "=".
    """
    mapped = {}
    for pair in pairs:
        cuts = [at for at, character in enumerate(pair) if character == "="]
        sides = [(_id(pair[:at], source), _id(pair[at + 1 :], target)) for at in cuts]
        whole = [both for both in sides if None not in both]
        if not whole:
            raise UsageError(_unknown(pair, cuts, sides, source, target))
        mapped[whole[0][0]] = whole[0][1]
    return mapped


def written(tokenizer: Tokenizer, id_: int) -> str:
    """How a special token is shown to people: as it is written, with its id."""
    name = getattr(tokenizer, "special_names", {}).get(id_)
    if name is None:
        name = next((role for role in ROLES if tokenizer.roles.get(role) == id_), None)
    return f"{id_}" if name is None else f"{name} ({id_})"


def _id(word: str, tokenizer: Tokenizer) -> int | None:
    by_name = {name: id_ for id_, name in getattr(tokenizer, "special_names", {}).items()}
    if word in by_name:
        return by_name[word]
    if word in tokenizer.roles:
        return tokenizer.roles[word]
    return int(word) if word.isdecimal() and int(word) < tokenizer.vocab_size else None


def _unknown(pair, cuts, sides, source, target) -> str:
    if not cuts:
        return f"--map-special wants SRC=DST, not {pair!r}"
    known = sides[0][0] is not None
    which, tokenizer = ("new", target) if known else ("old", source)
    word = pair[cuts[0] + 1 :] if known else pair[: cuts[0]]
    specials = [written(tokenizer, int(id_)) for id_ in np.flatnonzero(tokenizer.special_V)[:8]]
    return (
        f"--map-special {pair}: the {which} tokenizer has no special token {word!r}; "
        f"it has {', '.join(specials) or 'none'}"
    )
