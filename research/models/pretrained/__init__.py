"""Other people's language models: Hugging Face folders of several families, read and written.

    lm = pretrained.load("folder")     # config.json, *.safetensors and perhaps a tokenizer
    lm.logits(ids_BxL)                 # what transformers gives, within 1e-4 in float32
    lm.save("another")                 # opens in transformers

A family is nothing but options of the one trunk, so `lm.params` and `lm.config` go wherever those
of a model trained here go: training, sharding, cached decoding, evaluation.
"""

from research.models.pretrained.conversion import from_language_model
from research.models.pretrained.model import CONFIG, PretrainedLM, load

__all__ = ["CONFIG", "PretrainedLM", "from_language_model", "load"]
