"""`freevocab transfer`: a finished model, moved to another tokenizer without training."""

import dataclasses
import functools
import math
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from research.errors import UsageError, flag
from research.files import atomic_path, check_out, shown, write_json, write_text
from research.transfer.methods import HYPERNETWORK, METHODS, MethodName

if TYPE_CHECKING:
    from research.transfer.convert.hf_folder import HFSource
    from research.transfer.convert.new_rows import Predicted
    from research.transfer.convert.own_folder import OwnSource
    from research.vocabularies.protocol import EmbeddingTable

AUXILIARIES = ("vectors", "aux_text", "source_vectors", "source_aux_text", "dictionary", "donor")
DTYPES = ("float32", "bfloat16", "float16")
_TEXTS = ("aux_text", "source_aux_text")
_FILES = ("vectors", "source_vectors", "dictionary", "eval_text")
_OF_HYPERNETWORK = (HYPERNETWORK, "copy_overlap", "language", "base", "task_vector")
_FOLDERS = ("model", "hypernetwork", "base", "donor")


@dataclass(frozen=True)
class Transfer:
    """Move a model to another tokenizer: new tables by any method, everything else as it was.

    Prints first what it will do and cost. OUT is written whole or not at all.
    """

    model: str
    """A Hugging Face folder (GPT-2, Llama, Mistral, Qwen2, Qwen3, Gemma 2, RoBERTa, XLM-R; config,
    safetensors, tokenizer), or a folder that freevocab saved."""
    tokenizer: str
    """The new tokenizer: tokenizer.json, sentencepiece .model, tiktoken file, a folder with one, or
    a codec's name or folder. Its ids become the model's."""
    out: str
    """Folder to write. One that this command wrote before is replaced."""
    method: MethodName = "fvt"
    """How rows of new entries are found. fvt: mean of the old pieces. hypernetwork: predicted.
    omp, focus, ofa, wechsel: by likeness to old entries. random, mean, overlap: to compare with."""
    hypernetwork: str | None = None
    """Of hypernetwork: a folder that `train hypernetwork` wrote for this model or its base."""
    copy_overlap: bool = False
    """Of hypernetwork: entries that both tokenizers have keep their rows."""
    language: str | None = None
    """Of a hypernetwork that was trained with --languages: the new tokenizer's."""
    base: str | None = None
    """Of hypernetwork, where MODEL is a fine-tuned variant: the model that the hypernetwork was
    trained for. Rows are predicted from the base's, as in the paper."""
    task_vector: float | None = None
    """Of a hypernetwork trained with --train-trunk: W, where MODEL's new trunk is its trunk + W x
    (trunk after that training - trunk before). 1 if MODEL is the model that was trained: the trunk
    after training. With --base it must be given (the paper's best: 0.5)."""
    vectors: str | None = None
    """Of wechsel, focus, ofa, omp-aux: word vectors of the new tokenizer's language, a fastText
    .vec, .vec.gz or .bin file (.bin: with the extra [vectors]), or GloVe's text."""
    aux_text: str | None = None
    """In place of --vectors: text files (a glob) to make vectors from; omp and ofa are then called
    omp-aux and ofa-aux."""
    source_vectors: str | None = None
    """Of wechsel and ofa: word vectors of the old tokenizer's language, if it is another; files as
    of --vectors."""
    source_aux_text: str | None = None
    """In place of --source-vectors: text files (a glob)."""
    dictionary: str | None = None
    """Of wechsel and ofa, for two languages: a file of a word, a tab and its translation a line, or
    of two single words with a space between (MUSE's)."""
    donor: str | None = None
    """Of omp: a checkpoint folder that has the new tokenizer."""
    map_special: tuple[str, ...] = ()
    """SRC=DST for special tokens that role and name do not pair; a token, a role or an id each."""
    eval_text: str | None = None
    """A text file to measure bits/byte on, before and after."""
    dry_run: bool = False
    """Print what would be done, its sizes and cost; write nothing."""
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """Write all numbers in this type; by default each tensor keeps its own."""
    pad_to_multiple_of: int = 1
    """Of a Hugging Face folder: rows of the tables, with mean rows at the end for ids that no token
    has (tensor parallelism wants 64 or 128)."""
    seed: int = 0
    """Decides what is drawn."""

    @property
    def exact_method(self) -> str:
        """With vectors in place of a donor omp is omp-aux, with our own vectors ofa is ofa-aux."""
        if self.method == "omp" and not self.donor and (self.vectors or self.aux_text):
            return "omp-aux"
        if self.method == "ofa" and self.aux_text and not self.vectors:
            return "ofa-aux"
        return self.method

    def for_card(self) -> dict[str, Any]:
        """The arguments besides model, tokenizer, method and out; of paths the last names."""
        names = ("copy_overlap", "language", "map_special", "dtype", "seed")
        facts: dict[str, Any] = {name: getattr(self, name) for name in names if getattr(self, name)}
        if self.pad_to_multiple_of > 1:
            facts["pad_to_multiple_of"] = self.pad_to_multiple_of
        if self.task_vector is not None:
            facts["task_vector"] = self.task_vector
        for name in (HYPERNETWORK, "base", *AUXILIARIES):
            if path := getattr(self, name):
                facts[name] = shown(os.path.basename(path.rstrip("/")))
        return {name: list(v) if isinstance(v, tuple) else v for name, v in facts.items()}


def run(options: Transfer, say: Callable[[str], None] = print) -> None:
    """Transfers, or says what would be done. OUT is written whole or not at all.

    Raises:
      UsageError: for what is wrong with the request; nothing is written.
      FreevocabError: for a damaged file, or too little room; nothing is written.
    """
    check(options)
    from research.transfer import matching
    from research.transfer.convert import card, plan, special_ids
    from research.transfer.convert.new_rows import Predicted

    # The model, the new tokenizer and which of their entries are the same.
    source = _open(options.model)
    if options.eval_text:
        source.check_measurable()
    target = source.open_target(options.tokenizer)
    mapped = special_ids.parse_map(options.map_special, source.tokenizer, target)
    match = matching.match(source.tokenizer, target, map_special=mapped)
    move = source.move(target, match, options.dtype, options.pad_to_multiple_of)

    # The method, with what it needs, so that this fails before anything else is done.
    base = _open_base(options.base, source) if options.base else None
    method, old_table = open_method(options, base), None
    steps = plan.of_move(source, move, options.exact_method, options.out)
    if isinstance(method, Predicted):  # a network is made for one model: is it this one?
        old_table = source.table()
        move.notes.extend(method.notes(old_table, source.tokenizer, target))
        if weight := method.trunk_weight:
            move.change_trunk(method.trunk(), weight, method.check_trunk, base)
            trained_on = method.trained_on(target)
            steps = dataclasses.replace(steps, trunk=weight, trained_on=trained_on)
    say("\n".join(plan.lines(steps)))
    if options.dry_run:
        return

    # The new table, then all files.
    plan.check_room(options.out, steps.new_nbytes)
    old_table = source.table() if old_table is None else old_table
    table = method(old_table, source.tokenizer, target, match=match)
    del old_table
    digests = source.digests()
    if isinstance(method, Predicted):
        digests |= method.digests()
    if base is not None and base.hugging_face:
        digests |= {f"--base: {name}": digest for name, digest in base.digests().items()}
    record = card.record(steps, options.for_card(), digests)
    with atomic_path(options.out, directory=True, mark=card.RECORD) as temporary:
        move.write(temporary, table, record, plan.Progress(steps.new_nbytes, say))
        if options.eval_text:
            record["scores"] = _before_and_after(options.model, temporary, options.eval_text)
            say(card.scores_line(record["scores"]))
        licences = [path.name for path in source.licences()]
        content = card.card(record, licences, hugging_face=source.hugging_face)
        write_text(temporary / "README.md", content)
        write_json(temporary / card.RECORD, record)
    say(f"wrote {shown(options.out)}")


def open_method(
    options: Transfer, base: "HFSource | OwnSource | None"
) -> "Callable[..., EmbeddingTable] | Predicted":
    """The method that is asked for, with the files that it needs: takes table, both tokenizers and
    `match`.

    Args:
      base: what is at --base, opened.
    """
    from research.transfer import methods
    from research.transfer.convert import new_rows

    if options.method != HYPERNETWORK:
        paths = {name: getattr(options, name) for name in AUXILIARIES}
        method = methods.make(options.exact_method, new_rows.auxiliary(paths))
        return functools.partial(method, seed=options.seed)
    return new_rows.Predicted(
        options.hypernetwork or "",
        options.model,
        base,
        copy_overlap=options.copy_overlap,
        language=options.language,
        task_vector=options.task_vector,
    )


def check(options: Transfer) -> None:
    """Raises UsageError, naming the flag: unknown method, an auxiliary missing or out of place, a
    folder that must not be written to, a file that is not there."""
    from research.transfer.methods.auxiliary import Auxiliary

    if options.method not in METHODS:
        raise UsageError(f"--method is one of {', '.join(METHODS)}, not {options.method!r}")
    if options.dtype is not None and options.dtype not in DTYPES:
        raise UsageError(f"--dtype is one of {', '.join(DTYPES)}, not {options.dtype!r}")
    if options.pad_to_multiple_of < 1:
        raise UsageError(
            f"--pad-to-multiple-of must be at least 1, not {options.pad_to_multiple_of}"
        )
    if options.seed < 0:
        raise UsageError(f"--seed must be at least 0, not {options.seed}")
    if options.task_vector is not None and not math.isfinite(options.task_vector):
        raise UsageError(f"--task-vector must be a number, not {options.task_vector}")
    name, paths = options.exact_method, {one: getattr(options, one) for one in AUXILIARIES}
    if name == HYPERNETWORK:
        if not options.hypernetwork:
            raise UsageError("method hypernetwork needs --hypernetwork, which "
                             "`freevocab train hypernetwork` makes")  # fmt: skip
        useless = [flag(one) for one, path in paths.items() if path]
    else:
        # What the files hold does not matter here.
        given: dict[str, Any] = {one: path or None for one, path in paths.items()}
        METHODS[name].check(name, Auxiliary(**given), ())
        default = {one.name: one.default for one in dataclasses.fields(options)}
        useless = [flag(one) for one in _OF_HYPERNETWORK if getattr(options, one) != default[one]]
    if useless:
        raise UsageError(f"method {name} has no use for {', '.join(useless)}")
    for names, kind, exists in ((_FOLDERS, "folder", Path.is_dir), (_FILES, "file", Path.is_file)):
        for name in names:
            path = getattr(options, name)
            if path and not exists(Path(path)):
                raise UsageError(f"{flag(name)}: there is no {kind} {path}")
    if options.eval_text and not Path(options.eval_text).stat().st_size:
        raise UsageError(f"--eval-text: {options.eval_text} is empty")
    _check_out(options)


def _check_out(options: Transfer) -> None:
    from research import corpora
    from research.transfer.convert.card import RECORD

    inputs = [(flag(name), getattr(options, name)) for name in (*_FOLDERS, *_FILES)]
    inputs += [("--tokenizer", options.tokenizer)] if Path(options.tokenizer).exists() else []
    for name in _TEXTS:
        if pattern := getattr(options, name):
            inputs += [(flag(name), path) for path in corpora.load(f"text:{pattern}").paths]
    check_out(options.out, inputs, mark=RECORD)


def _open(name: str) -> "HFSource | OwnSource":
    from research.models import saved
    from research.transfer.convert.hf_folder import HFSource
    from research.transfer.convert.own_folder import OwnSource

    return OwnSource(name) if saved.is_own(name) else HFSource(name)


def _open_base(name: str, source: "HFSource | OwnSource") -> "HFSource | OwnSource":
    from research.models import saved

    if saved.is_own(name) == source.hugging_face:
        folders = [f"--base {name}", f"--model {source.name}"]
        own, theirs = folders if source.hugging_face else reversed(folders)
        raise UsageError(f"{own} is a freevocab folder, {theirs} is not")
    return _open(name)


def _before_and_after(before: str, after: Path, text: str) -> dict[str, Any]:
    """Both models on every byte of a file, as `freevocab evaluate --text` measures it.

    Returns:
      {"text": name, "bytes": n, "before": {"bits/byte", "tokens/byte"}, "after": {...}}
    """
    from research.corpora import Corpus
    from research.corpora.text import whole
    from research.training import model_folders
    from research.training.data import token_store

    scores: dict[str, Any] = {"text": shown(Path(text).name)}
    corpus = Corpus(whole(Path(text)))
    for when, folder in (("before", before), ("after", after)):
        with tempfile.TemporaryDirectory() as stores:
            build = functools.partial(token_store.build, corpus, "valid", directory=stores)
            totals = model_folders.evaluate(folder, build).totals
        scores["bytes"] = int(totals.bytes)
        scores[when] = {
            "bits/byte": round(float(totals.bits_per_byte), 6),
            "tokens/byte": round(float(totals.tokens / totals.bytes), 6),
        }
    return scores
