import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from research import codecs
from research.codecs import saved
from research.codecs.basic import BytesCodec, GZipCodec
from research.codecs.subword import BPECodec, SentencePieceCodec
from research.errors import FreevocabError, UsageError
from research.testing.tiny import TinyCodec

ROOT = Path(__file__).resolve().parent.parent.parent
TEXT = "\n".join(f"{n} sheep and {n * n} goats; naïve" for n in range(200)).encode()

MAKERS = {
    "bytes": BytesCodec,
    "gzip": lambda: GZipCodec(16, header=False),
    "tiny": TinyCodec,
    "sentencepiece": lambda: SentencePieceCodec.train([TEXT], 300),
    "bpe": lambda: BPECodec.train([TEXT], 300, pre_tokenize=False),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_what_is_saved_opens_as_the_same_codec(kind, tmp_path):
    codec = MAKERS[kind]()
    codec.save(tmp_path / "saved")
    opened = codecs.load(tmp_path / "saved")
    assert isinstance(opened, codecs.Codec)
    assert type(opened) is type(codec)
    assert opened.fingerprint() == codec.fingerprint()
    for field in ("name", "lossless", "vocab_size"):
        assert getattr(opened, field) == getattr(codec, field)
    np.testing.assert_array_equal(opened.encode([TEXT])[0], codec.encode([TEXT])[0])
    assert opened.token_bytes() == codec.token_bytes()


def test_saving_twice_replaces_and_other_folders_are_left_alone(tmp_path):
    TinyCodec().save(tmp_path / "codec")
    TinyCodec([b"zz"]).save(tmp_path / "codec")
    assert codecs.load(tmp_path / "codec").vocab_size == 257
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="says that freevocab wrote it"):
        TinyCodec().save(tmp_path)
    with pytest.raises(UsageError, match="is a file"):
        TinyCodec().save(tmp_path / "thesis.tex")
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_shipped_codecs_open_by_name():
    assert {"bytes", "gzip"} <= set(codecs.names())
    for name in codecs.names():
        codec = codecs.load(name)
        assert codec.name == name
        assert codec.lossless == (name not in ("characters", "letters"))


def test_a_shipped_name_wins_over_a_folder_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    TinyCodec().save("bytes")
    assert codecs.load("bytes").vocab_size == 256
    assert codecs.load("./bytes").vocab_size == TinyCodec().vocab_size


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UsageError) as caught:
        codecs.load("english-b17")
    message = str(caught.value)
    assert "english-b17" in message
    assert all(name in message for name in codecs.names())
    assert "\n" not in message


def spoil(content):
    def change(directory):
        (directory / "codec.json").write_bytes(content)

    return change


def spoil_key(key, value):
    def change(directory):
        meta = json.loads((directory / "codec.json").read_bytes())
        meta[key] = value
        (directory / "codec.json").write_text(json.dumps(meta))

    return change


def drop_key(key):
    def change(directory):
        meta = json.loads((directory / "codec.json").read_bytes())
        del meta[key]
        (directory / "codec.json").write_text(json.dumps(meta))

    return change


DAMAGES = {
    "empty": (spoil(b""), "not JSON"),
    "half": (spoil(b'{"format": "freevo'), "not JSON"),
    "not UTF-8": (spoil(b"\xff\xfe{"), "not JSON"),
    "a list": (spoil(b"[1]"), "does not describe a codec"),
    "another format": (spoil_key("format", "other"), "does not describe a codec"),
    "newer": (spoil_key("version", 2), "upgrade"),
    "odd version": (spoil_key("version", "1"), "damaged"),
    "no kind": (drop_key("kind"), "names no kind"),
    "unknown kind": (spoil_key("kind", "morse"), "unknown kind of codec 'morse'"),
    "no such module": (spoil_key("kind", "no_such_module:Codec"), "cannot import"),
    "no such class": (spoil_key("kind", "json:Codec"), "cannot import"),
    "not a codec": (spoil_key("kind", "json:loads"), "damaged"),
    "nested without end": (spoil(b"[" * 100_000), "not JSON"),
    "half a character": (spoil(b'{"format": "\\ud800"}'), "not JSON"),
    "a parameter missing": (drop_key("bits_per_token"), "damaged"),
    "a parameter wrong": (spoil_key("bits_per_token", "many"), "bits_per_token"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_one_line(damage, tmp_path):
    GZipCodec().save(tmp_path / "codec")
    change, words = DAMAGES[damage]
    change(tmp_path / "codec")
    with pytest.raises(FreevocabError) as caught:
        codecs.load(tmp_path / "codec")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [("piece", 0), ("piece", -1), ("piece", False), ("piece", "x"), ("name", 7), ("name", ["x"])],
)
def test_a_parameter_of_the_wrong_kind_is_refused(key, value, tmp_path):
    MAKERS["bpe"]().save(tmp_path / "codec")
    spoil_key(key, value)(tmp_path / "codec")
    with pytest.raises(FreevocabError, match=f"{key} is"):
        codecs.load(tmp_path / "codec")


@pytest.mark.parametrize("kind", ["sentencepiece", "bpe"])
def test_a_changed_file_beside_codec_json_is_found(kind, tmp_path):
    MAKERS[kind]().save(tmp_path / "codec")
    ours = ("codec.json", ".freevocab.json")
    (path,) = [path for path in (tmp_path / "codec").iterdir() if path.name not in ours]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    with pytest.raises(FreevocabError, match="SHA-256 differs"):
        codecs.load(tmp_path / "codec")
    path.unlink()
    with pytest.raises(FreevocabError, match="cannot read"):
        codecs.load(tmp_path / "codec")


def test_a_missing_folder_a_file_and_a_folder_without_codec_json(tmp_path):
    with pytest.raises(UsageError, match="no codec"):
        codecs.load(tmp_path / "nothing")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        codecs.load(tmp_path / "file")
    with pytest.raises(FreevocabError, match=r"no codec\.json"):
        codecs.load(tmp_path)
    with pytest.raises(FreevocabError, match="does not exist"):
        saved.read(tmp_path / "nothing")


# How a codec is added: a module with a class, saved under its own import path.
README_EXAMPLE = '''
import hashlib

import numpy as np

from research.codecs import saved
from research.tokenizers.static_vocabulary import StaticVocabulary


class CharacterPairs(StaticVocabulary):
    """Every byte, and every two of the letters given."""

    name = "pairs"
    lossless = True

    def __init__(self, letters):
        pairs = [bytes([a, b]) for a in letters for b in letters]
        super().__init__([*(bytes([byte]) for byte in range(256)), *pairs])
        self._letters, self._ids = letters, {token: id_ for id_, token in enumerate(self._tokens)}

    def encode(self, texts):
        return [np.array(list(self._cut(text)), np.int32) for text in texts]

    def _cut(self, text):
        while text:
            token = text[:2] if text[:2] in self._ids else text[:1]
            yield self._ids[token]
            text = text[len(token) :]

    def fingerprint(self):
        return hashlib.sha256(b"pairs" + self._letters).hexdigest()

    def save(self, directory):
        saved.write(directory, "my_codecs:CharacterPairs", {"letters": self._letters.decode()})

    @classmethod
    def from_directory(cls, directory, meta):
        return cls(meta["letters"].encode())
'''


def test_a_codec_of_ones_own_is_a_class_and_its_import_path(tmp_path, monkeypatch):
    (tmp_path / "my_codecs.py").write_text(README_EXAMPLE)
    monkeypatch.syspath_prepend(tmp_path)
    import my_codecs

    my_codecs.CharacterPairs(b"ab").save(tmp_path / "pairs")
    codec = codecs.load(tmp_path / "pairs")
    assert isinstance(codec, codecs.Codec)
    (ids,) = codec.encode([b"abxba\xff"])
    assert ids.tolist() == [257, 120, 258, 255]
    assert codec.decode([ids]) == [b"abxba\xff"]
    assert codec.byte_lengths(ids).tolist() == [2, 1, 2, 1]


PAYLOAD = "import pathlib\npathlib.Path(__file__).with_name('ran').touch()\nX = None\n"


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        (["their_model/codec/payload.py"], "their_model.codec.payload:X"),
        (["their_model/payload.py"], "their_model.payload:X"),
        (["their_model/__init__.py", "their_model/payload.py"], "their_model.payload:X"),
        (["their_model/__init__.py", "their_model/codec/__init__.py",
          "their_model/codec/payload.py"], "their_model.codec.payload:X"),
        ([], "this:s"),
        ([], "idlelib.idle:X"),
    ],
)  # fmt: skip
def test_code_that_came_with_a_folder_is_not_run_unasked(
    files, kind, tmp_path, monkeypatch, capsys
):
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "their_model" / "codec"
    saved.write(folder, kind, {})
    for name in files:
        (tmp_path / name).write_text(PAYLOAD)
    before = set(sys.modules)
    with pytest.raises(FreevocabError, match="say --trust-code") as caught:
        codecs.load(folder)
    assert "\n" not in str(caught.value) and kind in str(caught.value)
    assert not list(tmp_path.rglob("ran")) and set(sys.modules) == before
    assert capsys.readouterr().out == ""
    if files:
        token = codecs.trust_code.set(True)
        with pytest.raises(FreevocabError, match="damaged"):  # X is no class
            codecs.load(folder)
        codecs.trust_code.reset(token)
        assert list(tmp_path.rglob("ran"))
        for name in set(sys.modules) - before:
            del sys.modules[name]


HEAVY = ("jax", "flax", "numba", "tokenizers", "sentencepiece", "tensorflow_datasets", "orbax")


def test_importing_and_the_plain_codecs_bring_nothing_heavy():
    program = (
        "import sys\n"
        "from research import codecs\n"
        "from research.codecs import container\n"
        "codecs.names(); codecs.load('bytes'); codecs.load('gzip')\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert done.stdout == "[]\n", done.stderr
