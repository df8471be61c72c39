import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.errors import UsageError
from research.models import decoding, language_model, trunk
from research.testing.models import tiny_model

PROMPT = [3, 1, 4, 1, 5]


def generated(params, config, prompt=PROMPT, seed=0, max_tokens=8, **settings):
    return list(
        decoding.generate(
            params, config, prompt, key=jax.random.key(seed), max_tokens=max_tokens, **settings
        )
    )


def without_end(params, config):
    """EOS never wins, so that lengths are known."""
    vocabulary = dict(params["vocabulary"])
    vocabulary["bias_V"] = jnp.zeros((config.rows,)).at[config.eos_id].set(-1e9)
    return params | {"vocabulary": vocabulary}


def test_greedy_generation_is_the_argmax_of_full_passes():
    params, config = tiny_model()
    params = without_end(params, config)
    got = generated(params, config, temperature=0.0)
    assert len(got) == 8
    ids = [config.bos_id, *PROMPT, *got]
    whole = language_model.logits(params, config, jnp.asarray([ids]))[0].at[:, config.bos_id]
    want = np.argmax(whole.set(-np.inf), axis=-1)
    np.testing.assert_array_equal(got, want[len(PROMPT) : -1])


def test_step_logits_equal_full_logits():
    params, config = tiny_model()
    ids_BxL = jax.random.randint(jax.random.key(1), (2, 6), 0, 32)
    whole = language_model.logits(params, config, ids_BxL)
    cache = trunk.init_cache(config.trunk, 2, 16)
    step = jax.jit(decoding.step_logits, static_argnums=1)
    for position in range(6):
        logits_BxV, cache = step(params, config, ids_BxL[:, position], cache)
        np.testing.assert_allclose(logits_BxV, whole[:, position], atol=2e-5)
    lengths = jnp.asarray([6, 3])
    last, _ = decoding.prompt_logits(params, config, ids_BxL, lengths, 16)
    np.testing.assert_allclose(last, whole[jnp.arange(2), lengths - 1], atol=2e-5)


def test_the_seed_decides():
    params, config = tiny_model()
    params = without_end(params, config)
    first = generated(params, config, seed=1, max_tokens=20)
    assert first == generated(params, config, seed=1, max_tokens=20)
    assert first != generated(params, config, seed=2, max_tokens=20)
    assert first[:8] == generated(params, config, seed=1, max_tokens=8)


def test_stops_at_eos_and_yields_only_codec_ids():
    params, config = tiny_model()
    bias_V = jnp.zeros((config.rows,)).at[config.eos_id].set(1e9).at[config.bos_id].set(2e9)
    vocabulary = params["vocabulary"] | {"bias_V": bias_V}
    assert generated(params | {"vocabulary": vocabulary}, config, prompt=[]) == []
    drawn = [i for seed in range(5) for i in generated(params, config, seed=seed, temperature=3.0)]
    assert drawn and max(drawn) < config.bos_id and min(drawn) >= 0


def test_streams_and_compiles_once():
    params, config = tiny_model(num_layers=1)
    params = without_end(params, config)
    key = jax.random.key(0)
    before = decoding._start._cache_size(), decoding._advance._cache_size()
    stream = decoding.generate(params, config, PROMPT, key=key, max_tokens=25)
    head = list(itertools.islice(stream, 5))
    generated(params, config, [1, 2], max_tokens=24, temperature=0.5, top_k=3, top_p=0.9)
    assert head == generated(params, config, max_tokens=25)[:5]
    after = decoding._start._cache_size(), decoding._advance._cache_size()
    assert (after[0] - before[0], after[1] - before[1]) == (1, 1)


def test_context_bounds_the_cache():
    params, config = tiny_model(num_layers=1)
    params = without_end(params, config)
    prompt = list(range(24))
    got = generated(params, config, prompt, temperature=0.0, context=16, max_tokens=3)
    ids = [config.bos_id, *prompt, *got]
    for place, drawn in enumerate(got, start=len(prompt) + 1):
        window = jnp.asarray([ids[place - 16 : place]])
        last = language_model.logits(params, config, window)[0, -1].at[config.bos_id].set(-np.inf)
        assert drawn == int(jnp.argmax(last))


def test_wrong_requests_fail_at_the_call():
    params, config = tiny_model()
    for settings in (
        {"prompt": [config.bos_id]},
        {"prompt": [-1]},
        {"max_tokens": -1},
        {"temperature": -0.5},
        {"top_p": 0.0},
        {"top_k": -2},
        {"context": 1},
    ):
        settings = {"prompt": PROMPT, "max_tokens": 2} | settings
        prompt = settings.pop("prompt")
        with pytest.raises(UsageError):
            decoding.generate(params, config, prompt, key=jax.random.key(0), **settings)
    assert generated(params, config, max_tokens=0) == []
