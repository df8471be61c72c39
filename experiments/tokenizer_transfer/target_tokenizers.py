"""The tokenizers of a table, made once for each work directory and opened after that."""

from collections.abc import Iterator
from pathlib import Path

from configs.tokenizer_transfer.presets import TokenizerConfig
from experiments.shared import compressors
from experiments.shared.tables import Log
from research import codecs, files
from research import tokenizers as tokenizers_
from research.codecs.protocol import Codec
from research.corpora import Corpus
from research.reporting import results
from research.training.data import token_store

TOKENIZER_JSON = "tokenizer.json"


def build(config: TokenizerConfig, corpus: Corpus, workdir: Path, log: Log = print) -> Codec:
    """The tokenizer that `config` describes, as a codec.

    Args:
      corpus: whose text it is made from if the config names none.

    Raises:
      UsageError: if a file or a corpus that it names is not there.
    """
    if config.kind == "bytes":
        return codecs.load("bytes")
    if config.kind == "file":
        unset = (
            f"{config.path} lies in the folder $FREEVOCAB_DATA, which is not set: set it (see"
            " docs/tables.md), or run --scale cpu"
        )
        return tokenizers_.load(compressors.expanded(config.path, unset))
    if config.kind == "codebook" and config.path:
        return codecs.load(config.path)
    corpus = compressors.load_corpus(config.corpus) if config.corpus else corpus
    directory = workdir / "tokenizers" / results.key(corpus.digest, config)
    if not directory.is_dir():
        log(f"making the tokenizer {config.label or config.kind} from {corpus.name}")
        _make(config, corpus, directory)
    if config.kind == "wordpiece":
        return tokenizers_.load(directory / TOKENIZER_JSON)
    return codecs.load(directory)


def _texts(config: TokenizerConfig, corpus: Corpus) -> Iterator[bytes]:
    return token_store.first_bytes(corpus.documents(config.split), config.max_bytes)


def _make(config: TokenizerConfig, corpus: Corpus, directory: Path) -> None:
    texts = list(_texts(config, corpus))
    if config.kind == "bpe":
        from research.codecs.subword import BPECodec

        BPECodec.train(texts, config.vocab_size).save(directory)
    elif config.kind == "unigram":
        from research.codecs.subword import SentencePieceCodec

        SentencePieceCodec.train(texts, config.vocab_size).save(directory)
    elif config.kind == "dictionary":
        from research.codecs.codebook.dictionary import train_dictionary

        train_dictionary(texts, config.vocab_size).save(directory)
    elif config.kind == "codebook":
        from research.codecs.byte_models.ngram import NGramModel
        from research.codecs.codebook.build import compile_codebook

        model = NGramModel.train(texts, order=5, beta=config.window_bits)
        compile_codebook(model, config.window_bits).save(directory)
    else:
        from research.testing.tokenizers import tokenizer_json

        decoded = [text.decode("utf-8", "replace") for text in texts]
        content = tokenizer_json("wordpiece", config.vocab_size, decoded, lowercase=False)
        files.write_bytes(directory / TOKENIZER_JSON, content)
