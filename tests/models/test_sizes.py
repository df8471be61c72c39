import dataclasses

import jax
import pytest

from research.errors import UsageError
from research.models import sizes, transformer

COUNTS = {
    "mini": 524_288,
    "small": 1_032_192,
    "3m": 3_145_728,
    "25m": 25_165_824,
    "113m": 113_246_208,
    "403m": 402_653_184,
    "2b": 1_610_612_736,
    "151m": 150_994_944,
}


@pytest.mark.parametrize("name", COUNTS)
def test_the_papers_counts_without_memory(name):
    config = sizes.SIZES[name]
    shapes = jax.eval_shape(lambda key: transformer.init(key, config), jax.random.key(0))
    leaves = jax.tree_util.tree_leaves_with_path(shapes)
    kernels = sum(leaf.size for path, leaf in leaves if path[-1].key == "kernel")
    assert kernels == sizes.kernel_count(config) == COUNTS[name]
    assert all(leaf.dtype == "float32" for _, leaf in leaves)


@pytest.mark.parametrize("name", ["3m", "25m", "113m", "403m", "2b", "151m"])
def test_the_papers_sizes_have_relu_and_t5s_bias_in_every_layer(name):
    config = sizes.SIZES[name]
    assert config.mlp == ("relu" if name == "151m" else "gated_relu")
    shapes = jax.eval_shape(lambda key: transformer.init(key, config), jax.random.key(0))
    bias = shapes["layers"]["attention"]["position_bias"]
    assert bias.shape == (config.num_layers, config.num_heads, 32) and config.max_distance == 128
    assert ("query_norm" in shapes["layers"]["attention"]) == (name == "151m")


def test_the_sizes_that_weights_depend_on_stay_as_they_are():
    """What is saved holds its shape; what is trained anew should still compare with it."""
    for name in ("tiny", "mini", "small"):
        config = sizes.SIZES[name]
        assert (config.mlp, config.positions, config.qk_norm) == ("gated_gelu", "t5", False)
    for name in ("tiny", "mini", "small", "3m", "25m"):
        ours, llama = sizes.SIZES[name], sizes.SIZES[f"llama-{name}"]
        assert (llama.mlp, llama.positions) == ("gated_silu", "rotary")
        assert sizes.kernel_count(ours) == sizes.kernel_count(llama)


def test_every_option_changes_the_count_as_it_should():
    config = sizes.TrunkConfig(32, 4, 8, 3, 64)
    assert sizes.kernel_count(config) == 3 * (4 * 32 * 32 + 3 * 32 * 64)
    plain = dataclasses.replace(config, mlp="relu", num_kv_heads=1)
    assert sizes.kernel_count(plain) == 3 * (2 * 32 * (32 + 8) + 2 * 32 * 64)
    mapped = dataclasses.replace(config, output_map=True)
    assert sizes.kernel_count(mapped) == sizes.kernel_count(config) + 32 * 32
    narrow = dataclasses.replace(config, embedding_dim=8)
    assert sizes.kernel_count(narrow) == sizes.kernel_count(config) + 2 * 32 * 8
    for other in (config, plain, mapped, narrow):
        shapes = jax.eval_shape(lambda key, c=other: transformer.init(key, c), jax.random.key(0))
        leaves = jax.tree_util.tree_leaves_with_path(shapes)
        kernels = sum(leaf.size for path, leaf in leaves if path[-1].key == "kernel")
        assert kernels == sizes.kernel_count(other)


def test_size_replaces_fields():
    assert sizes.size("25m", dtype="bfloat16").dtype == "bfloat16"
    assert hash(sizes.size("3m")) == hash(sizes.SIZES["3m"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_kv_heads": 3}, "num_kv_heads=3"),
        ({"mlp": "swish"}, "gated_gelu"),
        ({"positions": "alibi"}, "rotary"),
        ({"positions": "rotary", "head_dim": 7}, "even head_dim"),
        ({"dtype": "float16"}, "bfloat16"),
        ({"num_layers": 0}, "num_layers"),
        ({"num_buckets": 6}, "num_buckets"),
        ({"max_distance": 8}, "max_distance"),
        ({"width": 8}, "width"),
    ],
)
def test_wrong_shapes_are_usage_errors(changes, words):
    with pytest.raises(UsageError, match=words):
        sizes.size("3m", **changes)


def test_unknown_size_lists_the_known():
    with pytest.raises(UsageError, match="3m, 25m"):
        sizes.size("7b")
