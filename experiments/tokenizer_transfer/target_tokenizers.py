"""The tokenizers of a table, made once for each work directory and opened after that."""

from pathlib import Path

from configs.tokenizer_transfer.presets import TokenizerConfig
from experiments.shared import compressors
from experiments.shared.tables import Log
from research import codecs, files
from research import tokenizers as tokenizers_
from research.codecs.byte_models.ngram import NGramModel
from research.codecs.codebook.build import compile_codebook
from research.codecs.codebook.dictionary import train_dictionary
from research.codecs.protocol import Codec
from research.codecs.subword import BPECodec, SentencePieceCodec
from research.corpora import Corpus
from research.reporting import results
from research.testing.tokenizers import tokenizer_json
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
        # Only texts go through it: what a codec has beyond a tokenizer is not needed.
        path = compressors.expanded(config.path, unset)
        return tokenizers_.load(path)  # pyright: ignore[reportReturnType]
    if config.kind == "codebook" and config.path:
        return codecs.load(config.path)
    corpus = compressors.load_corpus(config.corpus) if config.corpus else corpus
    directory = workdir / "tokenizers" / results.key(corpus.digest, config)
    if not directory.is_dir():
        log(f"making the tokenizer {config.label or config.kind} from {corpus.name}")
        _make(config, corpus, directory)
    if config.kind == "wordpiece":
        path = directory / TOKENIZER_JSON
        return tokenizers_.load(path)  # pyright: ignore[reportReturnType]
    return codecs.load(directory)


def _make(config: TokenizerConfig, corpus: Corpus, directory: Path) -> None:
    texts = list(token_store.first_bytes(corpus.documents(config.split), config.max_bytes))
    match config.kind:
        case "bpe":
            BPECodec.train(texts, config.vocab_size).save(directory)
        case "unigram":
            SentencePieceCodec.train(texts, config.vocab_size).save(directory)
        case "dictionary":
            train_dictionary(texts, config.vocab_size).save(directory)
        case "codebook":
            model = NGramModel.train(texts, order=5, beta=config.window_bits)
            compile_codebook(model, config.window_bits).save(directory)
        case _:
            decoded = [text.decode("utf-8", "replace") for text in texts]
            content = tokenizer_json("wordpiece", config.vocab_size, decoded, lowercase=False)
            files.write_bytes(directory / TOKENIZER_JSON, content)
