"""Small tokenizer files of every kind, as other people's trainers write them."""

import io
import json
from collections.abc import Sequence

from research import corpora

KINDS = ("byte-level", "byte-fallback", "prefixed", "wordpiece", "unigram", "words")
_SPACE = "\u2581"


def english(num_bytes: int = 60_000) -> list[str]:
    """Text of the Python installation, in documents."""
    texts, size = [], 0
    for document in corpora.load("builtin:topics").documents("train"):
        texts.append(document.decode())
        size += len(document)
        if size >= num_bytes:
            break
    return texts


def tokenizer_json(kind: str, vocab_size: int = 700, texts: Sequence[str] | None = None) -> bytes:
    """A tokenizer.json trained on `texts` (a little English by default).

    Args:
      kind: one of `KINDS`: byte-level BPE as GPT-2's; BPE over U+2581 with byte fallback, alone or
        with a space put in front as Llama's; WordPiece in small letters as BERT's; Unigram with
        NFKC as XLM-R's; whole words.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from tokenizers import trainers as train

    texts = english() if texts is None else texts
    plain = {"vocab_size": vocab_size, "show_progress": False}
    space = {"replacement": _SPACE, "prepend_scheme": "never"}
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
        out = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        out.normalizer = normalizers.BertNormalizer(lowercase=True)
        out.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        out.decoder = decoders.WordPiece()
        names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        trainer = train.WordPieceTrainer(special_tokens=names, **plain)
    elif kind == "unigram":
        out = Tokenizer(models.Unigram())
        out.normalizer = normalizers.NFKC()
        out.pre_tokenizer = pre_tokenizers.Metaspace(_SPACE, prepend_scheme="always")
        out.decoder = decoders.Metaspace(_SPACE)
        names = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
        trainer = train.UnigramTrainer(special_tokens=names, unk_token="<unk>", **plain)
    else:
        out = Tokenizer(models.WordLevel(unk_token="[UNK]"))
        out.pre_tokenizer = pre_tokenizers.Whitespace()
        trainer = train.WordLevelTrainer(special_tokens=["[UNK]"], **plain)
    out.train_from_iterator(texts, trainer)
    if kind == "wordpiece":
        ends = [(name, out.token_to_id(name)) for name in ("[SEP]", "[CLS]")]
        out.post_processor = processors.BertProcessing(*ends)
    spec = json.loads(out.to_str())
    # Trainers know only special tokens; in the files of real models the bytes are plain ones.
    spec["added_tokens"] = [t for t in spec["added_tokens"] if not t["content"].startswith("<0x")]
    return json.dumps(spec, ensure_ascii=False).encode()


def sentencepiece_model(vocab_size: int = 500, **options) -> bytes:
    """A .model as sentencepiece's trainer makes it with these options."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of its SWIG types
        import sentencepiece
    model = io.BytesIO()
    lines = [line for text in english() for line in text.split("\n")]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        vocab_size=vocab_size,
        minloglevel=3,
        **options,
    )
    return model.getvalue()
