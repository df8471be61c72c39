"""Comparisons with other people's implementations (`make test-peers`), on one thread of theirs."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)
