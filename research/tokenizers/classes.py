"""What the tokenizer class that is named next to a file does with that file.

A class of transformers may renumber the pieces of a sentencepiece model, and takes options from
tokenizer_config.json that overrule the tokenizer.json.
"""

import copy
from collections.abc import Mapping
from typing import Any

from research.errors import UsageError
from research.tokenizers import folder
from research.tokenizers.folder import Files

# Classes that use a tokenizer.json as it stands, whatever options are written next to it.
_PLAIN = ("", "PreTrainedTokenizer", "TokenizersBackend")
XLM_R = "XLMRoberta"
# Classes that give the pieces of a sentencepiece model ids of their own, each by another rule.
_RENUMBERING = (
    XLM_R, "Camembert", "Barthez", "MBart", "MBart50", "Nllb", "XGLM", "PLBart", "Pegasus",
    "BigBirdPegasus", "DebertaV2", "M2M100", "Speech2Text", "ErnieM",
)  # fmt: skip
# Of those, all models whose file has this name.
RENUMBERED_FILE = "sentencepiece.bpe.model"
_OF_MODELS = {"xlm-roberta": XLM_R, "xlm-roberta-xl": XLM_R, "camembert": "Camembert",
              "mbart": "MBart", "xglm": "XGLM", "pegasus": "Pegasus",
              "deberta-v2": "DebertaV2"}  # fmt: skip
_XLM_R_FIRST = ("<s>", "<pad>", "</s>", "<unk>")


def name_of(beside: Files) -> str:
    """The class that a tokenizer's folder names, less "Tokenizer" and "Fast"; "" if none."""
    config = folder.parsed(beside, folder.CONFIG) or {}
    name = config.get("tokenizer_class")
    if isinstance(name, str):
        name = name.removesuffix("Fast")
        return "" if name in _PLAIN else name.removesuffix("Tokenizer")
    model = folder.parsed(beside, folder.MODEL_CONFIG) or {}
    return _OF_MODELS.get(str(model.get("model_type")), "")


def renumbers(file: str, beside: Files) -> bool:
    """Do the ids of a sentencepiece file follow XLM-R's rule, not the file's own?

    Raises:
      UsageError: they follow another rule, or nothing says which.
    """
    name = name_of(beside)
    if name == XLM_R:
        return True
    advice = ("save it as a tokenizer.json first, with AutoTokenizer.from_pretrained(DIR)"
              ".save_pretrained(OUT) of transformers")  # fmt: skip
    if name in _RENUMBERING:
        raise UsageError(f"{name}Tokenizer gives the pieces of {file} ids of its own: {advice}")
    if file == RENUMBERED_FILE and not name:
        raise UsageError(
            f"models with a {file} give its pieces ids of their own, and no tokenizer_config.json "
            f"next to it says which model it is: {advice}; or name it tokenizer.model if its ids "
            "are the file's own"
        )
    return False


def as_xlm_r(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The tokenizer.json of a sentencepiece Unigram with the ids that XLM-R gives to it.

    Its three special pieces make room for four, pieces move up by one, and <mask> is the last.
    """
    entries = spec["model"]["vocab"]
    vocabulary = [[token, 0.0] for token in _XLM_R_FIRST] + list(entries[3:]) + [["<mask>", 0.0]]
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    numbered = [*enumerate(_XLM_R_FIRST), (len(vocabulary) - 1, "<mask>")]
    added = [{"id": id_, "content": token, "special": True} | flags for id_, token in numbered]
    added[-1]["lstrip"] = True
    first, last = ({"SpecialToken": {"id": token, "type_id": 0}} for token in ("<s>", "</s>"))
    one, two = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    ends = {
        token: {"id": token, "ids": [id_], "tokens": [token]}
        for token, id_ in (("<s>", 0), ("</s>", 2))
    }
    return dict(spec) | {
        "added_tokens": added,
        "model": dict(spec["model"]) | {"vocab": vocabulary, "unk_id": 3},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [first, one, last],
            "pair": [first, one, last, last, two, last],
            "special_tokens": ends,
        },
    }


def overruled(spec: Mapping[str, Any], beside: Files) -> dict[str, Any]:
    """A parsed tokenizer.json with the options of tokenizer_config.json that rule over it."""
    config = folder.parsed(beside, folder.CONFIG) or {}
    if not name_of(beside) or "tokenizer_class" not in config:
        return dict(spec)
    out = copy.deepcopy(dict(spec))
    prefix = config.get("add_prefix_space")
    cutter = out.get("pre_tokenizer") or {}
    if isinstance(prefix, bool):
        if cutter.get("type") == "ByteLevel":
            cutter["add_prefix_space"] = prefix
        elif not prefix:
            _without_prefix(out)
        elif cutter.get("type") == "Metaspace" and cutter.get("prepend_scheme") == "never":
            cutter["prepend_scheme"] = "always" if config.get("legacy", True) else "first"
    normalizer = out.get("normalizer") or {}
    if normalizer.get("type") == "BertNormalizer":
        names = {"do_lower_case": "lowercase", "strip_accents": "strip_accents",
                 "tokenize_chinese_chars": "handle_chinese_chars"}  # fmt: skip
        normalizer |= {own: config[name] for name, own in names.items() if name in config}
    return out


def _without_prefix(spec: dict[str, Any]) -> None:
    """Takes out what puts a space before texts, in place."""
    cutter = spec.get("pre_tokenizer") or {}
    if cutter.get("type") == "Metaspace":
        cutter["prepend_scheme"] = "never"
    normalizer = spec.get("normalizer") or {}
    if normalizer.get("type") == "Prepend":
        spec["normalizer"] = None
    elif normalizer.get("type") == "Sequence":
        steps = normalizer["normalizers"]
        normalizer["normalizers"] = [step for step in steps if step["type"] != "Prepend"]
