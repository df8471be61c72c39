"""Small tokenizer files of every kind, as other people's trainers write them."""

import io
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from research import corpora
from research.tokenizers.sentencepiece_engine import as_tokenizer_json

KINDS = ("byte-level", "byte-fallback", "prefixed", "wordpiece", "unigram", "words")
# Options of sentencepiece's trainer.
SENTENCEPIECE = {
    "plain unigram": {},
    "plain bpe": {"model_type": "bpe"},
    "llama-like": {
        "model_type": "bpe",
        "byte_fallback": True,
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "split_digits": True,
        "vocab_size": 700,
    },
    "lossless unigram": {
        "byte_fallback": True,
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "add_dummy_prefix": False,
        "vocab_size": 700,
    },
    "own symbols": {"user_defined_symbols": ["<sep>", "def"]},
    "own symbols of a bpe": {
        "model_type": "bpe",
        "byte_fallback": True,
        "user_defined_symbols": ["<sep>", "def", "0", "1", "10"],
        "vocab_size": 700,
    },
    "crossing spaces": {"split_by_whitespace": False},
}
_SPACE = "\u2581"


def english(num_bytes: int = 60_000) -> list[str]:
    """Text of the Python installation, in documents, in the order of their titles."""
    texts, size = [], 0
    for document in corpora.load("builtin:topics").source.documents("train"):
        texts.append(document.decode())
        size += len(document)
        if size >= num_bytes:
            break
    return texts


def tokenizer_json(
    kind: str, vocab_size: int = 700, texts: Sequence[str] | None = None, *, lowercase: bool = True
) -> bytes:
    """A tokenizer.json trained on `texts` (a little English by default).

    Args:
      kind: one of `KINDS`: byte-level BPE as GPT-2's; BPE over U+2581 with byte fallback, alone or
        with a space put in front as Llama's; WordPiece as BERT's; Unigram with sentencepiece's
        normaliser as XLM-R's; whole words.
      lowercase: of WordPiece: small letters only.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from tokenizers import trainers as train

    texts = english() if texts is None else texts
    if kind == "unigram":  # the library's own trainer gives other scores in every process
        ids = {"bos_id": 0, "pad_id": 1, "eos_id": 2, "unk_id": 3, "control_symbols": ["<mask>"]}
        model = sentencepiece_model(vocab_size, texts, hard_vocab_limit=False, **ids)
        return json.dumps(as_tokenizer_json(model)).encode()
    plain = {"vocab_size": vocab_size, "show_progress": False}
    space: Any = {"replacement": _SPACE, "prepend_scheme": "never"}
    if kind == "byte-level":
        out = Tokenizer(models.BPE())
        out.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        out.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = train.BpeTrainer(
            initial_alphabet=alphabet, special_tokens=["<|endoftext|>"], **plain
        )
    elif kind in ("byte-fallback", "prefixed"):
        out = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
        out.pre_tokenizer = pre_tokenizers.Metaspace(**space)
        if kind == "prefixed":
            out.normalizer = normalizers.Prepend(_SPACE)
        steps = [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
        steps += [decoders.Strip(" ", 1, 0)] if kind == "prefixed" else []
        out.decoder = decoders.Sequence(steps)
        byte_pieces = [f"<0x{byte:02X}>" for byte in range(256)]
        trainer = train.BpeTrainer(special_tokens=["<unk>", "<s>", "</s>", *byte_pieces], **plain)
    elif kind == "wordpiece":
        out = Tokenizer(models.BPE())
        out.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
        out.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        out.decoder = decoders.WordPiece()
        trainer = train.BpeTrainer(**plain)
    else:
        out = Tokenizer(models.WordLevel(unk_token="[UNK]"))
        out.pre_tokenizer = pre_tokenizers.Whitespace()
        trainer = train.WordLevelTrainer(special_tokens=["[UNK]"], **plain)
    out.train_from_iterator(texts, trainer)
    if kind == "wordpiece":
        names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        entries = _word_pieces(out, texts, vocab_size - len(names))
        vocab = {token: id_ for id_, token in enumerate([*names, *entries])}
        out.model = models.WordPiece(vocab, unk_token="[UNK]")
        out.add_special_tokens(names)
        ends: Any = [(name, out.token_to_id(name)) for name in ("[SEP]", "[CLS]")]
        out.post_processor = processors.BertProcessing(*ends)
    spec = json.loads(out.to_str())
    # Trainers know only special tokens; in the files of real models the bytes are plain ones.
    spec["added_tokens"] = [t for t in spec["added_tokens"] if not t["content"].startswith("<0x")]
    return json.dumps(spec, ensure_ascii=False).encode()


def _word_pieces(bpe, texts: Sequence[str], size: int) -> list[str]:
    """Entries of a WordPiece: all characters, then the most frequent pieces of a BPE.

    (The library's own trainer gives other entries in every process.)
    """
    count: Counter[str] = Counter()
    for encoded in bpe.encode_batch(list(texts)):
        last = None
        for token, word in zip(encoded.tokens, encoded.word_ids, strict=True):
            count[token if word != last else f"##{token}"] += 1
            last = word
    single = sorted({c for token in count for c in token.removeprefix("##")})
    characters = [*single, *(f"##{character}" for character in single)]
    for token in characters:
        del count[token]
    others = sorted(count, key=lambda token: (-count[token], token))
    return [*characters, *others][:size]


def sentencepiece_model(
    vocab_size: int = 500, texts: Sequence[str] | None = None, **options
) -> bytes:
    """A .model as sentencepiece's trainer makes it with these options."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of its SWIG types
        import sentencepiece
    model = io.BytesIO()
    lines = [line for text in texts or english() for line in text.split("\n")]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        vocab_size=vocab_size,
        minloglevel=3,
        **options,
    )
    return model.getvalue()
