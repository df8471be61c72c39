"""Every format of a file that the project reads: a small specimen, and a reader that goes deep.

A reader gets the folder with the specimen in it, undamaged or damaged, and returns what it read:
any nesting of arrays, bytes, texts and numbers. Everything else that it needs it makes itself.
"""

import base64
import bz2
import dataclasses
import functools
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Value = Any
TEXT = ("The cat sat on the mat, and it's 12 o'clock; na\u00efve \U0001f98a!\n\n" * 12).encode()


@dataclasses.dataclass(frozen=True)
class Format:
    """A format and what is promised of it."""

    make: Callable[[Path], None]
    """Writes the specimen into an empty folder."""
    read: Callable[[Path], Value]
    """Reads what is there."""
    files: tuple[str, ...] = ("**/*",)
    """Globs of the files to damage."""
    guarded: tuple[str, ...] = ()
    """Globs of files in which a digest or CRC notices every change: what is read is then the same
    as before, or the file is refused."""


def _container(codec: str) -> Format:
    def make(folder: Path) -> None:
        from research.codecs import container

        (folder / "plain").write_bytes(TEXT)
        container.compress(folder / "plain", folder / "small.fv", codec, block_bytes=300)
        (folder / "plain").unlink()

    def read(folder: Path) -> Value:
        from research.codecs import container

        container.inspect(folder / "small.fv", _shipped(codec))
        container.decompress(folder / "small.fv", folder / "back", _shipped(codec))
        return (folder / "back").read_bytes()

    return Format(make, read, ("small.fv",), ("small.fv",))


@functools.cache
def _shipped(name: str) -> Any:
    """Opened once: that takes far longer than a file."""
    from research import codecs

    return codecs.load(name)


def _codec(kind: str) -> Format:
    def make(folder: Path) -> None:
        _make_codec(kind).save(folder / "codec")

    def read(folder: Path) -> Value:
        from research import codecs

        codec = codecs.load(folder / "codec")
        ids = codec.encode([TEXT, b"\xff\x00 \xe2\x96\x81"])
        return ids, codec.decode(ids), codec.token_bytes(), codec.lossless

    files = ("codec/*",)
    guarded = ("codec/*.bin", "codec/tokenizer.json", "codec/*.model", "codec/*.safetensors")
    return Format(make, read, files, guarded)


def _make_codec(kind: str) -> Any:
    from research.codecs.basic import GZipCodec
    from research.codecs.codebook import CodebookCodec
    from research.codecs.subword import BPECodec, SentencePieceCodec
    from research.testing.tokenizers import english

    if kind == "gzip":
        return GZipCodec(16, header=False)
    if kind == "codebook":
        strings = sorted({bytes([byte]) for byte in range(256)} | {b"the ", b"and", b"th", b"in"})
        return CodebookCodec(strings, name="small")
    if kind == "bpe":
        return BPECodec.train(english(20_000), 300)
    return SentencePieceCodec.train(english(20_000), 400)


def _store() -> Format:
    def build(folder: Path) -> Any:
        from research.codecs.basic import BytesCodec
        from research.testing.tiny import corpus_of
        from research.training.data import token_store

        corpus = corpus_of(train=[TEXT, b"", b"short", TEXT[:99]])
        return token_store.build(corpus, "train", BytesCodec(), folder)

    def read(folder: Path) -> Value:
        from research.errors import FreevocabError
        from research.training.data import token_store

        # A damaged one is built again; opened by its own name it is refused.
        for path in folder.glob("train-*"):
            try:
                token_store.open_store(path)
            except FreevocabError:
                continue
        store = build(folder)
        return store.ids, store.offsets, store.byte_offsets, store.vocab_size

    return Format(build, read, guarded=("**/*",))


def _checkpoint() -> Format:
    def state() -> dict[str, Any]:
        import jax.numpy as jnp

        return {"step": jnp.asarray(3), "params": {"w": jnp.arange(600.0).reshape(20, 30),
                "b": jnp.ones(7, jnp.bfloat16)}}  # fmt: skip

    def make(folder: Path) -> None:
        from research.training.run_folder import Checkpoints

        with Checkpoints(folder / "checkpoints") as saved:
            saved.save(3, state(), {"identity": {"seed": 1}, "seconds": 1.5})
            saved.wait()

    def read(folder: Path) -> Value:
        import jax

        from research.errors import FreevocabError
        from research.training.run_folder import Checkpoints

        abstract = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), state())
        with Checkpoints(folder / "checkpoints") as saved:
            step = saved.latest()
            if step is None:
                raise FreevocabError("no checkpoint: the run begins anew")
            meta = saved.meta(step)
            return meta["identity"], jax.device_get(saved.restore(step, abstract))

    return Format(make, read, guarded=("**/*",))


def _model() -> Format:
    def make(folder: Path) -> None:
        from research.codecs import lm_folder
        from research.testing.tiny import TinyCodec, tiny_model

        codec = TinyCodec()
        params, config = tiny_model(vocab_size=codec.vocab_size + 2, num_layers=1)
        lm_folder.save(folder / "model", params, config, codec, {"length": 16})

    def read(folder: Path) -> Value:
        import jax

        from research.codecs import lm_folder

        params, config, codec, meta = lm_folder.load(folder / "model")
        return jax.device_get(params), repr(config), codec.encode([TEXT]), repr(meta)

    files = ("model/*", "model/codec/*")
    return Format(make, read, files, ("model/params.safetensors", "model/codec/*"))


def _hugging_face(files: tuple[str, ...]) -> Format:
    def make(folder: Path) -> None:
        from tests.transfer import hf_folders

        old = hf_folders.bpe(folder / "old", 300, eos="</s>", bos="<s>")
        hf_folders.bpe(folder / "new", 290, eos="</s>")
        source, _ = hf_folders.model(folder / "model", "llama", 300, tokenizer=old, eos_token_id=1,
                                     bos_token_id=0, dtype=np.float32)  # fmt: skip
        settings = {"bos_token_id": 0, "eos_token_id": [1], "max_length": 20}
        (source / "generation_config.json").write_text(json.dumps(settings))

    def read(folder: Path) -> Value:
        import tokenizers
        from safetensors import safe_open

        from research.cli.transfer import Transfer, run

        out = folder / "out"
        run(Transfer(str(folder / "model"), str(folder / "new"), str(out)), say=lambda line: None)
        # What was written is for other readers than ours.
        tokenizers.Tokenizer.from_file(str(out / "tokenizer.json"))
        with safe_open(out / "model.safetensors", "numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}
        return arrays, json.loads((out / "config.json").read_text())

    return Format(make, read, files)


def _hypernetwork() -> Format:
    def make(folder: Path) -> None:
        import jax

        from research.codecs.codec_tokenizer import CodecTokenizer
        from research.testing.tiny import TinyCodec, tiny_model
        from research.transfer.hypernet import hypernetwork_file
        from research.transfer.source_model import SourceModel, network_for
        from research.vocabularies import hypernetwork

        tokenizer = CodecTokenizer(TinyCodec())
        params, config = tiny_model(vocab_size=tokenizer.vocab_size)
        source = SourceModel(params, config, tokenizer)
        network = network_for(source, num_layers=1, num_heads=2)
        params = hypernetwork.init(jax.random.key(1), network, source.table)
        hypernetwork_file.save(folder / "hn", params, network, source, {"steps": 3},
                               trunk=source.params["trunk"])  # fmt: skip

    def read(folder: Path) -> Value:
        from research.transfer.hypernet import hypernetwork_file

        saved = hypernetwork_file.load(folder / "hn")
        trunk = hypernetwork_file.load_trunk(folder / "hn")
        prints = hypernetwork_file.fingerprint(folder / "hn")
        return saved.params, repr(saved.config), repr(saved.meta), trunk, prints

    guarded = ("hn/params.safetensors", "hn/trunk.safetensors")
    return Format(make, read, ("hn/*",), guarded)


def _tokenizer(write: Callable[[Path], None], files: tuple[str, ...]) -> Format:
    def make(folder: Path) -> None:
        (folder / "tokenizer").mkdir()
        write(folder / "tokenizer")

    def read(folder: Path) -> Value:
        from research.tokenizers import load

        tokenizer = load(folder / "tokenizer")
        ids = tokenizer.encode([TEXT, b"\xff<s>\x00"])
        pieces = tokenizer.decompose([b" the", b"\xff", b"cat"])
        tokenizer.pretokens([TEXT])
        return ids, tokenizer.decode(ids), tokenizer.match_bytes(), pieces.ids_N

    return Format(make, read, files)


def _json_tokenizer(kind: str) -> Format:
    def write(folder: Path) -> None:
        from research.testing.tokenizers import english, tokenizer_json

        content = tokenizer_json(kind, 400, english(20_000))
        (folder / "tokenizer.json").write_bytes(content)
        (folder / "tokenizer_config.json").write_text('{"eos_token": "</s>", "unk_token": "<unk>"}')

    return _tokenizer(write, ("tokenizer/*",))


def _sentencepiece(**options: Any) -> Format:
    def write(folder: Path) -> None:
        from research.testing.tokenizers import sentencepiece_model

        model = sentencepiece_model(**options)
        (folder / "tokenizer.model").write_bytes(model)

    return _tokenizer(write, ("tokenizer/tokenizer.model",))


def _ranks() -> list[bytes]:
    from research.codecs.subword import BPECodec
    from research.testing.tokenizers import english

    return BPECodec.train(english(20_000), 300).token_bytes()


def _tiktoken(folder: Path) -> None:
    from research.tokenizers import tiktoken_file

    lines = [b"%s %d\n" % (base64.b64encode(token), rank) for rank, token in enumerate(_ranks())]
    (folder / "some.tiktoken").write_bytes(b"".join(lines))
    (folder / "some.pattern").write_text(tiktoken_file.GPT2)


def _tekken(folder: Path) -> None:
    vocab = [
        {"rank": rank, "token_bytes": base64.b64encode(token).decode(), "token_str": None}
        for rank, token in enumerate(_ranks())
    ]
    config = {
        "pattern": r" ?\p{L}+|\s+|[^\s\p{L}]+", "num_vocab_tokens": len(vocab), "version": "v3",
        "default_vocab_size": len(vocab) + 5, "default_num_special_tokens": 5,
    }  # fmt: skip
    (folder / "tekken.json").write_text(json.dumps({"config": config, "vocab": vocab}))


def _result() -> Format:
    def make(folder: Path) -> None:
        from research.reporting import results

        rows = [{"method": "a", "bits/byte": 1.5, "count": 3}, {"method": "b", "list": [1, 2]}]
        results.record("p", "t", "cpu", rows, {"steps": 3}, [0], 1.5, ["said"], folder)

    def read(folder: Path) -> Value:
        from research.reporting import results

        return repr(results.load_all(folder))

    return Format(make, read)


def _corpus(name: str, pack: Callable[[bytes], bytes], content: bytes, *guarded: str) -> Format:
    def read(folder: Path) -> Value:
        from research.corpora import documents

        return list(documents.documents(folder / name))

    return Format(lambda folder: _write(folder / name, pack(content)), read, guarded=guarded)


def _vectors() -> Format:
    lines = ["20 4", *(f"word{i} {i} {i / 7:.3f} -1 2e-3" for i in range(20))]

    def read(folder: Path) -> Value:
        from research.transfer.vectors import fasttext

        read = fasttext.read(folder / "a.vec")
        return list(read.words), read.vectors_WxK

    return Format(lambda folder: _write(folder / "a.vec", "\n".join(lines).encode()), read)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _zst(content: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor(write_checksum=True).compress(content)


_LINES = b"".join(json.dumps({"text": f"line {i} \u00e9", "n": i}).encode() + b"\n"
                  for i in range(40))  # fmt: skip
_ELEMENTS = b"".join(b'<doc id="%d" title="a>b">\ntext %d\n</doc>\n' % (i, i) for i in range(30))

FORMATS: dict[str, Format] = {
    "container, bytes": _container("bytes"),
    "container, gzip": _container("gzip"),
    "container, english-b16": _container("english-b16"),
    "codec folder, gzip": _codec("gzip"),
    "codec folder, codebook": _codec("codebook"),
    "codec folder, bpe": _codec("bpe"),
    "codec folder, sentencepiece": _codec("sentencepiece"),
    "token store": _store(),
    "checkpoint": _checkpoint(),
    "model folder": _model(),
    "hypernetwork": _hypernetwork(),
    "safetensors, transferred": _hugging_face(("model/model.safetensors",)),
    "settings, transferred": _hugging_face(("model/config.json", "model/generation_config.json")),
    "tokenizer of the target": _hugging_face(("new/*",)),
    "tokenizer.json, byte-level": _json_tokenizer("byte-level"),
    "tokenizer.json, byte fallback": _json_tokenizer("prefixed"),
    "tokenizer.json, wordpiece": _json_tokenizer("wordpiece"),
    "tokenizer.json, unigram": _json_tokenizer("unigram"),
    "tokenizer.json, words": _json_tokenizer("words"),
    "sentencepiece, unigram": _sentencepiece(),
    "sentencepiece, bpe": _sentencepiece(model_type="bpe", byte_fallback=True, vocab_size=700),
    "tiktoken": _tokenizer(_tiktoken, ("tokenizer/*",)),
    "tekken": _tokenizer(_tekken, ("tokenizer/*",)),
    "record": _result(),
    "text": _corpus("a.txt", bytes, TEXT),
    "JSON lines": _corpus("a.jsonl", bytes, _LINES),
    "elements": _corpus("a.txt", bytes, _ELEMENTS),
    "UTF-16": _corpus("a.txt", bytes, TEXT.decode().encode("utf-16")),
    "text, gzip": _corpus("a.txt.gz", gzip.compress, TEXT),
    "JSON lines, xz": _corpus("a.jsonl.xz", lzma.compress, _LINES),
    "text, bzip2": _corpus("a.txt.bz2", bz2.compress, TEXT),
    "text, zstandard": _corpus("a.txt.zst", _zst, TEXT),
    "word vectors": _vectors(),
}
