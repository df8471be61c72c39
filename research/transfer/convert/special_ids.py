"""Special tokens in config.json and generation_config.json, and around every text.

An id that is left as it was would mean another token, or none: transformers then pads, starts or
stops at the wrong place, or does not open the model at all. A model that has always seen its BOS
does worse without it, and nothing says so later.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from research.errors import FreevocabError, UsageError
from research.tokenizers import ROLES, Tokenizer
from research.tokenizers.json_library import JsonLibrary
from research.transfer.matching import Match

SUFFIX = "_token_id"
# Lists of ordinary ids, which have no equal in another tokenizer; generation goes on without them.
DROPPED = ("suppress_tokens", "begin_suppress_tokens", "bad_words_ids", "forced_decoder_ids",
           "force_words_ids", "sequence_bias", "forced_bos_tokens")  # fmt: skip


class Renaming(NamedTuple):
    """How the source's ids turn into the target's."""

    source_roles: Mapping[str, int]
    """Ids by what they are for."""
    target_roles: Mapping[str, int]
    targets: Mapping[int, list[int]]
    """Source id -> target ids that stand for the same, by id."""
    ordinary: frozenset[int]
    """Source ids that stand for text."""

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
        successors = list(dict.fromkeys(id_ for id_ in new if id_ is not None))
        if not successors and role in renaming.target_roles:
            successors = [renaming.target_roles[role]]
        lost = [id_ for id_, now in zip(old, new, strict=True) if now is None]
        if lost and (len(old) > 1 or not successors):
            ids = ", ".join(map(str, lost))
            notes.append(f"{key} {ids} has no successor; --map-special names one")
        if isinstance(value, list):
            out[key] = successors or None
        else:
            out[key] = successors[0] if successors else None
    return out, notes


def frame_notes(source: Tokenizer, target: Tokenizer, renaming: Renaming) -> list[str]:
    """One line if another frame is put around texts, one if a chat template is lost."""
    before, old_config = _frame(source)
    after, new_config = _frame(target)
    successors = [renaming.one(id_, _role(source, id_)) for id_ in before]
    out = []
    if before and successors != after:
        lacking = [id_ for id_ in successors if id_ is not None and id_ not in after]
        advice = f"; put {_written_all(target, lacking)} there yourself" if lacking else ""
        out.append(f"the old tokenizer puts {_written_all(source, before)} around every text, "
                   f"the new one {_written_all(target, after)}{advice}")  # fmt: skip
    elif after and not before:
        out.append(f"the new tokenizer puts {_written_all(target, after)} around every text, which "
                   "the model has not seen: add_special_tokens=False leaves it out")  # fmt: skip
    if _has_template(source, old_config) and not _has_template(target, new_config):
        out.append("the original's chat template is left out: it names the old special tokens")
    return out


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
    name = tokenizer.special_names.get(id_)
    if name is None:
        name = next((role for role in ROLES if tokenizer.roles.get(role) == id_), None)
    return f"{id_}" if name is None else f"{name} ({id_})"


def _id(word: str, tokenizer: Tokenizer) -> int | None:
    by_name = {name: id_ for id_, name in tokenizer.special_names.items()}
    if word in by_name:
        return by_name[word]
    if word in tokenizer.roles:
        return tokenizer.roles[word]
    return int(word) if word.isdecimal() and int(word) < tokenizer.vocab_size else None


def _unknown(
    pair: str,
    cuts: list[int],
    sides: list[tuple[int | None, int | None]],
    source: Tokenizer,
    target: Tokenizer,
) -> str:
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


def _frame(tokenizer: Tokenizer) -> tuple[list[int], dict[str, Any]]:
    """Ids around an empty text, in order, and tokenizer_config.json."""
    try:
        files = tokenizer.files
    except FreevocabError:  # a sentencepiece model that transformers' format cannot express
        return [], {}
    config = json.loads(files.get("tokenizer_config.json", b"{}"))
    ids = []
    if "tokenizer.json" in files:
        ids = JsonLibrary(files["tokenizer.json"]).frame()
    ends = [name for name in ("bos", "eos") if f"add_{name}_token" in config]
    if ends:  # these rule over the file
        added = [name for name in ends if config[f"add_{name}_token"]]
        ids = [tokenizer.roles[name] for name in added if name in tokenizer.roles]
    return ids, config


def _has_template(tokenizer: Tokenizer, config: dict[str, Any]) -> bool:
    if not config:
        return False
    own_file = any(name.startswith("chat_template") for name in tokenizer.files)
    return own_file or bool(config.get("chat_template"))


def _role(tokenizer: Tokenizer, id_: int) -> str:
    return next((role for role, own in tokenizer.roles.items() if own == id_), "bos")


def _written_all(tokenizer: Tokenizer, ids: list[int]) -> str:
    return " and ".join(written(tokenizer, id_) for id_ in ids) or "nothing"
