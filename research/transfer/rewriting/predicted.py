"""The method `hypernetwork`: rows that a trained network predicts."""

from research.codecs.tokenizer import Tokenizer
from research.errors import UsageError
from research.transfer import hypernetwork_file, prediction
from research.transfer.matching import Match
from research.transfer.rewriting.request import Request
from research.vocabularies.table import Table


def prepare(asked: Request):
    """Opens the network; what comes back takes (table, source, target, match), as every method.

    Raises:
      UsageError: no hypernetwork's folder, or one that was trained together with a trunk.
      FreevocabError: if it is damaged.
    """
    saved = hypernetwork_file.load(asked.hypernetwork)
    if hypernetwork_file.load_trunk(asked.hypernetwork) is not None:
        raise UsageError(
            f"{asked.hypernetwork} was trained together with the model's trunk (--train-trunk), "
            "which transfer leaves as it is: give a hypernetwork that was trained alone"
        )

    def prepared(table: Table, source: Tokenizer, target: Tokenizer, match: Match) -> Table:
        hypernetwork_file.check(saved, table, source)
        return prediction.table_for(
            saved.params,
            saved.config,
            table,
            source,
            target,
            match=match,
            copy_overlap=asked.copy_overlap,
        )

    return prepared
