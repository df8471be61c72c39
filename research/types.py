"""Names for types that many signatures share."""

from collections.abc import Mapping
from typing import Any

Params = Mapping[str, Any]
"""A tree of parameters: nested mappings with arrays at the leaves."""
