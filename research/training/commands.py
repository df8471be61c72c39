"""What `freevocab train`, `evaluate` and `generate` do, as functions of their arguments."""

import dataclasses
import functools
import json
import math
import sys
from collections.abc import Callable, Iterator
from typing import Any

import jax

from research import codecs, corpora
from research.codecs import basic, lm_folder
from research.codecs.coder import frequencies
from research.errors import UsageError
from research.files import check_apart
from research.models import decoding, language_model, sizes
from research.models.language_model import LanguageModelConfig
from research.training import command_parts as parts
from research.training import distributed, loop, parallelism
from research.training.command_configs import Generate, TrainM1, TrainM2
from research.training.data import byte_windows, streaming
from research.training.evaluate_command import evaluate
from research.training.evaluation import Sums

__all__ = ["evaluate", "generate", "train_m1", "train_m2"]

Log = Callable[[str], None]


def train_m1(options: TrainM1, log: Log = print) -> Sums:
    """Trains a byte Transformer, saves it as a byte model, and returns its validation sums.

    The sums are over texts of --length bytes. With a codec, bits per byte are also logged with the
    context cut at every window, as the codec would use the model.
    """
    from research.codecs.byte_models.transformer import TransformerModel

    distributed.initialize(options.distributed)
    log = parts.first_process(log)
    workdir = parts.workdir_of(options, ["codec"], lm_folder.MANIFEST)
    frequencies.check(256, options.beta)
    if options.regime == "window" and options.codec is None:
        raise UsageError("regime window needs --codec, whose windows to train on: english-b16, say")
    mesh = parallelism.make_mesh(options.parallelism)
    share = parts.share(mesh)
    corpus = corpora.load(options.corpus)
    check_apart(options.out, [("--corpus", path) for path in corpus.paths])
    build = parts.store_builder(corpus, workdir, options.max_bytes, options.valid_bytes, log)
    window_codec = codecs.load(options.codec) if options.codec else None
    train, valid = (build(split, basic.BytesCodec()) for split in ("train", "valid"))

    def starts_of(split, store):
        coded = build(split, window_codec)
        with distributed.process_zero_first(f"starts {split}"):
            return byte_windows.window_starts(store, coded, window_codec, workdir)

    rows, length = options.batch_size, options.length
    if options.regime == "window":
        starts = starts_of("train", train)
        rows, length = rows * length // options.window_bytes, options.window_bytes
        rows = parts.evaluation_rows(mesh, rows)
        batch_fn = functools.partial(
            _window_batch, train, starts, seed=options.seed, batch_size=rows, length=length, **share
        )
    else:
        batch_fn = parts.sequences(train, options.seed, rows, length, share)

    model = LanguageModelConfig(sizes.size(options.size, dtype=options.dtype), train.vocab_size)
    evaluate_text = parts.evaluation_of(
        model, options.parallelism, valid, options.batch_size, options.length
    )
    evaluators = {"": evaluate_text}
    if window_codec is not None:
        evaluators["window_"] = _window_evaluation(
            options, model, mesh, valid, starts_of("valid", valid)
        )
    evaluations = _Evaluations(evaluators, 256)
    description = {
        "model": language_model.as_dict(model),
        "data": train.meta["source"],
        "regime": options.regime,
        "codec": window_codec.fingerprint() if options.regime == "window" else None,
        "batch": [rows, length],
        "z_loss": options.z_loss,
    }
    result = loop.train(
        parts.loss_fn(model, options.z_loss),
        functools.partial(language_model.init, config=model),
        batch_fn,
        parts.train_config(options),
        workdir,
        eval_fn=evaluations,
        description=description,
        log=log,
    )
    params = parts.whole(result.params)
    if jax.process_index() == 0:
        name = f"transformer-{options.size}-{options.regime}"
        TransformerModel(params, model, beta=options.beta, name=name).save(options.out)
        log(f"saved the byte model to {options.out}")
    return evaluations.last[""]


def train_m2(options: TrainM2, log: Log = print) -> Sums:
    """Trains a language model over a codec's ids, saves it, and returns its validation sums.

    With `TrainLexinvariant` its vocabulary is drawn for each sequence, or canonical.
    """
    distributed.initialize(options.distributed)
    log = parts.first_process(log)
    names = ("codec", "init_from", "checkpoint")
    workdir = parts.workdir_of(options, names, lm_folder.MANIFEST)
    vocabulary = parts.vocabulary_of(options)
    share = parts.share(parallelism.make_mesh(options.parallelism))
    codec = codecs.load(options.codec)
    initial_params = parts.weights_of(options.init_from, codec) if options.init_from else None
    corpus = corpora.load(options.corpus)
    check_apart(options.out, [("--corpus", path) for path in corpus.paths])
    build = parts.store_builder(corpus, workdir, options.max_bytes, options.valid_bytes, log)
    train, valid = build("train", codec), build("valid", codec)
    trunk = sizes.size(options.size, dtype=options.dtype, remat=options.remat)
    model = LanguageModelConfig(trunk, train.vocab_size, vocabulary=vocabulary)
    # A partly random vocabulary trains as such; what is evaluated and kept is the learned one.
    clean = dataclasses.replace(model, vocabulary=getattr(vocabulary, "clean", vocabulary))
    description = {
        "model": language_model.as_dict(model),
        "data": train.meta["source"],
        "batch": [options.batch_size, options.length],
        "z_loss": options.z_loss,
    }
    evaluations = _Evaluations(
        {
            "": parts.evaluation_of(
                clean, options.parallelism, valid, options.batch_size, options.length
            )
        },
        codec.vocab_size,
    )
    config = dataclasses.replace(parts.train_config(options), checkpoint=options.checkpoint)
    result = loop.train(
        parts.loss_fn(model, options.z_loss, options.chunk_size),
        functools.partial(language_model.init, config=model),
        parts.sequences(
            train,
            options.seed,
            options.batch_size,
            options.length,
            share,
            draws=vocabulary.draws,
        ),
        config,
        workdir,
        eval_fn=evaluations,
        initial_params=initial_params,
        description=description,
        log=log,
    )
    sums = evaluations.last[""]
    params = parts.whole(result.params)
    if jax.process_index() == 0:
        facts = {
            "length": options.length,
            "steps": options.steps,
            "corpus": corpus.name,
            "bits_per_byte": sums.bits_per_byte,
            "arguments": json.loads(json.dumps(dataclasses.asdict(options))),
        }
        lm_folder.save(options.out, params, clean, codec, facts)
        next_ = "generate" if clean.vocabulary.kind == "learned" else "evaluate"
        log(f"saved the model to {options.out}; freevocab {next_} --model {options.out}")
    return sums


def generate(options: Generate) -> None:
    """Writes the prompt and its continuation to standard output as it is drawn.

    Raises:
      UsageError: if the model's codec cannot decode, or cannot go on from a prompt.
    """
    params, model, codec, meta = lm_folder.load(options.model)
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


class _Evaluations:
    """An eval_fn of the loop that keeps the exact sums: name prefix -> its last sums.

    Beside bits_per_byte stands `uniform`, what a model that knows nothing of `vocab_size` ids has.
    """

    def __init__(self, evaluators: dict[str, Callable[[Any], Sums]], vocab_size: int):
        self._evaluators = evaluators
        self._bits = math.log2(vocab_size)
        self.last: dict[str, Sums] = {}

    def __call__(self, params: Any) -> dict[str, float]:
        values = {}
        for prefix, evaluate_ in self._evaluators.items():
            self.last[prefix] = sums = evaluate_(params)
            values[f"{prefix}bits_per_byte"] = sums.bits_per_byte
            if not prefix:
                values["uniform"] = self._bits / sums.bytes_per_token
                values["bytes_per_token"] = sums.bytes_per_token
        return values


def _window_batch(store, starts, step, **options):
    return byte_windows.window_batch(store, starts, step=step, **options)


def _window_evaluation(options: TrainM1, model: LanguageModelConfig, mesh, valid, starts):
    """params -> sums over all windows of the validation text, each from BOS on."""
    rows = parts.evaluation_rows(mesh, options.batch_size * 8)
    evaluate_ = parts.evaluator(model, options.parallelism)

    def evaluate_windows(params: Any) -> Sums:
        stream = byte_windows.evaluation_windows(
            valid, starts, batch_size=rows, **parts.share(mesh)
        )
        return evaluate_(params, stream, valid.num_bytes)

    return evaluate_windows
