"""`freevocab train m1`: its arguments, and the script it runs."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from research.cli.train import LAPTOP, TrainLM
from research.errors import UsageError
from research.training.config import check_least

if TYPE_CHECKING:
    import numpy as np

    from research.codecs.protocol import Codec
    from research.training.data.batches import Batch
    from research.training.data.token_store import TokenStore
    from research.training.step import EvalTotals


@dataclasses.dataclass(frozen=True)
class TrainM1(TrainLM):
    """Train a byte model (M1) that arithmetic coding and equal-info windows compress with."""

    out: str = "runs/m1"
    """Folder for the finished byte model."""
    size: str = "3m"
    """Shape of the Transformer: 3m (the paper's), 25m, ..."""
    regime: Literal["text", "window"] = "text"
    """text: long contexts, the paper's way. window: every example starts where a window of
    --codec starts, as contexts do when the codec resets its model."""
    codec: str | None = None
    """The codec whose windows examples start at (regime window), e.g. english-b16. In regime text
    it only adds bits per byte with the context cut at every window to what is printed."""
    length: int = 1024
    """Bytes in an example (regime text)."""
    window_bytes: int = 24
    """Bytes in an example (regime window); a window of 16 bits seldom stands for more."""
    batch_size: int = 128
    """Examples of --length bytes in a step; regime window fills as many bytes with short ones."""
    steps: int = 2_500_000
    beta: int = 14
    """The saved model's frequencies sum to 2^beta (the paper's 14)."""

    PRESETS: ClassVar[dict[str, Any]] = {"laptop": LAPTOP | {"length": 256}}

    def __post_init__(self):
        super().__post_init__()
        check_least(self, window_bytes=1)


def train_m1(options: TrainM1, log: Callable[[str], None] = print) -> "EvalTotals":
    """Trains a byte Transformer, saves it as a byte model, and returns its validation sums.

    The sums are over texts of --length bytes. With a codec, bits per byte are also logged with the
    context cut at every window, as the codec would use the model.
    """
    import jax

    from research import codecs, corpora
    from research.codecs import lm_folder
    from research.codecs.basic import BytesCodec
    from research.codecs.byte_models.transformer import TransformerModel
    from research.codecs.coder import frequencies
    from research.files import check_apart
    from research.models import language_model, sizes
    from research.models.language_model import LanguageModelConfig
    from research.training import parallelism, processes, runtime
    from research.training.data import batches
    from research.training.lm import LM, Evaluations

    # Check the arguments, before any work.
    log = processes.join(options, log)
    workdir = runtime.workdir_of(options, ["codec"], lm_folder.MANIFEST)
    frequencies.check(256, options.beta)
    if options.regime == "window" and options.codec is None:
        raise UsageError("regime window needs --codec, whose windows to train on: english-b16, say")
    mesh = parallelism.make_mesh(options.parallelism)

    # The text as bytes, and where the codec's windows start.
    corpus = corpora.load(options.corpus)
    check_apart(options.out, [("--corpus", path) for path in corpus.paths])
    build = runtime.store_builder(corpus, workdir, options.max_bytes, options.valid_bytes, log)
    window_codec = codecs.load(options.codec) if options.codec else None
    valid, train = (build(split, BytesCodec()) for split in ("valid", "train"))

    def starts_of(split: str, store: "TokenStore", codec: "Codec") -> "np.ndarray":
        coded = build(split, codec)
        with processes.process_zero_first(f"starts {split}"):
            return batches.window_starts(store, coded, codec, workdir)

    # The model and its batches.
    trunk = sizes.size(options.size, dtype=options.dtype)
    model = LanguageModelConfig(trunk, train.vocab_size)
    lm = LM(model, mesh, options.parallelism, z_loss=options.z_loss)
    rows, length, shard = options.batch_size, options.length, lm.shard
    batch_fn = lm.training_batches(train, seed=options.seed, batch_size=rows, length=length)
    windows_of = window_codec if options.regime == "window" else None
    if windows_of is not None:
        length = options.window_bytes
        rows = lm.rows_that_fit(options.batch_size * options.length // length)
        starts = starts_of("train", train, windows_of)

        def window_batch(step: int) -> "Batch":
            return batches.window_batch(
                train, starts, seed=options.seed, step=step, batch_size=rows, length=length,
                shard=shard,
            )  # fmt: skip

        batch_fn = window_batch

    # Evaluations: of whole texts, and of windows by themselves.
    def on_text(params: Any) -> "EvalTotals":
        size = lm.rows_that_fit(options.batch_size)
        return lm.evaluate_store(params, valid, batch_size=size, length=options.length)

    evaluators: dict[str, Callable[[Any], EvalTotals]] = {"": on_text}
    if window_codec is not None:
        valid_starts = starts_of("valid", valid, window_codec)

        def on_windows(params: Any) -> "EvalTotals":
            size = lm.rows_that_fit(options.batch_size * 8)
            stream = batches.evaluation_windows(valid, valid_starts, batch_size=size, shard=shard)
            return lm.evaluate(params, stream, valid.num_bytes)

        evaluators["window_"] = on_windows
    evaluations = Evaluations(evaluators, 256)

    # Train, save.
    description = {
        "model": language_model.as_dict(model),
        "data": train.meta["source"],
        "regime": options.regime,
        "codec": None if windows_of is None else windows_of.fingerprint(),
        "batch": [rows, length],
        "z_loss": options.z_loss,
    }
    log("compiling the training step")
    result = lm.train(
        batch_fn, options.loop_config(), workdir,
        eval_fn=evaluations, description=description, log=log,
    )  # fmt: skip
    params = processes.gather(result.params)
    if jax.process_index() == 0:
        name = f"transformer-{options.size}-{options.regime}"
        TransformerModel(params, model, beta=options.beta, name=name).save(options.out)
        log(f"saved the byte model to {options.out}")
    return evaluations.last[""]
