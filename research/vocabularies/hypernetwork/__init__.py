"""Tables predicted by a network: each row from the source's pieces of the token's string.

    Pieces --packing--> slots --network--> EmbeddingTable of R rows

| module | what |
| --- | --- |
| config | `HypernetworkConfig`, the two forms |
| packing | tokens of like lengths side by side, in shapes that do not change |
| network | `init` and `apply`: source rows of the pieces -> predicted rows; `flops` |
| encoder | its layers, on tokens packed end to end, and where arrays live on several devices |
| inference | `predict`: a whole vocabulary, in chunks |

It knows neither tokenizers nor language models: pieces and tables are arrays.
"""

from research.vocabularies.hypernetwork.config import HypernetworkConfig
from research.vocabularies.hypernetwork.inference import predict
from research.vocabularies.hypernetwork.network import apply, init
from research.vocabularies.hypernetwork.packing import Layout, Packed, layout_for, pack

__all__ = ["HypernetworkConfig", "Layout", "Packed", "apply", "init", "layout_for", "pack",
           "predict"]
