"""The new tokenizer's files beside a checkpoint, so that transformers takes them as they are.

A tokenizer class named in tokenizer_config.json (LlamaTokenizer, ...) makes transformers 5 build
its own normaliser and pre-tokenizer around the vocabulary, and other ids come out. The class
PreTrainedTokenizerFast uses tokenizer.json to the letter. For some families transformers goes by
the model whatever the file says, unless that names code of its own; then it is content with the
class, and never runs the code unless it is told to trust it.
"""

import json
from collections.abc import Mapping

from research.errors import FreevocabError

CONFIG, CLASS = "tokenizer_config.json", "PreTrainedTokenizerFast"
STUBBORN = ("qwen2",)  # of the families known here, in transformers 5.24
CODE_FILE = "plain_tokenizer.py"
CODE = '''"""The tokenizer in tokenizer.json, as it is."""

from transformers import PreTrainedTokenizerFast


class PlainTokenizer(PreTrainedTokenizerFast):
    pass
'''


def beside(files: Mapping[str, bytes], family: str) -> dict[str, bytes]:
    """The files to write; all but tokenizer_config.json are as given.

    Raises:
      FreevocabError: tokenizer_config.json is no JSON object.
    """
    try:
        config = json.loads(files[CONFIG])
        config = {key: value for key, value in config.items() if key != "auto_map"}
    except (ValueError, AttributeError) as error:
        raise FreevocabError(f"the new tokenizer's {CONFIG} is damaged ({error})") from None
    config["tokenizer_class"] = CLASS
    # None of the families tells segments apart, and causal ones refuse to be told of them.
    config["model_input_names"] = ["input_ids", "attention_mask"]
    out = dict(files)
    if family in STUBBORN:
        module = CODE_FILE.removesuffix(".py")
        config["auto_map"] = {"AutoTokenizer": [None, f"{module}.PlainTokenizer"]}
        out[CODE_FILE] = CODE.encode()
    out[CONFIG] = (json.dumps(config, indent=1, ensure_ascii=False) + "\n").encode()
    return out
