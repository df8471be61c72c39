"""Older tokenizers: vocab.json with merges.txt (GPT-2, RoBERTa), vocab.txt (BERT), as a
tokenizer.json. Neither says how text is cut; the class that is named next to them does."""

from collections.abc import Mapping
from typing import Any

from research.errors import FreevocabError, UsageError
from research.tokenizers import added_tokens, classes, folder, roles, tiktoken_file
from research.tokenizers.folder import Files
from research.tokenizers.tokenizer_json import byte_alphabet

VOCABULARY, MERGES, WORD_PIECES = "vocab.json", "merges.txt", "vocab.txt"
# Classes that cut text as GPT-2 does, those among them that frame it as RoBERTa does, and Qwen's.
_FRAMED = ("Roberta", "Longformer", "LED", "Bart")
_LIKE_GPT2 = ("", "GPT2", "CodeGen", *_FRAMED)
_QWEN = ("Qwen2",)
_BERT = ("", "Bert", "DistilBert", "Electra", "MobileBert", "LayoutLM", "Funnel")
_ENDS = ("[UNK]", "[CLS]", "[SEP]")
_FLAGS = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
_ADVICE = ("save it as a tokenizer.json first, with AutoTokenizer.from_pretrained(DIR)"
           ".save_pretrained(OUT) of transformers")  # fmt: skip


def is_vocabulary(content: Any) -> bool:
    """Is this a vocab.json, parsed?"""
    return isinstance(content, Mapping) and bool(content) and all(
        isinstance(id_, int) for id_ in content.values()
    )  # fmt: skip


def byte_level(vocabulary: Mapping[str, int], beside: Files) -> dict[str, Any]:
    """The parsed tokenizer.json of a vocab.json; merges.txt is one of the files next to it.

    Raises:
      UsageError: no merges.txt, or a class that cuts text by rules not known here.
      FreevocabError: a file is damaged.
    """
    if MERGES not in beside:
        raise UsageError(f"a {VOCABULARY} needs the {MERGES} next to it")
    name = classes.name_of(beside)
    if name not in (*_LIKE_GPT2, *_QWEN):
        raise UsageError(f"{name}Tokenizer is not known here without a tokenizer.json: {_ADVICE}")
    lines = beside[MERGES].decode().splitlines()
    lines = lines[1:] if lines and lines[0].startswith("#version") else lines
    merges = [line.split(" ") for line in lines if line]
    if any(len(pair) != 2 for pair in merges):
        raise FreevocabError(f"{MERGES} next to it is damaged: a line is no pair")
    if missing := [p for p in merges if not {*p, "".join(p)} <= vocabulary.keys()]:
        raise FreevocabError(f"{MERGES} next to it is another tokenizer's: {missing[0]} is missing")
    added = _specials(vocabulary, beside)
    alphabet, special = byte_alphabet(), {token["content"] for token in added}
    if any(c not in alphabet for token in vocabulary.keys() - special for c in token):
        raise UsageError(f"this {VOCABULARY} is not byte-level as GPT-2's: {_ADVICE}")
    level: dict[str, Any] = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    cutter, normalizer = level | {"use_regex": True}, None
    if name in _QWEN:
        split = {"type": "Split", "pattern": {"Regex": tiktoken_file.QWEN}, "invert": False}
        steps = [split | {"behavior": "Isolated"}, level | {"use_regex": False}]
        cutter = {"type": "Sequence", "pretokenizers": steps}
        normalizer = {"type": "NFC"}
    frame = None
    if name in _FRAMED or {"<s>", "</s>", "<mask>"} <= vocabulary.keys():
        ends = {end: [token, vocabulary[token]] for end, token in (("cls", "<s>"), ("sep", "</s>"))}
        frame = {"type": "RobertaProcessing", "trim_offsets": True, "add_prefix_space": False}
        frame |= ends
    model = {"type": "BPE", "vocab": dict(vocabulary), "merges": merges}
    return {
        "version": "1.0", "added_tokens": added, "normalizer": normalizer, "pre_tokenizer": cutter,
        "post_processor": frame, "decoder": level | {"use_regex": True}, "model": model,
    }  # fmt: skip


def word_pieces(content: bytes, beside: Files) -> dict[str, Any]:
    """The parsed tokenizer.json of a vocab.txt: an entry a line, whose number is its id.

    Letters are made small if tokenizer_config.json says so, or says nothing and no entry has a
    capital.

    Raises:
      UsageError: not BERT's special tokens, or another class.
      FreevocabError: a token comes twice.
    """
    name = classes.name_of(beside)
    tokens = content.decode().removesuffix("\n").split("\n")
    tokens = [token.removesuffix("\r") for token in tokens]
    if name not in _BERT or not {*_ENDS} <= {*tokens}:
        raise UsageError(f"this {WORD_PIECES} is not BERT's: {_ADVICE}")
    vocabulary = {token: id_ for id_, token in enumerate(tokens)}
    if len(vocabulary) < len(tokens):
        raise FreevocabError(f"{WORD_PIECES} is damaged: a token comes twice")
    added = _specials(vocabulary, beside)
    special = {token["content"] for token in added}
    small = not any(token != token.lower() for token in vocabulary.keys() - special)
    config = folder.parsed(beside, folder.CONFIG) or {}
    return {
        "version": "1.0",
        "added_tokens": added,
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": config.get("tokenize_chinese_chars", True),
            "strip_accents": config.get("strip_accents"),
            "lowercase": config.get("do_lower_case", small),
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "BertProcessing",
            "sep": ["[SEP]", vocabulary["[SEP]"]],
            "cls": ["[CLS]", vocabulary["[CLS]"]],
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocabulary,
        },
    }


def _specials(vocabulary: Mapping[str, int], beside: Files) -> list[dict[str, Any]]:
    named = {token.content for token in added_tokens.listed(beside) if token.special}
    named |= {name for names in roles.WELL_KNOWN.values() for name in names}
    found = sorted((vocabulary[name], name) for name in named if name in vocabulary)
    return [{"id": id_, "content": name, "special": True} | _FLAGS for id_, name in found]
