"""Mistral's tekken.json (ranks, expression and special tokens in one file) as a tokenizer.json."""

import base64
from collections.abc import Mapping
from typing import Any

from research.errors import FreevocabError
from research.tokenizers import tiktoken_file

# Of files that do not list their special tokens (versions up to 3), by id.
_EARLY = (
    "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]", "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]",
    "[IMG_END]", "[PREFIX]", "[MIDDLE]", "[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]",
    "[TOOL_CONTENT]",
)  # fmt: skip


def is_tekken(content: Any) -> bool:
    """Is this a tekken.json, parsed?"""
    return (
        isinstance(content, Mapping)
        and isinstance(content.get("config"), Mapping)
        and isinstance(content.get("vocab"), list)
        and "pattern" in content["config"]
    )


def tokenizer_json(content: Mapping[str, Any]) -> dict[str, Any]:
    """The parsed tokenizer.json with the same ids: special tokens first, then the ranks, of which
    the file says how many count.

    Raises:
      FreevocabError: bytes are missing, or a token comes twice.
    """
    config = content["config"]
    count = int(config["default_num_special_tokens"])
    listed = {int(t["rank"]): t["token_str"] for t in content.get("special_tokens") or ()}
    listed = listed or dict(enumerate(_EARLY))
    specials = {listed.get(id_, f"<SPECIAL_{id_}>"): id_ for id_ in range(count)}
    entries = content["vocab"][: int(config["default_vocab_size"]) - count]
    ids = {base64.b64decode(t["token_bytes"]): int(t["rank"]) + count for t in entries}
    if len(ids) < len(entries) or len({*ids.values()}) < len(entries):
        raise FreevocabError("the tekken.json is damaged: a token or a rank comes twice")
    if any(bytes([byte]) not in ids for byte in range(256)):
        raise FreevocabError("the tekken.json lacks single bytes: it is damaged")
    return tiktoken_file.tokenizer_json(ids, pattern=config["pattern"], specials=specials)
