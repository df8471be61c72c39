"""The method `hypernetwork`: rows that a trained network predicts, and perhaps its trunk."""

from typing import Any

from research.errors import UsageError
from research.tokenizers import Tokenizer
from research.transfer import methods
from research.transfer.convert.request import Request
from research.transfer.hypernet import hypernetwork_file
from research.transfer.matching import Match
from research.transfer.methods.auxiliary import Auxiliary
from research.transfer.methods.hypernetwork import Network
from research.vocabularies.protocol import EmbeddingTable


class Predicted:
    """The network, opened; called with (table, source, target, match) as every method is.

    Args:
      base: table and tokenizer of --base, if it is given.

    Attributes:
      weight: how much of the change of its trunk the model gets; 0 if it has none.

    Raises:
      UsageError: no hypernetwork's folder; --base is not its model; --task-vector without a trunk,
        or missing where nothing says how much of the change a variant is to get; --language
        missing or unknown.
      FreevocabError: if it is damaged.
    """

    def __init__(self, asked: Request, base: tuple[EmbeddingTable, Tokenizer] | None = None):
        self._asked, self._saved = asked, hypernetwork_file.load(asked.hypernetwork)
        self._base = base
        self._trained_with = self._saved.meta["source"]["trunk"]
        if base is not None:
            where = f"--base {asked.base}"
            if not hypernetwork_file.check(self._saved, *base, where):
                raise UsageError(
                    f"{where} is not the model that {asked.hypernetwork} was trained for: its "
                    "tables differ"
                )
        if self._trained_with is None and asked.task_vector is not None:
            raise UsageError(f"--task-vector: {asked.hypernetwork} has no trunk; train it with "
                             "--tokenizer FILE --train-trunk")  # fmt: skip
        if self._trained_with is not None and base is not None and asked.task_vector is None:
            raise UsageError(
                f"{asked.hypernetwork} was trained together with a trunk: say by --task-vector how "
                "much of its change the variant gets (0: none; the paper's best: 0.5)"
            )
        self._language = _language(asked, self._saved.meta.get("languages", []))
        asked_for = 1.0 if asked.task_vector is None else asked.task_vector
        self.weight = 0.0 if self._trained_with is None else asked_for

    def trunk(self) -> Any:
        """What n-shot training left, in our layout; numpy."""
        return hypernetwork_file.load_trunk(self._asked.hypernetwork)

    def trained_on(self, target: Tokenizer) -> str:
        """The tokenizer of n-shot training, if it is not `target`; else ""."""
        trained = self._saved.meta.get("target")
        same = trained is None or trained["fingerprint"] == target.fingerprint()
        return "" if same else trained["name"]

    def notes(self, table: EmbeddingTable, source: Tokenizer, target: Tokenizer) -> list[str]:
        """What to know of the network and this model.

        Raises:
          UsageError: it is of another model, or its trunk is.
        """
        where = f"--model {self._asked.model}"
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
        if self.weight:
            share = "" if self.weight == 1 else f"{self.weight:g} times "
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
        asked = self._asked
        if self._base is not None:
            return UsageError(f"--base {asked.base} is not the model that {asked.hypernetwork} was "
                              "trained for: its trunk differs")  # fmt: skip
        return UsageError(
            f"{asked.hypernetwork} was trained together with the trunk of another model than "
            f"{asked.model}: give that one by --base, and how much of the trunk's change to add by "
            "--task-vector"
        )

    def __call__(
        self, table: EmbeddingTable, source: Tokenizer, target: Tokenizer, match: Match
    ) -> EmbeddingTable:
        """The new table, special rows as in every method."""
        network = Network(
            self._saved.params,
            self._saved.config,
            copy_overlap=self._asked.copy_overlap,
            language=self._language,
            base=None if self._base is None else self._base[0],
        )
        auxiliary = Auxiliary(hypernetwork=network)
        return methods.make(methods.HYPERNETWORK, auxiliary)(table, source, target, match=match)


def _language(asked: Request, languages: list[str]) -> int:
    """The number of the language asked for."""
    if not languages and asked.language:
        raise UsageError(f"--language: {asked.hypernetwork} has no languages")
    if languages and asked.language not in languages:
        raise UsageError(f"--language: {asked.hypernetwork} has {', '.join(languages)}; name the "
                         "one of the new tokenizer")  # fmt: skip
    return languages.index(asked.language) if languages else 0
