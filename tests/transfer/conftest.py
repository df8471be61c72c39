"""Two tokenizers that share entries, for checkpoints to be moved from one to the other."""

import pytest

from tests.transfer import hf_folders


@pytest.fixture(scope="session")
def old(tmp_path_factory):
    path = tmp_path_factory.mktemp("old") / "old"
    names = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
    roles = dict(zip(("bos", "pad", "eos", "unk", "mask"), names, strict=True))
    return hf_folders.bpe(path, 420, names, cls="<s>", sep="</s>", **roles)


@pytest.fixture(scope="session")
def new(tmp_path_factory):
    """Longer entries, special tokens at the end and in another order, one of them unheard of."""
    path = tmp_path_factory.mktemp("new") / "new"
    names = ("[EOS]", "[BOS]", "[NEW]", "[PAD]", "[MASK]")
    roles = dict(zip(("eos", "bos", "pad", "mask"), (*names[:2], *names[3:]), strict=True))
    return hf_folders.bpe(path, 600, names, first=False, **roles)
