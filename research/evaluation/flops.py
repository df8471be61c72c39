"""FLOPs per byte as the paper counts them (arXiv 2404.03626, section 4.5, Table 15)."""

NOMINAL_PARAMETERS = {"3m": 3e6, "25m": 25e6, "113m": 113e6, "403m": 403e6, "2b": 2e9}
"""The sizes' names as numbers: what the paper's columns are computed from."""

M1_FLOPS_PER_BYTE = 2 * NOMINAL_PARAMETERS["3m"]
"""The paper's M1, run once for each byte: added for AC and equal-info windows, and only there."""


def flops_per_byte(parameters: float, ratio: float, m1_flops: float = 0.0) -> float:
    """Forward FLOPs for each byte of text.

    Args:
      parameters: kernels of M2 without its embeddings; a multiply and an add each.
      ratio: bytes of text for each token of M2.
      m1_flops: FLOPs of M1 for each byte, 0 where a codec needs no M1 at run time.
    """
    if ratio <= 0:
        raise ValueError("the ratio (bytes per token) must be positive")
    return 2.0 * parameters / ratio + m1_flops


def transformer_m1_flops(parameters: float) -> float:
    """FLOPs per byte of a byte-level Transformer that a codec runs over every byte."""
    return 2.0 * parameters
