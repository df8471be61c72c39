import zlib

import numpy as np
import pytest

from research.codecs import container
from research.codecs.basic import BytesCodec
from research.codecs.container import format as fmt
from research.errors import FreevocabError


def test_the_format_is_what_it_was(tmp_path):
    """A file of version 1, byte for byte: files in the world must stay readable."""
    expected = (
        "894656430d0a1a0a" "01" "01" "08" "05" "00000100" "00100000"
        "5effe458d519c5d5c46708128e067b74" "6279746573" "00e123b9"
    )  # fmt: skip
    (tmp_path / "plain").write_bytes(b"hi")
    container.compress(tmp_path / "plain", tmp_path / "small", "bytes")
    small = (tmp_path / "small").read_bytes()
    head = len(bytes.fromhex(expected))
    assert small[:head].hex() == expected
    block, end = small[head : head + 23], small[head + 23 :]
    crc = zlib.crc32(b"hi").to_bytes(4)
    assert block[:17] == b"B" + (2).to_bytes(4) + (2).to_bytes(4) + crc + crc
    assert block[17:21] == zlib.crc32(block[:17], int(expected[-8:], 16)).to_bytes(4)
    assert block[21:] == b"hi"
    assert end[:17] == b"E" + (2).to_bytes(8) + crc + (1).to_bytes(4)
    assert end[17:] == zlib.crc32(end[:17], int.from_bytes(block[17:21])).to_bytes(4)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"%PDF-1.7 and so on, for more than a header's length", "not written by freevocab"),
        (b"\x89FVC\n\x1a\n" + b"x" * 50, "not written by freevocab"),
        (b"\x89FV", "cut short"),
        (fmt.MAGIC + b"\x02" + bytes(60), "upgrade"),
        (fmt.MAGIC + b"\x02", "upgrade"),
        (fmt.MAGIC + bytes(60), "damaged"),
    ],
)
def test_foreign_newer_and_empty_files(content, words, tmp_path):
    (tmp_path / "small").write_bytes(content)
    for function in (container.decompress, lambda source, _: container.inspect(source)):
        with pytest.raises(FreevocabError, match=words) as caught:
            function(tmp_path / "small", tmp_path / "back")
        assert caught.value.exit_code == 1
        assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


@pytest.mark.parametrize("bits", [*range(1, 25), 32])
@pytest.mark.parametrize("count", [0, 1, 7, 65_536, 65_537])
def test_ids_are_packed_and_unpacked(bits, count):
    highest = 2 ** min(bits, 31)
    ids = np.random.default_rng(bits).integers(0, highest, count, np.int32)
    payload = fmt.pack_ids(ids, bits)
    assert len(payload) == -(-count * bits // 8)
    unpacked = fmt.split_ids(payload, count, bits)
    assert unpacked.dtype == np.int32
    np.testing.assert_array_equal(unpacked, ids)


@pytest.mark.parametrize(
    ("vocab_size", "bits"),
    [(1, 1), (2, 1), (3, 2), (256, 8), (257, 9), (65_536, 16), (65_537, 17), (1 << 25, 32)],
)
def test_ids_take_as_many_bits_as_the_vocabulary_needs(vocab_size, bits):
    header = fmt.Header("x", False, bytes(16), vocab_size, 1)
    assert header.bits_per_id == bits
    assert fmt.unpack_header(fmt.pack_header(header), "x") == header


def test_a_vocabulary_of_65536_takes_two_bytes_an_id():
    header = fmt.Header("x", False, bytes(16), 65_536, 4)
    block = fmt.pack_block(b"abcd", np.array([0x6162, 0x6364]), header, 0)
    assert block[fmt.HEAD_BYTES :] == b"abcd"


def test_a_block_of_text_without_ids_is_damage(tmp_path):
    codec = BytesCodec()
    header = fmt.Header("bytes", True, fmt.digest_of(codec.fingerprint()), 256, 100)
    packed = fmt.pack_header(header)
    block = fmt.pack_block(b"text", np.zeros(0, np.int32), header, fmt.link_of(packed))
    (tmp_path / "small").write_bytes(packed + block)
    with pytest.raises(FreevocabError, match="block 1"):
        container.inspect(tmp_path / "small")
