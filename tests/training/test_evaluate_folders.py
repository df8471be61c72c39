"""`freevocab evaluate` on Hugging Face folders."""

import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import pytest

from research import codecs, corpora
from research.cli import evaluate as evaluate_command
from research.cli.evaluate import Evaluate
from research.codecs import lm_folder
from research.codecs.subword import BPECodec
from research.corpora import Corpus
from research.corpora.text import whole as text_of
from research.errors import FreevocabError, UsageError
from research.models import language_model, pretrained
from research.testing.tiny import tiny_model
from research.training import model_folders
from research.transfer.convert.target_tokenizer import open_target
from research.vocabularies.learned import LearnedEmbedding

LENGTH, BATCH = 16, 8
FIXTURES = Path(__file__).resolve().parents[1] / "models" / "fixtures" / "families"


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    """One model as a freevocab folder and as a Hugging Face folder, and a text of 3 documents."""
    folder = tmp_path_factory.mktemp("evaluate")
    documents = [text[:400] for text, _ in zip(
        corpora.load("builtin:topics").documents("valid"), range(3), strict=False)]  # fmt: skip
    tagged = b"".join(b"<doc>\n" + text + b"\n</doc>\n" for text in documents)
    (folder / "text.txt").write_bytes(tagged)
    codec = BPECodec.train(documents, 280)
    codec.save(folder / "codec")
    changes = {"positions": "rotary", "mlp": "gated_silu", "vocabulary": LearnedEmbedding(True)}
    params, config = tiny_model(vocab_size=codec.vocab_size + 2, **changes)
    lm_folder.save(folder / "ours", params, config, codec, {"length": LENGTH})
    tokenizer = open_target(str(folder / "codec"))
    lm = pretrained.from_language_model(params, config, tokenizer, context=LENGTH)
    lm.save(folder / "theirs")
    return folder, lm


def evaluate(folder, name, **options):
    lines = []
    options = {"text": str(folder / "text.txt"), "stores": str(folder / "stores")} | options
    sums = evaluate_command.run(
        Evaluate(str(folder / name), batch_size=BATCH, **options), lines.append
    )
    return sums, "\n".join(lines)


def test_a_loss_that_is_not_finite_is_an_error(setting, tmp_path):
    folder, _ = setting
    params, config, codec, meta = lm_folder.load(folder / "ours")
    broken = jax.tree.map(lambda leaf: leaf * np.nan, params)
    lm_folder.save(tmp_path / "broken", broken, config, codec, meta)
    with pytest.raises(FreevocabError, match="not finite"):
        evaluate(folder, tmp_path / "broken")


def changed(folder, name, change):
    """A copy of 'theirs' whose tokenizer.json and tokenizer_config.json went through `change`."""
    copy = folder / name
    copy.mkdir(exist_ok=True)
    for path in (folder / "theirs").iterdir():
        content = path.read_bytes()
        if path.suffix == ".json":
            content = json.dumps(change(path.name, json.loads(content))).encode()
        (copy / path.name).write_bytes(content)
    return copy


def test_both_folders_of_one_model_give_the_same(setting):
    folder, _ = setting
    ours, said = evaluate(folder, "ours")
    theirs, also = evaluate(folder, "theirs")
    assert (ours.tokens, ours.bytes) == (theirs.tokens, theirs.bytes)
    np.testing.assert_allclose(theirs.nats, ours.nats, rtol=1e-5)
    assert "<|bos|>" in also and "before every window" in also and "280" in said
    for text in (said, also):
        assert f"bits/byte   {ours.bits_per_byte:.4f}" in text
        assert f"tokens/byte {ours.tokens / ours.bytes:.6f}" in text
    given, _ = evaluate(folder, "theirs", tokenizer=str(folder / "theirs" / "tokenizer.json"))
    assert (given.tokens, given.bytes) == (theirs.tokens, theirs.bytes)


def plain_sum(lm, documents, start, between, counted):
    """Window by window, without any of the machinery: a start of None charges ln V."""
    stream = [(id_, True) for text in documents for id_ in [*text, None]]
    nats = tokens = 0
    for first in range(0, len(stream), LENGTH):
        window = stream[first : first + LENGTH]
        seen = [] if start is None else [start]
        for id_, _ in window:
            if id_ is None and not counted:
                seen = [] if between is None else [*seen, between]
                continue
            target = between if id_ is None else id_
            tokens += 1
            if seen:
                padded = np.zeros((1, LENGTH), int)
                padded[0, : len(seen)] = seen
                logits = np.asarray(lm.logits(padded), np.float64)[0, len(seen) - 1]
                nats += np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[target]
            else:
                nats += np.log(lm.config.rows)
            seen = [*seen, target]
    return nats, tokens


def test_special_tokens_beyond_the_last_row_are_none_of_the_models(setting):
    folder, _ = setting

    def change(file, content):
        if file != "tokenizer.json":
            return content
        one = content["added_tokens"][0]
        more = [one | {"id": 282, "content": "<PRE>"}, one | {"id": 283, "content": "<SUF>"}]
        return content | {"added_tokens": [*content["added_tokens"], *more]}

    theirs, _ = evaluate(folder, "theirs")
    changed(folder, "longer", change)
    longer, _ = evaluate(folder, "longer")
    assert (longer.tokens, longer.nats) == (theirs.tokens, theirs.nats)


def test_weights_that_are_quantised_are_named(setting):
    folder, _ = setting

    def change(file, content):
        return content | ({"quantization_config": {"quant_method": "fp8"}}
                          if file == "config.json" else {})  # fmt: skip

    changed(folder, "fp8", change)
    with pytest.raises(UsageError, match=r"quantised \(fp8\).* bfloat16"):
        evaluate(folder, "fp8")


@pytest.mark.parametrize("roles", [("bos", "eos"), ("bos",), ("eos",), ()])
def test_a_plain_sum_with_whatever_specials_there_are(setting, roles):
    folder, lm = setting
    names = {"bos": 280, "eos": 281}

    def change(file, content):
        if file == "tokenizer_config.json":
            return {
                key: value for key, value in content.items()
                if not (key.endswith("_token") and key.removesuffix("_token") not in roles)
            }  # fmt: skip
        if file == "tokenizer.json":
            names_left = {f"<|{role}|>" for role in roles}
            added = [one for one in content["added_tokens"] if one["content"] in names_left]
            added = [one | {"id": 280 + place} for place, one in enumerate(added)]
            return content | {"added_tokens": added}
        if file == "config.json":
            return {key: one for key, one in content.items() if not key.endswith("_token_id")}
        return content

    name = "-".join(["with", *roles])
    changed(folder, name, change)
    tokenizer = pretrained.load(folder / name).tokenizer
    assert set(roles) == set(tokenizer.roles) & set(names)
    sums, said = evaluate(folder, name)
    marks = model_folders.special_ids(tokenizer, {}, tokenizer.vocab_size)
    texts = list(Corpus(text_of(Path(folder / "text.txt"))).documents("valid"))
    assert sums.bytes == sum(map(len, texts)) and len(texts) == 3
    assert ("no BOS or EOS" in said) == (not roles)
    documents = [ids.tolist() for ids in tokenizer.encode(texts)]
    nats, tokens = plain_sum(lm, documents, marks.start, marks.between, marks.eos is not None)
    assert sums.tokens == tokens
    np.testing.assert_allclose(sums.nats, nats, rtol=1e-5)


def test_what_does_not_go_together_is_one_line(setting, tmp_path):
    folder, lm = setting
    with pytest.raises(UsageError, match="there is no such file"):
        evaluate(folder, "theirs", text="nowhere.txt")
    with pytest.raises(UsageError, match="this model has its own codec"):
        evaluate(folder, "ours", tokenizer=str(folder / "codec"))
    with pytest.raises(UsageError, match=r"is a masked language model \(roberta\)"):
        evaluate(FIXTURES, "roberta", text=__file__)
    with pytest.raises(UsageError, match="holds no tokenizer: give --tokenizer"):
        evaluate(FIXTURES, "llama", text=__file__)
    tokenizer = str(folder / "theirs" / "tokenizer.json")
    with pytest.raises(UsageError, match="282 ids, its table only 40 rows"):
        evaluate(FIXTURES, "llama", text=__file__, tokenizer=tokenizer)
    codec = codecs.load(folder / "codec")
    assert lm.config.rows == codec.vocab_size + 2


def test_windows_do_not_see_each_other(setting):
    _, lm = setting
    config = dataclasses.replace(lm.config)
    ids_BxL = np.random.default_rng(0).integers(0, 280, (1, LENGTH)).astype(np.int32)
    empty_BxL = np.zeros((1, LENGTH), bool)
    empty_BxL[0, [0, 9]] = True
    more = model_folders._without_specials(empty_BxL)
    logits = jax.jit(language_model.logits, static_argnums=1)
    base = logits(lm.params, config, ids_BxL, more["segments_BxL"], more["positions_BxL"])
    moved = ids_BxL.copy()
    moved[0, [0, 4, 9]] = 7
    other = logits(lm.params, config, moved, more["segments_BxL"], more["positions_BxL"])
    same = np.isclose(base, other, atol=1e-6).all(axis=-1)[0]
    assert same[[1, 2, 3]].all() and same[10:].all()
    assert not same[[0, 4, 5, 8, 9]].any()
