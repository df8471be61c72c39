"""The price of a key and the sizes of compressors."""

import math
import zlib

import numpy as np
import pytest

from research.errors import UsageError
from research.lexinvariance import baselines


@pytest.mark.parametrize(
    ("alphabet", "seen", "bits"), [(128, 45, 302), (128, 128, 716), (26, 26, 88.4), (6, 0, 0)]
)
def test_key_bits(alphabet, seen, bits):
    assert baselines.key_bits(alphabet, seen) == pytest.approx(bits, abs=0.6)
    exact = sum(math.log2(alphabet - k) for k in range(seen))
    assert baselines.key_bits(alphabet, seen) == pytest.approx(exact)


def test_the_key_is_paid_at_novel_ids():
    ids_BxL = np.array([[3, 3, 1, 3, 0], [2, 2, 2, 2, 2]])
    assert baselines.novel(ids_BxL).tolist() == [[1, 0, 1, 0, 1], [1, 0, 0, 0, 0]]
    nats_BxL = baselines.key_nats(ids_BxL, vocab_size=4)
    expected = [[math.log(4), 0, math.log(3), 0, math.log(2)], [math.log(4), 0, 0, 0, 0]]
    np.testing.assert_allclose(nats_BxL, expected)
    for nats_L, seen in zip(nats_BxL, (3, 1), strict=True):
        assert nats_L.sum() / math.log(2) == pytest.approx(baselines.key_bits(4, seen))


def test_compressed_sizes():
    noise = np.random.default_rng(0).bytes(256)
    texts = [b"", b"a rose is a rose is a rose. " * 9, noise]
    for method in baselines.COMPRESSORS:
        bits = baselines.compressed_bits(texts, method)
        assert bits[0] < 100 and bits[1] < 8 * len(texts[1]) / 4 and bits[2] >= 8 * 256
    # gzip's own file is the stream and a container of a fixed size: 10 bytes before, 8 after.
    gzip = zlib.compressobj(9, zlib.DEFLATED, 31)
    whole = gzip.compress(texts[1]) + gzip.flush()
    assert baselines.compressed_bits(texts, "gzip")[1] == 8 * (len(whole) - 18)


def test_wrong_requests():
    with pytest.raises(UsageError, match="7 different symbols do not fit an alphabet of 6"):
        baselines.key_bits(6, 7)
    with pytest.raises(UsageError, match="no compressor 'zip': one of gzip, xz"):
        baselines.compressed_bits([b""], "zip")
