"""What `freevocab evaluate` does: bits per byte of a freevocab or a Hugging Face folder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from research import corpora, tokenizers
from research.codecs import lm_folder
from research.codecs.protocol import Codec
from research.corpora import Corpus, text
from research.errors import UsageError
from research.evaluation.bits_per_byte import with_lost_bytes
from research.models import pretrained
from research.models.pretrained import PretrainedLM
from research.tokenizers import Tokenizer
from research.training import command_parts as parts
from research.training import distributed, parallelism
from research.training.command_configs import Evaluate
from research.training.data import hf_eval_batches, token_store
from research.training.data.token_store import TokenStore
from research.training.evaluation import Sums

Log = Callable[[str], None]
_LONGEST = 2048  # tokens of a window where the model would take more


def evaluate(options: Evaluate, log: Log = print) -> Sums:
    """Bits per byte of a saved model over every byte of a text.

    The text is cut into windows of so many tokens as the model was trained with (its context); a
    window starts with BOS and sees nothing of the one before, so every token counts once and
    windows do not overlap.

    Raises:
      UsageError: for arguments that do not go together, or a masked language model.
    """
    distributed.initialize(options.distributed)
    log = parts.first_process(log)
    folder = Path(options.model)
    if (folder / "config.json").is_file() and not (folder / "model.json").is_file():
        return _foreign(options, log)
    if options.tokenizer is not None:
        raise UsageError("--tokenizer is for Hugging Face folders; this model has its own codec")
    params, model, codec, meta = lm_folder.load(options.model)
    store = _store(options, codec, log)
    length = options.length or int(meta.get("length", 512))
    evaluate_ = parts.evaluation_of(model, options.parallelism, store, options.batch_size, length)
    sums = evaluate_(params)
    ids, specials = f"{codec.vocab_size} ids and BOS, EOS", "one EOS a document among them"
    for line in _report(options, codec, ids, store, sums, specials):
        log(line)
    return sums


def _foreign(options: Evaluate, log: Log) -> Sums:
    """A Hugging Face folder, with its own tokenizer or another one."""
    lm = pretrained.load(options.model, with_tokenizer=options.tokenizer is None)
    if lm.masked:
        raise UsageError(
            f"{options.model} is a masked language model ({lm.family}): it has no bits per byte; "
            "give a model that predicts the next token"
        )
    tokenizer = tokenizers.load(options.tokenizer) if options.tokenizer else lm.tokenizer
    if tokenizer is None:
        raise UsageError(f"{options.model} holds no tokenizer: give --tokenizer FILE")
    if tokenizer.vocab_size > lm.config.rows:
        raise UsageError(
            f"the tokenizer has {tokenizer.vocab_size:,} ids, the model's tables "
            f"{lm.config.rows:,} rows: it is another model's"
        )
    length = options.length or min(lm.context, _LONGEST)
    if lm.config.trunk.positions == "learned" and length > lm.context:
        raise UsageError(f"--length {length}: this model has {lm.context} positions")
    store = _store(options, tokenizer, log)
    marks = hf_eval_batches.marks(tokenizer, lm.raw)
    sums = _foreign_sums(options, lm, store, marks, length)
    ids = f"{tokenizer.vocab_size:,} ids, {lm.config.rows:,} rows; {lm.family}"
    for line in _report(options, tokenizer, ids, store, sums, marks.words(_names(tokenizer))):
        log(line)
    log(f"windows     {length} tokens, none sees another")
    return sums


def _foreign_sums(
    options: Evaluate,
    lm: PretrainedLM,
    store: TokenStore,
    marks: hf_eval_batches.Marks,
    length: int,
) -> Sums:
    mesh = parallelism.make_mesh(options.parallelism)
    rows = parts.evaluation_rows(mesh, options.batch_size)
    stream = hf_eval_batches.evaluation_batches(
        store, marks, batch_size=rows, length=length, **parts.share(mesh)
    )
    sums = parts.evaluator(lm.config, options.parallelism)(lm.params, stream, store.num_bytes)
    # What has nothing before it is charged as if all ids were as likely.
    charged = hf_eval_batches.tokens(store, marks) - sums.tokens
    nats = sums.nats + charged * float(np.log(lm.config.rows))
    return sums._replace(nats=nats, tokens=sums.tokens + charged)


def _names(tokenizer: Tokenizer) -> Callable[[int], str]:
    names = getattr(tokenizer, "special_names", {})
    return lambda id_: f"{names.get(id_, 'id')} ({id_})"


def _corpus(options: Evaluate) -> tuple[Corpus, str]:
    """The text and which of its splits is wanted."""
    if options.text is None:
        return corpora.load(options.corpus), options.split
    if not Path(options.text).is_file():
        raise UsageError(f"--text {options.text}: there is no such file")
    return Corpus(text.whole(Path(options.text))), "valid"


def _store(options: Evaluate, codec: Codec | Tokenizer, log: Log) -> TokenStore:
    corpus, split = _corpus(options)
    progress = parts.progress_of(split, codec, log)
    with distributed.process_zero_first("store"):
        return token_store.build(
            corpus, split, codec, options.stores, max_bytes=options.max_bytes, progress=progress
        )


def _lost_share(codec: Codec | Tokenizer, options: Evaluate) -> float:
    from research.codecs.unrecoverable import unrecoverable_share

    corpus, split = _corpus(options)
    return unrecoverable_share(
        codec, token_store.first_bytes(corpus.documents(split), options.max_bytes)
    )


def _report(
    options: Evaluate,
    codec: Codec | Tokenizer,
    ids: str,
    store: TokenStore,
    sums: Sums,
    specials: str,
) -> Iterator[str]:
    nats_per_token = sums.nats / sums.tokens
    name = options.text or f"{options.split} of {store.meta['corpus_name']}"
    yield f"model       {options.model} ({codec.name}, {ids})"
    yield f"text        {name}: {store.num_bytes:,} bytes, {store.num_documents:,} documents"
    yield f"tokens      {sums.tokens:,}, {specials}"
    yield f"ratio       {sums.bytes_per_token:.4f} bytes/token"
    yield f"tokens/byte {sums.tokens / sums.bytes:.6f}"
    yield f"loss        {nats_per_token:.4f} nats/token, {sums.nats:.2f} nats in all"
    yield f"bits/byte   {sums.bits_per_byte:.4f}"
    if not codec.lossless:
        lost = _lost_share(codec, options)
        adjusted = with_lost_bytes(sums.bits_per_byte, lost)
        yield f"lost bytes  {lost:.4%}; with 8 bits for each {adjusted:.4f} bits/byte"
    uniform = float(np.log2(codec.vocab_size)) / sums.bytes_per_token
    yield f"uniform     {uniform:.4f} bits/byte for a model that knows nothing"
