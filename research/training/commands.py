"""What `freevocab train`, `evaluate` and `generate` do, as functions of their arguments."""

import dataclasses
import functools
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from research import codecs, corpora
from research.codecs import bytes_codec
from research.codecs.protocol import Codec
from research.errors import UsageError
from research.evaluation.bits_per_byte import with_lost_bytes
from research.models import decoding, language_model, saved, sizes
from research.models.language_model import LanguageModelConfig
from research.training import (
    batches,
    byte_windows,
    distributed,
    evaluation,
    loop,
    parallelism,
    streaming,
    token_store,
)
from research.training.command_configs import Evaluate, Generate, TrainM1, TrainM2
from research.training.config import ParallelismConfig, TrainConfig
from research.training.evaluation import Sums
from research.training.metrics import quantity
from research.training.token_store import TokenStore

Log = Callable[[str], None]


def train_m1(options: TrainM1, log: Log = print) -> Sums:
    """Trains a byte Transformer, saves it as a byte model, and returns its validation sums."""
    from research.codecs.byte_models.transformer import TransformerModel

    distributed.initialize(options.distributed)
    _check_out(options.out, "model.json")
    mesh = parallelism.make_mesh(options.parallelism)
    share = _share(mesh)
    workdir = Path(options.workdir or f"{options.out}.work")
    codec = bytes_codec.BytesCodec()
    corpus = corpora.load(options.corpus)
    build = _store_builder(corpus, workdir, options.max_bytes, options.valid_bytes, log)
    train, valid = build("train", codec), build("valid", codec)
    rows, length = options.batch_size, options.length
    if options.regime == "window":
        window_codec = codecs.load(options.codec)
        starts = byte_windows.window_starts(
            train, build("train", window_codec), window_codec, workdir
        )
        rows, length = rows * length // options.window_bytes, options.window_bytes
        rows -= rows % mesh.shape["data"]

        def batch_fn(step):
            return byte_windows.window_batch(
                train, starts, seed=options.seed, step=step, batch_size=rows, length=length, **share
            )
    else:
        batch_fn = _sequences(train, options.seed, rows, length, share)

    trunk = sizes.size(options.size, dtype=options.dtype)
    model = LanguageModelConfig(trunk, train.vocab_size)
    description = {
        "model": dataclasses.asdict(model),
        "data": train.meta["source"],
        "regime": options.regime,
        "codec": window_codec.fingerprint() if options.regime == "window" else None,
        "batch": [rows, length],
        "z_loss": options.z_loss,
    }
    loss_fn = functools.partial(_loss, config=model, z_loss=options.z_loss, chunk_size=None)
    evaluate_ = _evaluation(model, options.parallelism, valid, options.batch_size, options.length)
    sums: list[Sums] = []
    result = loop.train(
        loss_fn,
        functools.partial(language_model.init, config=model),
        batch_fn,
        _train_config(options),
        workdir,
        eval_fn=_summary_of(evaluate_, sums),
        description=description,
        log=log,
    )
    params = _whole(result.params)
    if jax.process_index() == 0:
        name = f"transformer-{options.size}-{options.regime}"
        TransformerModel(params, model, beta=options.beta, name=name).save(options.out)
        log(f"saved the byte model to {options.out}")
    return sums[-1]


def train_m2(options: TrainM2, log: Log = print) -> Sums:
    """Trains a language model over a codec's ids, saves it, and returns its validation sums."""
    distributed.initialize(options.distributed)
    _check_out(options.out, "model.json")
    share = _share(parallelism.make_mesh(options.parallelism))
    workdir = Path(options.workdir or f"{options.out}.work")
    codec = codecs.load(options.codec)
    initial_params = _weights_of(options.init_from, codec) if options.init_from else None
    corpus = corpora.load(options.corpus)
    build = _store_builder(corpus, workdir, options.max_bytes, options.valid_bytes, log)
    train, valid = build("train", codec), build("valid", codec)
    trunk = sizes.size(options.size, dtype=options.dtype, remat=options.remat)
    model = LanguageModelConfig(trunk, train.vocab_size, tied=options.tied)
    description = {
        "model": dataclasses.asdict(model),
        "data": train.meta["source"],
        "batch": [options.batch_size, options.length],
        "z_loss": options.z_loss,
    }
    evaluate_ = _evaluation(model, options.parallelism, valid, options.batch_size, options.length)
    config = dataclasses.replace(_train_config(options), checkpoint=options.checkpoint)
    sums: list[Sums] = []
    result = loop.train(
        functools.partial(
            _loss, config=model, z_loss=options.z_loss, chunk_size=options.chunk_size
        ),
        functools.partial(language_model.init, config=model),
        _sequences(train, options.seed, options.batch_size, options.length, share),
        config,
        workdir,
        eval_fn=_summary_of(evaluate_, sums),
        initial_params=initial_params,
        description=description,
        log=log,
    )
    params = _whole(result.params)
    if jax.process_index() == 0:
        facts = {
            "length": options.length,
            "steps": options.steps,
            "corpus": corpus.name,
            "bits_per_byte": sums[-1].bits_per_byte,
            "arguments": json.loads(json.dumps(dataclasses.asdict(options))),
        }
        saved.save(options.out, params, model, codec, facts)
        log(f"saved the model to {options.out}; freevocab generate --model {options.out}")
    return sums[-1]


def evaluate(options: Evaluate, log: Log = print) -> Sums:
    """Bits per byte of a saved model over every byte of a split."""
    distributed.initialize(options.distributed)
    params, model, codec, meta = saved.load(options.model)
    corpus = corpora.load(options.corpus)
    progress = _progress(options.split, codec, log)
    store = token_store.build(
        corpus, options.split, codec, options.stores, max_bytes=options.max_bytes, progress=progress
    )
    length = options.length or int(meta.get("length", 512))
    evaluate_ = _evaluation(model, options.parallelism, store, options.batch_size, length)
    sums = evaluate_(params)
    if jax.process_index() == 0:
        lost = 0.0
        if not codec.lossless:
            lost = _lost_share(codec, corpus, options)
        for line in _report(options, codec, store, sums, lost):
            log(line)
    return sums


def generate(options: Generate) -> None:
    """Writes the prompt and its continuation to standard output as it is drawn.

    Raises:
      UsageError: if the model's codec cannot decode, or cannot go on from a prompt.
    """
    params, model, codec, meta = saved.load(options.model)
    prompt_ids, prompt = streaming.encode_prompt(codec, options.prompt)
    ids = decoding.generate(
        params,
        model,
        prompt_ids,
        key=jax.random.key(options.seed),
        max_tokens=options.max_tokens,
        temperature=options.temperature,
        top_k=options.top_k,
        top_p=options.top_p,
        context=meta.get("length"),
    )

    def pieces() -> Iterator[bytes]:
        yield prompt
        yield from streaming.stream_bytes(codec, prompt_ids, ids)

    if options.raw:
        for piece in pieces():
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        return
    encoding = sys.stdout.encoding or "utf-8"
    for text in streaming.as_text(pieces()):
        # A terminal that is not UTF-8 must not stop the program either.
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
        sys.stdout.flush()
    sys.stdout.write("\n")


def _loss(params, batch, *, config, z_loss, chunk_size):
    return language_model.loss(params, config, batch, z_loss=z_loss, chunk_size=chunk_size)


def _train_config(options: TrainM1 | TrainM2) -> TrainConfig:
    names = ("steps", "seed", "optimizer", "parallelism", "log_every", "save_every", "eval_every")
    return TrainConfig(**{name: getattr(options, name) for name in names})


def _share(mesh) -> dict[str, int]:
    index, count = parallelism.batch_share(mesh)
    return {"process_index": index, "process_count": count}


def _sequences(store: TokenStore, seed: int, rows: int, length: int, share: dict[str, int]):
    def batch_fn(step):
        return batches.sequence_batch(
            store, seed=seed, step=step, batch_size=rows, length=length, **share
        )

    return batch_fn


def _evaluation(
    model: LanguageModelConfig, config: ParallelismConfig, store: TokenStore, rows: int, length: int
) -> Callable[[Any], Sums]:
    """params -> sums over a store. Its z-loss is 0: bits per byte are of nats alone."""
    mesh = parallelism.make_mesh(config)
    devices = mesh.shape["data"]
    rows = max(devices, rows - rows % devices)
    share = _share(mesh)
    shapes = jax.eval_shape(lambda key: language_model.init(key, model), jax.random.key(0))
    loss_fn = functools.partial(_loss, config=model, z_loss=0.0, chunk_size=None)
    evaluator = evaluation.make_evaluator(loss_fn, config, mesh, shapes)

    def evaluate_(params):
        stream = batches.evaluation_batches(store, batch_size=rows, length=length, **share)
        return evaluator(params, stream, store.num_bytes)

    return evaluate_


def _summary_of(evaluate_: Callable[[Any], Sums], kept: list[Sums]):
    """An eval_fn for the loop; appends the exact sums to `kept`."""

    def summary(params) -> dict[str, float]:
        kept.append(evaluate_(params))
        last = kept[-1]
        return {"bits_per_byte": last.bits_per_byte, "bytes_per_token": last.bytes_per_token}

    return summary


def _store_builder(corpus, workdir: Path, max_bytes, valid_bytes, log: Log):
    def build(split: str, codec: Codec) -> TokenStore:
        store = token_store.build(
            corpus,
            split,
            codec,
            workdir / "stores",
            max_bytes=max_bytes if split == "train" else valid_bytes,
            progress=_progress(split, codec, log),
        )
        log(
            f"{split}: {quantity(store.num_bytes, 'B')} of {corpus.name} in "
            f"{store.num_documents} documents, {quantity(store.num_tokens)} ids of {codec.name}"
        )
        return store

    return build


def _progress(split: str, codec: Codec, log: Log):
    def progress(done: int, rate: float) -> None:
        log(f"encoding {split} with {codec.name}: {quantity(done, 'B')}, {quantity(rate, 'B')}/s")

    return progress


def _weights_of(directory: str, codec: Codec) -> Callable[[], Any]:
    """Loads a model folder's weights when called; whether its codec fits is checked at once."""
    if not Path(directory, "model.json").is_file():
        raise UsageError(f"{directory} is no model folder: it has no model.json")
    theirs = codecs.load(Path(directory) / "codec")
    if theirs.fingerprint() != codec.fingerprint():
        raise UsageError(
            f"{directory} was trained with codec {theirs.name}, whose ids mean something else: "
            "give the same --codec"
        )
    return lambda: saved.load(directory)[0]


def _whole(params: Any) -> Any:
    """Numpy arrays of parameters that may lie on several processes."""
    if jax.process_count() == 1:
        return jax.device_get(params)
    from jax.experimental import multihost_utils

    return multihost_utils.process_allgather(params, tiled=True)


def _check_out(directory: str, marker: str) -> None:
    path = Path(directory)
    if path.is_dir() and any(path.iterdir()) and not (path / marker).is_file():
        raise UsageError(f"{directory} holds other files than a model; choose another --out")
    if path.exists() and not path.is_dir():
        raise UsageError(f"{directory} is a file; choose another --out")


def _lost_share(codec: Codec, corpus, options: Evaluate) -> float:
    from research.codecs.unrecoverable import unrecoverable_share

    documents = token_store.first_bytes(corpus.documents(options.split), options.max_bytes)
    return unrecoverable_share(codec, documents)


def _report(options: Evaluate, codec: Codec, store: TokenStore, sums: Sums, lost: float):
    nats_per_token = sums.nats / sums.tokens
    yield f"model       {options.model} ({codec.name}, {codec.vocab_size} ids and BOS, EOS)"
    yield (
        f"text        {options.split} of {store.meta['corpus_name']}: {store.num_bytes:,} bytes, "
        f"{store.num_documents:,} documents"
    )
    yield f"tokens      {sums.tokens:,}, one EOS a document among them"
    yield f"ratio       {sums.bytes_per_token:.4f} bytes/token"
    yield f"tokens/byte {sums.tokens / sums.bytes:.6f}"
    yield f"loss        {nats_per_token:.4f} nats/token, {sums.nats:.2f} nats in all"
    yield f"bits/byte   {sums.bits_per_byte:.4f}"
    if not codec.lossless:
        adjusted = with_lost_bytes(sums.bits_per_byte, lost)
        yield f"lost bytes  {lost:.4%}; with 8 bits for each {adjusted:.4f} bits/byte"
    uniform = float(np.log2(codec.vocab_size)) / sums.bytes_per_token
    yield f"uniform     {uniform:.4f} bits/byte for a model that knows nothing"
