"""The method `hypernetwork`: rows that a trained network predicts, and perhaps its trunk."""

from collections.abc import Mapping
from typing import Any

from research.codecs.tokenizer import Tokenizer
from research.errors import UsageError
from research.transfer import hypernetwork_file, prediction
from research.transfer.matching import Match
from research.transfer.rewriting.request import Request
from research.vocabularies.table import Table


class Predicted:
    """The network, opened; called with (table, source, target, match) as every method is.

    Args:
      base: table and tokenizer of --base, if it is given.

    Attributes:
      trunk: that n-shot training left, or None.
      weight: how much of its change the model gets.

    Raises:
      UsageError: no hypernetwork's folder; --base is not its model; --task-vector without a trunk,
        or missing where nothing says how much of the change a variant is to get.
      FreevocabError: if it is damaged.
    """

    def __init__(self, asked: Request, base: tuple[Table, Tokenizer] | None = None):
        self._asked, self._saved = asked, hypernetwork_file.load(asked.hypernetwork)
        self._base = base
        self.trunk = hypernetwork_file.load_trunk(asked.hypernetwork)
        self.weight = 1.0 if asked.task_vector is None else asked.task_vector
        if base is not None and not hypernetwork_file.check(self._saved, *base):
            raise UsageError(f"--base {asked.base} is not the model that {asked.hypernetwork} was "
                             "trained for: its tables differ")  # fmt: skip
        if self.trunk is None and asked.task_vector is not None:
            raise UsageError(f"--task-vector: {asked.hypernetwork} has no trunk; train it with "
                             "--tokenizer FILE --train-trunk")  # fmt: skip
        if self.trunk is not None and base is not None and asked.task_vector is None:
            raise UsageError(
                f"{asked.hypernetwork} was trained together with a trunk: say by --task-vector how "
                "much of its change the variant gets (0: none; the paper's best: 0.5)"
            )

    @property
    def _source(self) -> Mapping[str, Any]:
        return self._saved.meta["source"]

    def notes(self, table: Table, source: Tokenizer, target: Tokenizer) -> list[str]:
        """What to know of the network and this model.

        Raises:
          UsageError: it is of another model, or its trunk is.
        """
        same = hypernetwork_file.check(self._saved, table, source)
        notes = []
        if self._base is not None:
            notes.append("rows are predicted from those of --base; special ones are this model's")
        elif self.trunk is not None and not same:
            raise self._of_another_trunk()
        elif not same:
            notes.append("the hypernetwork was trained for another model with this tokenizer and "
                         "these widths (this one's base?); it predicts from the tables of this one;"
                         " --base gives it its own")  # fmt: skip
        if self.trunk is not None and self.weight:
            share = "" if self.weight == 1 else f"{self.weight:g} times "
            notes.append(f"the trunk changes too: {share}what n-shot training did to it is added")
        trained = self._saved.meta.get("target")
        if trained is not None and trained["fingerprint"] != target.fingerprint():
            notes.append(f"the hypernetwork was last trained on one tokenizer, {trained['name']}, "
                         "and this is another")  # fmt: skip
        return notes

    def check_trunk(self, fingerprint: str) -> None:
        """Takes `task_vectors.fingerprint` of the trunk that the change was trained from: the
        base's if there is one, else the model's.

        Raises:
          UsageError: if it is another.
        """
        if fingerprint != self._source["trunk"]:
            raise self._of_another_trunk()

    def _of_another_trunk(self) -> UsageError:
        if self._base is not None:
            return UsageError(f"--base {self._asked.base} is not the model that "
                              f"{self._asked.hypernetwork} was trained for: its trunk "
                              "differs")  # fmt: skip
        return UsageError(
            f"{self._asked.hypernetwork} was trained together with the trunk of another model than "
            f"{self._asked.model}: give that one by --base, and by --task-vector how much of the "
            "trunk's change to add"
        )

    def __call__(self, table: Table, source: Tokenizer, target: Tokenizer, match: Match) -> Table:
        """The new table, special rows as in every method."""
        return prediction.table_for(
            self._saved.params,
            self._saved.config,
            table if self._base is None else self._base[0],
            source,
            target,
            match=match,
            copy_overlap=self._asked.copy_overlap,
            kept=table,
        )
