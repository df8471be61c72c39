"""What a tokenizer puts around a text by itself, and whether the new one does the same.

A model that has always seen its BOS does worse without it, and nothing says so later.
"""

import json
from typing import Any

from research.errors import FreevocabError
from research.tokenizers import Tokenizer
from research.transfer.convert import special_ids


def notes(source: Tokenizer, target: Tokenizer, renaming: special_ids.Renaming) -> list[str]:
    """One line if texts are framed differently, one if a chat template is lost."""
    before, old_config = _frame(source)
    after, new_config = _frame(target)
    successors = [renaming.one(id_, _role(source, id_)) for id_ in before]
    out = []
    if before and successors != after:
        lacking = [id_ for id_ in successors if id_ is not None and id_ not in after]
        advice = f"; put {_written(target, lacking)} there yourself" if lacking else ""
        out.append(f"the old tokenizer puts {_written(source, before)} around every text, the new "
                   f"one {_written(target, after)}{advice}")  # fmt: skip
    elif after and not before:
        out.append(f"the new tokenizer puts {_written(target, after)} around every text, which "
                   "the model has not seen: add_special_tokens=False leaves it out")  # fmt: skip
    if _has_template(source, old_config) and not _has_template(target, new_config):
        out.append("the original's chat template is left out: it names the old special tokens")
    return out


def _frame(tokenizer: Tokenizer) -> tuple[list[int], dict[str, Any]]:
    """Ids around an empty text, in order, and tokenizer_config.json."""
    import tokenizers

    try:
        files = getattr(tokenizer, "files", {})
    except FreevocabError:  # a sentencepiece model that transformers' format cannot express
        return [], {}
    config = json.loads(files.get("tokenizer_config.json", b"{}"))
    ids = []
    if "tokenizer.json" in files:
        ids = list(tokenizers.Tokenizer.from_str(files["tokenizer.json"].decode()).encode("").ids)
    bos = tokenizer.roles.get("bos")
    if config.get("add_bos_token") and bos is not None and bos not in ids:
        ids = [bos, *ids]
    return ids, config


def _has_template(tokenizer: Tokenizer, config: dict[str, Any]) -> bool:
    if not config:
        return False
    beside = any(name.startswith("chat_template") for name in tokenizer.files)
    return beside or bool(config.get("chat_template"))


def _role(tokenizer: Tokenizer, id_: int) -> str:
    return next((role for role, own in tokenizer.roles.items() if own == id_), "bos")


def _written(tokenizer: Tokenizer, ids: list[int]) -> str:
    return " and ".join(special_ids.written(tokenizer, id_) for id_ in ids) or "nothing"
