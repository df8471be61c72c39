"""A language model's folder, whether freevocab wrote it or it is a Hugging Face folder."""

import os
from pathlib import Path

from research.models import saved


def is_own(directory: str | os.PathLike) -> bool:
    """Did freevocab write this folder?"""
    return (Path(directory) / saved.DESCRIPTION).is_file()
