"""`freevocab quantize`: a codec of integers of a trained byte model, or one line."""

import os
import subprocess
import sys

import pytest

from research import codecs
from research.codecs import byte_models
from research.codecs.arithmetic import ArithmeticCodec
from research.codecs.byte_models.ngram import UnigramModel
from research.codecs.windows import EqualInfoCodec
from tests.codecs.test_integer import FIXTURE, ROOT, transformer
from tests.one_line import is_one_line


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "m1"
    transformer(num_layers=1).save(folder)
    return folder


def test_a_codec_is_made_and_compared(trained, tmp_path, freevocab):
    corpus = ("--corpus", "synthetic:20000", "--valid-bytes", 300, "--length", 64)
    code, out, err = freevocab("quantize", "--model", trained, "--out", tmp_path / "codec", *corpus)
    assert (code, err) == (0, "")
    assert "bits/byte with floats" in out and "300 bytes of valid of synthetic" in out
    codec = codecs.load(tmp_path / "codec")
    assert isinstance(codec, ArithmeticCodec) and codec.any_machine and codec.context_bytes == 1024
    text, small, back = (tmp_path / name for name in ("text", "small", "back"))
    text.write_bytes(b"and back")
    arguments = ("--codec", tmp_path / "codec", "--engine", "numpy")
    assert freevocab("compress", text, small, *arguments)[0] == 0
    assert freevocab("decompress", small, back, *arguments)[0] == 0
    assert back.read_bytes() == b"and back"


def test_windows_and_no_comparison(trained, tmp_path, freevocab):
    options = ("--valid-bytes", 0, "--window-bits", 24, "--reset", "never")
    out = freevocab("quantize", "--model", trained, "--out", tmp_path / "codec", *options)[1]
    assert "bits/byte" not in out
    codec = codecs.load(tmp_path / "codec")
    assert isinstance(codec, EqualInfoCodec) and codec.name == "equal-info-24-16bit-reset-never"


def test_what_cannot_be_quantized_is_one_line(trained, tmp_path, freevocab):
    UnigramModel.train([b"text"]).save(tmp_path / "unigram")
    for changes in (
        ("--model", tmp_path / "unigram"),
        ("--model", tmp_path / "absent"),
        ("--model", trained, "--window-bits", 17),
        ("--model", trained, "--length", 0),
    ):
        code, out, err = freevocab(
            "quantize", "--out", tmp_path / "out", "--valid-bytes", 0, *changes
        )
        assert code in (1, 2) and not out and is_one_line(err)
        assert not (tmp_path / "out").exists()


WITHOUT_JAX = """
import sys
sys.modules["jax"] = None  # an import of it is an error
from research.cli import call
sys.exit(call(sys.argv[1:]))
"""


def test_a_file_that_jax_wrote_is_restored_without_jax(tmp_path, freevocab):
    """In another process, where JAX cannot be imported; and the file says that this is so."""
    text, small, back = (tmp_path / name for name in ("text", "small.fv", "back"))
    text.write_bytes(b"the cat sat on the mat. " * 4 + bytes(20) + b"\xff\xfe no \xc3(")
    model = byte_models.load(FIXTURE)
    ArithmeticCodec(model, 16, batch_size=3, context_bytes=16).save(tmp_path / "codec")
    codec = ("--codec", str(tmp_path / "codec"))
    assert freevocab("compress", text, small, *codec, "--block-bytes", 50)[0] == 0
    command = [sys.executable, "-c", WITHOUT_JAX, "decompress", str(small), str(back), *codec]
    for engine, code in (("numpy", 0), ("jax", 1)):
        done = subprocess.run(
            [*command, "--engine", engine], cwd=ROOT, capture_output=True, text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert done.returncode == code, done.stderr
    assert back.read_bytes() == text.read_bytes()
    out = freevocab("inspect", small)[1]
    assert "decodes on    any machine" in out
    # By numpy the same file, to the byte.
    again = tmp_path / "again.fv"
    arguments = (*codec, "--block-bytes", 50, "--engine", "numpy")
    assert freevocab("compress", text, again, *arguments)[0] == 0
    assert again.read_bytes() == small.read_bytes()
