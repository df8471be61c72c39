"""How the shipped letter n-grams are counted and measured, on a small scale."""

import numpy as np
import pytest

from experiments.lexinvariant import train_english_letters as training
from research import corpora
from research.lexinvariance.ciphers import ciphers, letters, letters_file


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    for name, times in (("train", 40), ("valid", 9)):
        (folder / f"{name}.txt").write_text("the cat sat on the mat; " * times + name)
    corpus = corpora.load(f"text:{folder}/*.txt;valid={folder}/valid.txt")
    return training.Text({"enwiki": (corpus, 1), "novels": (corpus, 4)}, {"enwiki": corpus})


def test_a_model_is_counted_measured_and_written(text, tmp_path):
    config = training.Config(order=2)
    alphabet = ciphers.LETTERS + " "
    rows = list(
        training.rows_of("small", alphabet, ("clear", "enciphered"), text, config, tmp_path)
    )
    assert all(set(row) <= set(training.COLUMNS) for row in rows)
    assert rows[-1]["weights"] == "novels 4 times" and rows[-1]["counts"] == "as shipped"
    saved = letters_file.read(tmp_path / "small.bin")
    train = list(text.held_out["enwiki"].documents("train"))
    expected = 5 * letters.tally(train, alphabet, 2)
    np.testing.assert_array_equal(letters_file.levels(saved.counts), letters_file.levels(expected))
    assert saved.counts.sum() > 0


@pytest.mark.parametrize("words", ["that cat at the hat", "a"])
@pytest.mark.parametrize("condition", ciphers.CONDITIONS)
def test_bits_are_those_of_letter_after_letter(condition, words):
    alphabet = ciphers.alphabet(condition)
    model = letters.count(["the cat sat on the mat", "a rat"], alphabet, 3)
    text = ciphers.normalise(words, spaces=condition != "none")
    every = (*model.lower, model.log_p)
    total, symbols = 0.0, 0
    for place in range(len(text)):
        ids = [*map(alphabet.index, text[max(0, place - 2) : place + 1])]
        p_A = np.exp(every[len(ids) - 1][tuple(ids[:-1])].astype(np.float64))
        if condition == "clear":
            if text[place] == " ":
                continue
            p_A[ciphers.SPACE] = 0.0  # known to be none
        total -= np.log2(p_A[ids[-1]] / p_A.sum())
        symbols += 1
    found = training.bits(model, condition, [np.array([*map(alphabet.index, text)])])
    assert found == pytest.approx(total / symbols, rel=1e-6)
