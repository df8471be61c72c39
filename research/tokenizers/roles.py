"""What special tokens are for: the roles that a tokenizer's file and the files with it name."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from research.tokenizers.protocol import ROLES

# Names that mean the same wherever they are special tokens; the first that is found counts.
WELL_KNOWN = {
    "bos": ("<s>", "<bos>", "<|begin_of_text|>", "<|startoftext|>", "<|endoftext|>"),
    "eos": ("</s>", "<eos>", "<|end_of_text|>", "<|endoftext|>"),
    "unk": ("<unk>", "[UNK]"),
    "pad": ("<pad>", "[PAD]"),
    "mask": ("<mask>", "[MASK]"),
    "sep": ("[SEP]", "<sep>"),
    "cls": ("[CLS]", "<cls>"),
}


def of_configs(
    ids: Mapping[str, int],
    special: Mapping[int, str],
    configs: Sequence[Mapping[str, Any]],
    own: Mapping[str, int],
) -> dict[str, int]:
    """The id of each role, in the order of `ROLES`; roles that nothing fills are left out.

    Args:
      ids: every token by how it is written.
      special: how special tokens are written, by id; only these are known by name alone.
      configs: parsed tokenizer_config.json, special_tokens_map.json, generation_config.json,
        whichever there are. The first that names a role counts; `null` says that it has none.
      own: what the tokenizer's file itself says.
    """
    out: dict[str, int | None] = {}
    for config in configs:
        for role in ROLES:
            if f"{role}_token" in config:
                token = written(config[f"{role}_token"])
                if token is None or token in ids:
                    out.setdefault(role, None if token is None else ids[token])
            number = config.get(f"{role}_token_id")
            number = number[0] if isinstance(number, list) and number else number
            if isinstance(number, int) and number in special:
                out.setdefault(role, number)
    for role, id_ in own.items():
        out.setdefault(role, id_)
    by_name = {name: id_ for id_, name in [*special.items()][::-1]}
    for role, names in WELL_KNOWN.items():
        known = [by_name[name] for name in names if name in by_name]
        if known:
            out.setdefault(role, known[0])
    filled = {role: id_ for role, id_ in out.items() if id_ is not None}
    return {role: filled[role] for role in ROLES if role in filled}


def written(token: Any) -> str | None:
    """A token as configurations write it: a string, or a mapping with its content."""
    if isinstance(token, Mapping):
        token = token.get("content")
    return token if isinstance(token, str) else None


def config(roles: Mapping[str, int], ids: Mapping[str, int]) -> bytes:
    """A tokenizer_config.json that lets transformers take the tokenizer.json as it is."""
    names = {id_: token for token, id_ in ids.items()}
    content: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
    }
    content |= {f"{role}_token": names[id_] for role, id_ in roles.items() if id_ in names}
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
