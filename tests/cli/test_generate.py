"""`freevocab generate` with a Hugging Face folder."""

import numpy as np
import pytest

from research.cli.generate import Generate, run
from research.codecs.subword import BPECodec
from research.errors import UsageError
from research.models import pretrained
from research.testing.tiny import tiny_model
from research.transfer.convert.target_tokenizer import open_target
from research.vocabularies.learned import LearnedEmbedding


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("generate")
    BPECodec.train([b"the cat and the other cats of the house"], 280).save(where / "codec")
    tokenizer = open_target(str(where / "codec"))
    changes = {"positions": "rotary", "mlp": "gated_silu", "vocabulary": LearnedEmbedding(True)}
    params, config = tiny_model(vocab_size=tokenizer.vocab_size, **changes)
    pretrained.from_language_model(params, config, tokenizer).save(where / "model")
    return where / "model"


def test_the_most_probable_ids_are_those_of_the_logits(folder, capfdbinary):
    lm = pretrained.load(folder)
    ids = [lm.tokenizer.roles["bos"], *lm.tokenizer.encode(["the cat"])[0].tolist()]
    prompt = len(ids)
    while len(ids) < prompt + 8:
        logits = np.array(lm.logits([ids])[0, -1])
        logits[lm.tokenizer.roles["bos"]] = -np.inf
        if (best := int(logits.argmax())) == lm.tokenizer.roles["eos"]:
            break
        ids.append(best)
    run(Generate(str(folder), "the cat", max_tokens=8, temperature=0, raw=True))
    expected = b"".join(lm.tokenizer.token_bytes()[id_] for id_ in ids)
    assert capfdbinary.readouterr().out == expected


def test_a_folder_that_is_none_says_what_it_is(tmp_path):
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "x/y"}')
    with pytest.raises(UsageError, match="an adapter of x/y, no model"):
        run(Generate(str(tmp_path)))
