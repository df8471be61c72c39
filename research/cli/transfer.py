"""`freevocab transfer`: a finished model, moved to another tokenizer without training."""

import dataclasses
from dataclasses import dataclass
from typing import Literal

from research.transfer.methods import MethodName


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
    .vec, .vec.gz or .bin file (.bin: with the extra [vectors])."""
    aux_text: str | None = None
    """In place of --vectors: text files (a glob) to make vectors from; omp and ofa are then called
    omp-aux and ofa-aux."""
    source_vectors: str | None = None
    """Of wechsel and ofa: word vectors of the old tokenizer's language, if it is another; files as
    of --vectors."""
    source_aux_text: str | None = None
    """In place of --source-vectors: text files (a glob)."""
    dictionary: str | None = None
    """Of wechsel and ofa, for two languages: a file of a word, a tab and its translation a line."""
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
    seed: int = 0
    """Decides what is drawn."""


def run(options: Transfer) -> None:
    """Transfers, or says what would be done.

    Raises:
      UsageError: for a wrong request; see `research.transfer.convert.request.check`.
      FreevocabError: for damaged files.
    """
    from research.transfer.convert import command, request

    given = dataclasses.asdict(options)
    dry_run = given.pop("dry_run")
    command.run(request.Request(**given), dry_run=dry_run)
