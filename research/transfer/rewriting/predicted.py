"""The method `hypernetwork`: rows that a trained network predicts."""

from research.codecs.tokenizer import Tokenizer
from research.errors import UsageError
from research.transfer import hypernetwork_file, prediction
from research.transfer.matching import Match
from research.transfer.rewriting.request import Request
from research.vocabularies.table import Table


class Predicted:
    """The network, opened; called with (table, source, target, match) as every method is.

    Raises:
      UsageError: no hypernetwork's folder, or one that was trained together with a trunk.
      FreevocabError: if it is damaged.
    """

    def __init__(self, asked: Request):
        self._asked, self._saved = asked, hypernetwork_file.load(asked.hypernetwork)
        if hypernetwork_file.load_trunk(asked.hypernetwork) is not None:
            raise UsageError(
                f"{asked.hypernetwork} was trained together with the model's trunk "
                "(--train-trunk), which transfer leaves as it is: give a hypernetwork that was "
                "trained alone"
            )

    def notes(self, table: Table, source: Tokenizer) -> list[str]:
        """What to know of the network and this model.

        Raises:
          UsageError: it is of another model.
        """
        if hypernetwork_file.check(self._saved, table, source):
            return []
        return ["the hypernetwork was trained for another model with this tokenizer and these "
                "widths (this one's base?); it predicts from the tables of this one"]  # fmt: skip

    def __call__(self, table: Table, source: Tokenizer, target: Tokenizer, match: Match) -> Table:
        """The new table, special rows as in every method."""
        return prediction.table_for(
            self._saved.params,
            self._saved.config,
            table,
            source,
            target,
            match=match,
            copy_overlap=self._asked.copy_overlap,
        )
