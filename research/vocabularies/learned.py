"""The ordinary vocabulary: a learned table, tied or not."""

import jax

from research.vocabularies.table import Table


def init(key: jax.Array, rows: int, d_model: int, *, tied: bool) -> dict[str, jax.Array]:
    """Parameters {'input_VxD': [V, D]} and, untied, 'output_VxD': [V, D]; float32.

    Both are N(0, 1/D). Logits then start with variance 1 (the readout's input has mean square
    1), and the trunk's `scale_inputs` brings the input rows to variance 1: the same start as T5's
    N(0, 1) input table, but of entries small enough for AdamW to move at its usual rates.
    """
    names = ("input_VxD",) if tied else ("input_VxD", "output_VxD")
    keys = jax.random.split(key, len(names))
    normal = jax.nn.initializers.normal(d_model**-0.5)
    return {name: normal(keys[i], (rows, d_model)) for i, name in enumerate(names)}


def table(params: dict[str, jax.Array]) -> Table:
    """The `Table` of parameters made by `init` (or holding a 'bias_V' as well)."""
    return Table(params["input_VxD"], params.get("output_VxD"), params.get("bias_V"))
