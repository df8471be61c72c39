import functools
import itertools

import jax
import numpy as np
import pytest

from research.errors import FreevocabError, UsageError
from research.models import decoding, language_model
from research.models.cache import init_cache
from research.testing.tiny import tiny_model

PROMPT = [3, 1, 4, 1, 5]
SLOTS = 16  # of every cache here, so that two functions are compiled in all

full_logits = jax.jit(language_model.logits, static_argnums=1)


@functools.cache
def model(favoured=None):
    """A tiny model whose EOS never wins, or whose `favoured` id always does."""
    params, config = tiny_model()
    bias_V = np.zeros(config.rows, np.float32)
    bias_V[config.eos_id] = -1e9
    if favoured == "eos":
        bias_V[[config.eos_id, config.bos_id]] = 1e9, 2e9
    elif favoured == "none":
        bias_V[:] = 0
    return params | {"vocabulary": params["vocabulary"] | {"bias_V": bias_V}}, config


def generated(params, config, prompt=PROMPT, seed=0, max_tokens=8, **settings):
    key = jax.random.key(seed)
    return list(
        decoding.generate(params, config, prompt, key=key, max_tokens=max_tokens, **settings)
    )


def argmax_after(params, config, ids):
    """The best id after `ids` (at most SLOTS of them) by a full pass; BOS never counts."""
    padded = np.zeros((1, SLOTS), np.int32)
    padded[0, : len(ids)] = ids
    logits_V = np.array(full_logits(params, config, padded))[0, len(ids) - 1]
    logits_V[config.bos_id] = -np.inf
    return int(np.argmax(logits_V))


def test_greedy_generation_is_the_argmax_of_full_passes():
    params, config = model()
    got = generated(params, config, temperature=0.0)
    assert len(got) == 8
    ids = [config.bos_id, *PROMPT, *got]
    first = 1 + len(PROMPT)
    assert got == [argmax_after(params, config, ids[:end]) for end in range(first, len(ids))]


def test_step_and_prompt_logits_equal_full_logits():
    params, config = model()
    ids_BxL = np.random.default_rng(1).integers(0, 32, (2, 6)).astype(np.int32)
    whole = np.asarray(full_logits(params, config, ids_BxL))
    cache = init_cache(config.trunk, 2, SLOTS)
    step = jax.jit(decoding.step_logits, static_argnums=1)
    for position in range(6):
        logits_BxV, cache = step(params, config, ids_BxL[:, position], cache)
        np.testing.assert_allclose(logits_BxV, whole[:, position], atol=2e-5)
    prompt = jax.jit(decoding.prompt_logits, static_argnums=(1, 4))
    last, _ = prompt(params, config, ids_BxL, np.asarray([6, 3], np.int32), SLOTS)
    np.testing.assert_allclose(last, whole[[0, 1], [5, 2]], atol=2e-5)


def test_the_seed_decides():
    params, config = model()
    first = generated(params, config, seed=1, max_tokens=10)
    assert first == generated(params, config, seed=1, max_tokens=10)
    assert first != generated(params, config, seed=2, max_tokens=10)
    assert first[:8] == generated(params, config, seed=1, max_tokens=8)


def test_stops_at_eos_and_yields_only_codec_ids():
    params, config = model("eos")
    assert generated(params, config, prompt=[]) == []
    params, config = model("none")
    drawn = [i for seed in range(5) for i in generated(params, config, seed=seed, temperature=3.0)]
    assert drawn and max(drawn) < config.bos_id and min(drawn) >= 0


def test_streams_and_compiles_once():
    params, config = model()
    generated(params, config)
    before = decoding._start._cache_size(), decoding._advance._cache_size()
    stream = decoding.generate(params, config, PROMPT, key=jax.random.key(0), max_tokens=9)
    assert list(itertools.islice(stream, 5)) == generated(params, config)[:5]
    generated(params, config, [1, 2], max_tokens=10, temperature=0.5, top_k=3, top_p=0.9)
    assert before == (decoding._start._cache_size(), decoding._advance._cache_size())


def test_context_is_a_sliding_window():
    """With one layer's worth of attention, each id follows from the SLOTS before it."""
    params, config = model()
    layers = jax.tree.map(np.array, params["trunk"]["layers"])
    layers["attention"]["out"]["kernel"][1] = 0
    layers["mlp"]["down"]["kernel"][1] = 0
    params = params | {"trunk": params["trunk"] | {"layers": layers}}
    prompt = list(range(24))
    got = generated(params, config, prompt, temperature=0.0, context=SLOTS, max_tokens=3)
    ids = [config.bos_id, *prompt, *got]
    ends = range(len(prompt) + 1, len(ids))
    assert got == [argmax_after(params, config, ids[end - SLOTS : end]) for end in ends]


def test_wrong_requests_fail_at_the_call():
    params, config = model()
    for settings in (
        {"prompt": [config.bos_id]},
        {"prompt": [-1]},
        {"max_tokens": -1},
        {"max_tokens": 2**40},
        {"temperature": -0.5},
        {"temperature": float("nan")},
        {"top_p": 0.0},
        {"top_p": float("nan")},
        {"top_k": -2},
        {"top_k": 2**40},
        {"context": 1},
    ):
        settings = {"prompt": PROMPT, "max_tokens": 2} | settings
        prompt = settings.pop("prompt")
        with pytest.raises(UsageError):
            decoding.generate(params, config, prompt, key=jax.random.key(0), **settings)
    assert generated(params, config, max_tokens=0) == []


def test_scores_that_are_not_finite_are_an_error_and_no_text():
    params, config = model()
    table = params["vocabulary"]
    for name, value in (("bias_V", np.nan), ("bias_V", np.inf)):
        broken = params | {"vocabulary": table | {name: np.full_like(table[name], value)}}
        with pytest.raises(FreevocabError, match="scores are not finite"):
            generated(broken, config)
