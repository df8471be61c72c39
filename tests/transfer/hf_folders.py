"""Small Hugging Face folders with the tensors of each family, and tokenizers to move them to."""

import json

import numpy as np
import pytest
import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from research.cli.transfer import Transfer, run
from research.corpora import load
from research.models import safetensors_shards as shards
from research.transfer.convert import hf_tables

D = 16
# The family's table names; everything else in the files stands for the trunk.
NAMES = {
    "gpt2": ("GPT2LMHeadModel", "transformer.wte.weight", None),
    "llama": ("LlamaForCausalLM", "model.embed_tokens.weight", "lm_head.weight"),
    "mistral": ("MistralForCausalLM", "model.embed_tokens.weight", "lm_head.weight"),
    "qwen2": ("Qwen2ForCausalLM", "model.embed_tokens.weight", "lm_head.weight"),
    "qwen3": ("Qwen3ForCausalLM", "model.embed_tokens.weight", "lm_head.weight"),
    "gemma2": ("Gemma2ForCausalLM", "model.embed_tokens.weight", None),
    "roberta": ("RobertaForMaskedLM", "roberta.embeddings.word_embeddings.weight", None),
    "xlm-roberta": ("XLMRobertaForMaskedLM", "roberta.embeddings.word_embeddings.weight", None),
}
TRUNK = "layers.0.mlp.weight"


def text(num_bytes=200_000):
    """Some of the built-in text."""
    documents = b"\n".join(load("builtin:topics").documents("valid"))
    return documents[:num_bytes].decode("utf-8", "ignore")


def bpe(path, size, specials=("<s>", "</s>"), first=True, **roles):
    """A byte-level BPE as a folder; its special tokens are the first or the last ids."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=list(specials) if first else [],
        show_progress=False,
    )
    tokenizer.train_from_iterator([text()], trainer)
    tokenizer.add_special_tokens(list(specials))
    path.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast"}
    config |= {f"{role}_token": token for role, token in roles.items()}
    (path / "tokenizer_config.json").write_text(json.dumps(config))
    return path


def model(path, kind, size, *, dtype=np.float32, padding=0, tokenizer=None, seed=0, **config):
    """A folder of family `kind` with tables of `size` + `padding` rows.

    Returns:
      (the folder, its tensors)
    """
    rng = np.random.default_rng(seed)
    architecture, embedding, head = NAMES[kind]
    rows = size + padding
    arrays = {embedding: rng.normal(size=(rows, D)).astype(dtype)}
    arrays[TRUNK] = rng.normal(size=(D, 3)).astype(dtype)
    if head and not config.get("tie_word_embeddings"):
        arrays[head] = rng.normal(size=(rows, D)).astype(dtype)
    if "roberta" in kind:
        arrays["lm_head.bias"] = rng.normal(size=rows).astype(dtype)
        positions = rng.normal(size=(40, D)).astype(dtype)
        arrays["roberta.embeddings.position_embeddings.weight"] = positions
        config.setdefault("max_position_embeddings", 40)
    path.mkdir(parents=True, exist_ok=True)
    shards.write_checkpoint(path, [shards.entry(*one) for one in arrays.items()])
    content = {"architectures": [architecture], "model_type": kind, "vocab_size": rows} | config
    (path / "config.json").write_text(json.dumps(content))
    for file in tokenizer.iterdir() if tokenizer else ():
        (path / file.name).write_bytes(file.read_bytes())
    return path, arrays


def config_of(path, name="config.json"):
    """A folder's configuration."""
    return json.loads((path / name).read_text())


def transfer(model, tokenizer, out, method="fvt", **options):
    """What `freevocab transfer` says; errors come through."""
    said = []
    run(Transfer(str(model), str(tokenizer), str(out), method, **options), say=said.append)
    return "\n".join(said)


def opened(path):
    """(config, tensors, tables) of a folder."""
    config, tensors = hf_tables.read_config(path), shards.open_checkpoint(path)
    return config, tensors, hf_tables.find(config, tensors)


def replaced(layout):
    """Names of the tensors with a row for each id."""
    return (*layout.inputs, *layout.outputs, *layout.biases)


def rewrite(path, arrays):
    """Writes other tensors into a folder."""
    shards.write_checkpoint(path, [shards.entry(*one) for one in arrays.items()])


def edit(path, **changes):
    """Changes keys of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def message(kind, source, new, out, method="fvt", **options):
    """The one line of an error that must leave nothing at `out`."""
    with pytest.raises(kind) as caught:
        transfer(source, new, out, method, **options)
    assert "\n" not in str(caught.value) and not out.exists()
    left = [path.name for path in out.parent.iterdir() if path.name.startswith(f".{out.name}")]
    assert left == []
    return str(caught.value)
