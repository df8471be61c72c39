"""Checkpoints moved by a hypernetwork: the right one, another model's, a damaged one."""

import jax
import numpy as np
import pytest

from research import tokenizers
from research.errors import FreevocabError, UsageError
from research.models import safetensors_shards as shards
from research.transfer import matching
from research.transfer.hypernet import hypernetwork_file
from research.transfer.source_model import SourceModel
from research.vocabularies import hypernetwork
from tests.transfer import hf_folders
from tests.transfer.hf_folders import edit, message, opened, rewrite, transfer


@pytest.fixture(params=["llama", "gpt2", "roberta"])
def made(request, old, tmp_path):
    """A checkpoint, its tensors and an untrained network for it, whose rows are FVT's."""
    kind = request.param
    source, arrays = hf_folders.model(tmp_path / "m", kind, 420, tokenizer=old, padding=4)
    _, _, layout = opened(source)
    tokenizer = tokenizers.load(source)
    table = layout.read(tokenizer)
    config = hypernetwork.HypernetworkConfig(
        hf_folders.D, layout.tied, bool(layout.biases), num_layers=1, num_heads=2
    )
    params = hypernetwork.init(jax.random.key(0), config, table)
    vocabulary = {name: one for name, one in table._asdict().items() if one is not None}
    model = SourceModel({"vocabulary": vocabulary}, None, tokenizer)
    hypernetwork_file.save(tmp_path / "hn", params, config, model)
    return source, arrays, tmp_path / "hn"


def test_an_untrained_network_predicts_fvt(made, new, tmp_path):
    source, arrays, network = made
    ours, theirs = tokenizers.load(new), tokenizers.load(source)
    match = matching.match(theirs, ours)
    transfer(source, new, tmp_path / "fvt")
    given = dict(hypernetwork=str(network))
    said = transfer(source, new, tmp_path / "out", "hypernetwork", **given)
    transfer(source, new, tmp_path / "copied", "hypernetwork", copy_overlap=True, **given)
    assert "another model" not in said
    layout = opened(source)[2]
    for name in hf_folders.replaced(layout):
        fvt, out, copied = (
            shards.open_checkpoint(tmp_path / folder)[name].read()
            for folder in ("fvt", "out", "copied")
        )
        np.testing.assert_array_equal(
            copied[match.overlap_target_N], arrays[name][match.overlap_source_N]
        )
        if name not in layout.biases:
            new_M = match.new_target_M
            np.testing.assert_allclose(out[new_M], fvt[new_M], atol=1e-5)
        np.testing.assert_array_equal(
            out[match.special_target_S], arrays[name][match.special_source_S]
        )


def test_a_variant_of_the_model_is_noted_and_another_model_refused(made, new, tmp_path):
    source, arrays, network = made
    given = dict(hypernetwork=str(network))
    tables = hf_folders.replaced(opened(source)[2])
    tuned = {n: one + 0.01 if n in tables else one for n, one in arrays.items()}
    rewrite(source, tuned)
    said = transfer(source, new, tmp_path / "out", "hypernetwork", **given, dry_run=True)
    assert "was trained for another model with this tokenizer" in said
    other, _ = hf_folders.model(tmp_path / "other", "llama", 605, tokenizer=new)
    for dry_run in (True, False):
        said = message(UsageError, other, new, tmp_path / "out", "hypernetwork",
                       **given, dry_run=dry_run)  # fmt: skip
        assert "train one for this model" in said


def test_a_damaged_network_is_named(made, new, tmp_path):
    source, _, network = made
    given = dict(hypernetwork=str(network))

    def said(kind):
        return message(kind, source, new, tmp_path / "out", "hypernetwork", **given)

    data = (network / "params.safetensors").read_bytes()
    (network / "params.safetensors").write_bytes(data[:-8])
    assert "params.safetensors is damaged" in said(FreevocabError)
    edit(network / "hypernetwork.json", format="something")
    assert "does not describe a hypernetwork" in said(UsageError)
    (network / "hypernetwork.json").unlink()
    assert "is no hypernetwork folder" in said(UsageError)
