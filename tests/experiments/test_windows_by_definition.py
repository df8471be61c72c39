"""The plain windows of the experiments against the codecs, and both decoders."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.compressed_text import windows
from experiments.compressed_text.windows import Intervals
from research.codecs.byte_models.ngram import NGramModel
from research.codecs.codebook.build import compile_codebook
from research.codecs.windows import EqualInfoCodec

TEXT = b"the cat sat on the mat; the dog sat on the log, and the cat on the dog. " * 40
RULES = ("point", "dyadic", "point+delay")


@pytest.fixture(scope="module")
def model():
    return NGramModel.train([TEXT], order=2, beta=12)


class Hostile:
    """One sure byte that changes with the context; the rest get a frequency of one."""

    name, beta, order = "hostile", 12, 1

    def window_frequencies(self, contexts, symbols=256):
        frequencies = np.ones((len(contexts), symbols), np.uint32)
        sure = [(context[-1] * 7 + 3) % 256 if context else 0 for context in contexts]
        frequencies[np.arange(len(contexts)), sure] = 2**self.beta - symbols + 1
        return frequencies


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("bits", [12, 24, 48])
def test_windows_are_the_codecs(model, rule, bits):
    text = TEXT[:400] + bytes(range(256))
    cut = list(windows.windows(text, Intervals(model, bits), rule))
    coded = EqualInfoCodec(model, window_bits=bits, bits_per_token=12, closing=rule).windows([text])
    assert [window.code for window in cut] == coded[0].codes
    assert [len(window.text) for window in cut] == coded[0].lengths_N.tolist()
    assert b"".join(window.text for window in cut) == text


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.binary(min_size=1, max_size=40))
def test_point_delay_is_read_back_by_the_first_match(text):
    for byte_model in (NGramModel.train([TEXT], order=2, beta=12), Hostile()):
        intervals = Intervals(byte_model, 12)
        cut = list(windows.windows(text, intervals, "point+delay"))
        codes = [window.code for window in cut]
        decoded = windows.decode_first_match(codes, intervals, "point+delay")
        assert b"".join(decoded) == text


def test_every_code_decodes_as_in_the_codebook(model):
    codebook = compile_codebook(model, 12)
    intervals = Intervals(model, 12)
    decoded = windows.decode_first_match(range(4096), intervals, "point+delay")
    assert decoded == codebook.token_bytes()


def test_the_described_decoder_never_stops_on_a_point_code(model):
    """The point lies in some child for ever, so the re-encoding always goes on matching."""
    intervals = Intervals(model, 12)
    codes = [window.code for window in windows.windows(TEXT, intervals, "point")][:50]
    assert windows.decode_as_described(codes, intervals, "point") == [b""] * len(codes)


def test_the_described_decoder_reads_most_dyadic_codes_but_not_all(model):
    intervals = Intervals(model, 12)
    cut = list(windows.windows(TEXT + bytes(range(0, 256, 3)), intervals, "dyadic"))
    codes = [window.code for window in cut]
    decoded = windows.decode_as_described(codes, intervals, "dyadic")
    right = sum(window.text == text for window, text in zip(cut, decoded, strict=True))
    assert len(cut) / 2 < right < len(cut)
    for code, text in zip(codes, decoded, strict=True):
        again = list(windows.windows(text, intervals, "dyadic"))
        assert [window.code for window in again] == [code]
