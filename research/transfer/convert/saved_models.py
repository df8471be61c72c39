"""Folders that freevocab itself saved, moved to another codec: freevocab folders come out."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from research.errors import UsageError
from research.files import shown
from research.transfer import matching, source_model
from research.transfer.convert import (
    card,
    methods,
    plan,
    request,
    scoring,
    special_ids,
    target_files,
)
from research.transfer.convert.request import HYPERNETWORK, Request
from research.transfer.convert.trunk import check_finite
from research.transfer.hypernet import task_vectors

DESCRIPTION = "model.json"


def is_one(directory: str) -> bool:
    """Did freevocab save this folder?"""
    return (Path(directory) / DESCRIPTION).is_file()


def transfer(asked: Request, *, dry_run: bool, say: Callable[[str], None]) -> None:
    """As `command.run`, for a model and a codec of ours.

    Raises:
      UsageError: the new tokenizer is no codec, or the model's vocabulary is not a learned table.
    """
    from research import codecs
    from research.codecs.codec_tokenizer import CodecTokenizer
    from research.files import write_json, write_text
    from research.models import language_model, saved
    from research.vocabularies import learned
    from research.vocabularies.protocol import EmbeddingTable

    if not target_files.is_codec(asked.tokenizer):
        raise UsageError(
            f"--tokenizer: {asked.model} is a freevocab model, so give a codec's name or folder "
            f"(one of {', '.join(codecs.names())}), not {asked.tokenizer}"
        )
    if asked.dtype is not None:
        raise UsageError("--dtype is for Hugging Face folders; freevocab saves float32")
    params, config, codec, meta = saved.load(asked.model)
    if config.vocabulary.kind != "learned":
        raise UsageError(
            f"{asked.model} has a {config.vocabulary.kind} vocabulary, which takes any tokenizer "
            "as it is: there is no table to exchange"
        )
    new_codec = codecs.load(asked.tokenizer)
    source, target = CodecTokenizer(codec), CodecTokenizer(new_codec)
    mapped = special_ids.parse_map(asked.map_special, source, target)
    match = matching.match(source, target, map_special=mapped)
    new_config = dataclasses.replace(
        config, vocab_size=target.vocab_size, padded_vocab_size=None, bos=None, eos=None
    )
    old = EmbeddingTable(*(
        None if one is None else np.asarray(one)[: source.vocab_size]
        for one in learned.table(params["vocabulary"])
    ))  # fmt: skip
    sizes = {"rows": config.rows, "new_rows": new_config.rows}
    if asked.base and not is_one(asked.base):
        raise UsageError(f"--model {asked.model} is a freevocab folder, --base {asked.base} is not")
    base = source_model.load(asked.base) if asked.base else None
    prepared = methods.prepare(asked, None if base is None else (base.table, base.tokenizer))
    steps = _plan(asked, params, old, source, target, match, sizes)
    if asked.method == HYPERNETWORK:
        steps.notes.extend(prepared.notes(old, source, target))
        if prepared.weight:
            params = _with_trunk(params, prepared, base)
            trained_on = prepared.trained_on(target)
            steps = dataclasses.replace(steps, trunk=prepared.weight, trained_on=trained_on)
    say("\n".join(plan.lines(steps)))
    if dry_run:
        return
    table = prepared(old, source, target, match)
    names = language_model.Table._fields
    vocabulary = {
        name: _padded(one, new_config.rows)
        for name, one in zip(names, table, strict=True)
        if one is not None
    }
    digests = {"codec": codec.fingerprint()} | request.digests(asked)
    facts = card.record(steps, asked.options(), digests, {})
    known = {name: value for name, value in facts.items() if name != "scores"}
    extra = meta | {"transfer": json.loads(json.dumps(known))}
    new_params = params | {"vocabulary": vocabulary}

    def finish(folder: Path) -> None:
        scores = {}
        if asked.eval_text:
            scores = scoring.before_and_after(asked.model, folder, asked.eval_text)
            say(scoring.line(scores))
        facts["scores"] = scores
        write_text(folder / "README.md", card.card(facts, [], hugging_face=False))
        write_json(folder / card.RECORD, facts)

    from research.files import atomic_path

    with atomic_path(asked.out, directory=True, mark=card.RECORD) as temporary:
        saved.write(temporary, new_params, new_config, new_codec, extra, asked.out)
        finish(temporary)
    say(f"wrote {shown(asked.out)}")


def _with_trunk(params, prepared, base) -> dict:
    """The parameters with what n-shot training did to the trunk."""
    from research.models.saved import flatten

    before = params["trunk"] if base is None else base.params["trunk"]
    prepared.check_trunk(task_vectors.fingerprint_of(before))
    with np.errstate(over="ignore", invalid="ignore"):
        trunk = task_vectors.add(params["trunk"], before, prepared.trunk(), prepared.weight)
    for name, array in flatten(trunk).items():
        check_finite(name, np.asarray(array), prepared.weight)
    return params | {"trunk": trunk}


def _plan(asked, params, old, source, target, match, sizes) -> plan.Plan:
    from research.models import saved

    count = sum(int(np.size(one)) for one in saved.flatten(params).values())
    d_model = old.input_VxD.shape[1]
    tables = sum(d_model if one.ndim == 2 else 1 for one in old if one is not None)
    new_count = count + (sizes["new_rows"] - sizes["rows"]) * tables
    copied, unmatched = plan.special_lists(source, target, match)
    return plan.Plan(
        model=f"{shown(Path(asked.model).resolve().name)} (freevocab)",
        method=asked.exact_method,
        out=shown(asked.out),
        dtype="float32",
        d_model=d_model,
        tied=old.output_VxD is None,
        bias=old.bias_V is not None,
        rows=sizes["rows"],
        parameters=count,
        new_parameters=new_count,
        nbytes=4 * count,
        new_nbytes=4 * new_count,
        files=1,
        source=plan.described(source),
        target=plan.described(target),
        overlap=len(match.overlap_target_N),
        new=len(match.new_target_M),
        pieces=plan.piece_shares(source, target, match),
        copied=copied,
        unmatched=unmatched,
        notes=[],
    )


def _padded(rows: np.ndarray, size: int) -> np.ndarray:
    """With rows of zeros, or zeros, up to `size`; ids from vocab_size on have no probability."""
    return np.concatenate([rows, np.zeros((size - len(rows), *rows.shape[1:]), rows.dtype)])
