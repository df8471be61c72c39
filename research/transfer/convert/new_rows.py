"""What new rows are made of: files that methods need, and a network that predicts rows."""

from collections.abc import Iterator, Mapping
from typing import Any

from research import corpora
from research.corpora.corpus import SPLITS
from research.errors import UsageError
from research.tokenizers import Tokenizer
from research.transfer import methods
from research.transfer.convert.hf_folder import HFSource
from research.transfer.convert.own_folder import OwnSource
from research.transfer.hypernet import hypernetwork_file
from research.transfer.matching import Match
from research.transfer.methods.auxiliary import Auxiliary, Donor
from research.transfer.methods.hypernetwork import Network
from research.transfer.vectors import fasttext, words
from research.vocabularies.protocol import EmbeddingTable


class Text:
    """All documents of some files; can be iterated any number of times.

    Raises:
      UsageError: if the glob matches none.
    """

    def __init__(self, pattern: str):
        self._corpus = corpora.load(f"text:{pattern}")

    def __iter__(self) -> Iterator[bytes]:
        for split in SPLITS:
            yield from self._corpus.documents(split)


def auxiliary(paths: Mapping[str, str | None]) -> Auxiliary:
    """Opens the files that a method needs, by the names of `Auxiliary`.

    Raises:
      UsageError: a glob without files, a donor that is not a checkpoint.
      FreevocabError: a file that is damaged.
    """
    read = {
        "vectors": fasttext.read,
        "source_vectors": fasttext.read,
        "aux_text": Text,
        "source_aux_text": Text,
        "dictionary": words.read_dictionary,
        "donor": _donor,
    }
    return Auxiliary(**{name: read[name](path) for name, path in paths.items() if path})


class Predicted:
    """A hypernetwork, opened.

    Args:
      directory: what `freevocab train hypernetwork` wrote.
      model: the folder that is moved, for messages.
      base: the model that the network was trained for, where the one that is moved is a variant.
      copy_overlap: entries that both tokenizers have keep their rows.
      language: the new tokenizer's, of a network that has languages.
      task_vector: how much of what training did to its trunk is added; None: all.

    Raises:
      UsageError: no hypernetwork's folder; `base` is not its model; a task vector without a trunk,
        or none where nothing says how much of the change a variant is to get; a language that is
        missing or unknown.
      FreevocabError: if it is damaged.
    """

    def __init__(
        self,
        directory: str,
        model: str,
        base: HFSource | OwnSource | None = None,
        *,
        copy_overlap: bool = False,
        language: str | None = None,
        task_vector: float | None = None,
    ):
        self._directory, self._model, self._base = directory, model, base
        self._copy_overlap = copy_overlap
        self._saved, self._base_table = hypernetwork_file.load(directory), None
        self._trained_with = self._saved.meta["source"]["trunk"]
        if base is not None:
            where, self._base_table = f"--base {base.name}", base.table()
            if not hypernetwork_file.check(self._saved, self._base_table, base.tokenizer, where):
                raise UsageError(
                    f"{where} is not the model that {directory} was trained for: its tables differ"
                )
        if self._trained_with is None and task_vector is not None:
            raise UsageError(f"--task-vector: {directory} has no trunk; train it with "
                             "--tokenizer FILE --train-trunk")  # fmt: skip
        if self._trained_with is not None and base is not None and task_vector is None:
            raise UsageError(
                f"{directory} was trained together with a trunk: say by --task-vector how "
                "much of its change the variant gets (0: none; the paper's best: 0.5)"
            )
        self._language = self._number_of(language)
        weight = 1.0 if task_vector is None else task_vector
        self.trunk_weight = 0.0 if self._trained_with is None else weight
        """How much of the change of its trunk the model gets; 0 if it has none."""

    def digests(self) -> dict[str, str]:
        """SHA-256 of the network's files, by name."""
        files = hypernetwork_file.fingerprint(self._directory)
        return {f"--hypernetwork: {name}": digest for name, digest in files.items()}

    def trunk(self) -> Mapping[str, Any]:
        """What n-shot training left, in our layout; numpy."""
        return hypernetwork_file.load_trunk(self._directory)

    def trained_on(self, target: Tokenizer) -> str:
        """The tokenizer of n-shot training, if it is not `target`; else ""."""
        trained = self._saved.meta.get("target")
        if trained is None or trained["fingerprint"] == target.fingerprint():
            return ""
        return trained["name"]

    def notes(self, table: EmbeddingTable, source: Tokenizer, target: Tokenizer) -> list[str]:
        """What to know of the network and this model.

        Raises:
          UsageError: it is of another model, or its trunk is.
        """
        where = f"--model {self._model}"
        same = hypernetwork_file.check(self._saved, table, source, where)
        notes = []
        if self._base is not None:
            notes.append("rows are predicted from those of --base; special ones are this model's")
        elif self._trained_with is not None and not same:
            raise self._of_another_trunk()
        elif not same:
            notes.append("the hypernetwork was trained for another model with this tokenizer and "
                         "these widths (this one's base?); it predicts from the tables of this one;"
                         " --base gives it its own")  # fmt: skip
        if self.trunk_weight:
            share = "" if self.trunk_weight == 1 else f"{self.trunk_weight:g} times "
            notes.append(f"the trunk changes too: {share}what n-shot training did to it is added")
        if trained := self.trained_on(target):
            notes.append(f"the hypernetwork was last trained on one tokenizer, {trained}, and this "
                         "is another")  # fmt: skip
        return notes

    def check_trunk(self, fingerprint: str) -> None:
        """Takes `task_vectors.fingerprint` of the trunk that the change is to be taken from: the
        base's if there is one, else the model's.

        Raises:
          UsageError: if training did not begin with it.
        """
        if fingerprint != self._trained_with:
            raise self._of_another_trunk()

    def _of_another_trunk(self) -> UsageError:
        if self._base is not None:
            return UsageError(f"--base {self._base.name} is not the model that {self._directory} "
                              "was trained for: its trunk differs")  # fmt: skip
        return UsageError(
            f"{self._directory} was trained together with the trunk of another model than "
            f"{self._model}: give that one by --base, and how much of the trunk's change to add by "
            "--task-vector"
        )

    def __call__(
        self, table: EmbeddingTable, source: Tokenizer, target: Tokenizer, *, match: Match
    ) -> EmbeddingTable:
        """The new table, special rows as in every method."""
        network = Network(
            self._saved.params,
            self._saved.config,
            copy_overlap=self._copy_overlap,
            language=self._language,
            base=self._base_table,
        )
        auxiliary = Auxiliary(hypernetwork=network)
        return methods.make(methods.HYPERNETWORK, auxiliary)(table, source, target, match=match)

    def _number_of(self, language: str | None) -> int:
        languages = self._saved.meta.get("languages", [])
        if not languages and language:
            raise UsageError(f"--language: {self._directory} has no languages")
        if languages and language not in languages:
            raise UsageError(f"--language: {self._directory} has {', '.join(languages)}; name the "
                             "one of the new tokenizer")  # fmt: skip
        return languages.index(language) if languages else 0


def _donor(directory: str) -> Donor:
    donor = HFSource(directory)
    return Donor(donor.table(), donor.tokenizer)
