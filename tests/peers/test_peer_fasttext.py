"""fastText's binary models against gensim, which trains and writes them here."""

import numpy as np
import pytest
from gensim.models import fasttext as gensim_fasttext

from research.codecs.codec_tokenizer import CodecTokenizer
from research.codecs.subword import BPECodec
from research.errors import FreevocabError
from research.testing.tiny import tiny_corpus
from research.transfer import methods as heuristics
from research.transfer.convert import new_rows
from research.transfer.vectors import fasttext
from research.transfer.vectors import words as word_vectors
from research.vocabularies.protocol import EmbeddingTable

SETTINGS = dict(vector_size=12, window=3, min_count=2, bucket=500, epochs=2, workers=1, seed=0)


@pytest.fixture(scope="module")
def texts():
    return list(tiny_corpus(60_000).documents("train"))


def trained(texts, path, **settings):
    words = [word_vectors.split(text) for text in texts]
    cuts = [text[at : at + 30] for text in words for at in range(0, len(text), 30)]
    sentences = [[*cut, "</s>"] for cut in cuts]  # as fastText reads lines
    assert len(sentences) > 200
    model = gensim_fasttext.FastText(sentences, **SETTINGS | settings)
    gensim_fasttext.save_facebook_model(model, str(path))
    return model.wv


@pytest.fixture(scope="module", params=["n-grams of 3 to 6", "n-grams of 5", "no n-grams"])
def saved(request, texts, tmp_path_factory):
    settings = {"n-grams of 5": dict(min_n=5, max_n=5), "no n-grams": dict(max_n=0, bucket=0)}
    path = tmp_path_factory.mktemp("model") / "model.bin"
    return path, trained(texts, path, **settings.get(request.param, {}))


def test_words_vectors_and_counts(saved, texts):
    path, model = saved
    made = fasttext.read(path)
    assert made.words == [word for word in model.index_to_key if word != "</s>"]
    assert model.index_to_key.index("</s>") < 7 < 100 < len(made.words)
    expected_WxK = np.stack([model[word] for word in made.words])
    np.testing.assert_allclose(made.vectors_WxK, expected_WxK, atol=1e-6)
    counts = [model.get_vecattr(word, "count") for word in made.words]
    assert made.weights_W.tolist() == counts
    every = [word for text in texts for word in word_vectors.split(text)]
    assert made.weights_W[0] == every.count(made.words[0])
    few = fasttext.read(path, max_words=7)
    assert few.words == made.words[:6] and few.vectors_WxK.shape == (6, 12)
    assert few.vectors_WxK.base is None  # and holds no more in memory


def test_any_string_has_gensims_vector(saved, caplog):
    path, model = saved
    made = fasttext.read(path)
    strings = ["elephantine", "zzyzx", "naïvetés", "語彙語彙", *made.words[:20]]
    found = made.of_strings(strings)
    if model.bucket:
        np.testing.assert_allclose(found, [model[string] for string in strings], atol=1e-6)
        assert found.any(1).all()
    else:
        assert found.any(1).tolist() == [False] * 4 + [True] * 20
    assert made.of_strings([]).shape == (0, 12)
    with caplog.at_level("WARNING"):
        short = made.of_strings(["", "ʘ"])
    assert not short[0].any() and caplog.messages == []
    listed = fasttext.read(path, max_words=2)
    word = next(word for word in made.words[1:] if len(word) > 5)
    inside = [model.get_vector(word), listed.of_strings([word])[0]]
    assert not np.allclose(*inside)  # beyond max_words its n-grams alone speak


def test_a_tokenizers_entries(saved, texts):
    path, model = saved
    tokenizer = CodecTokenizer(BPECodec.train(texts, 400))
    words = fasttext.read(path)
    made = word_vectors.token_vectors(tokenizer, words)
    means = word_vectors.token_vectors(tokenizer, words._replace(of_strings=None))
    ngrams = 0
    for entry, vector, mean in zip(
        tokenizer.token_bytes(), made.vectors_VxK, means.vectors_VxK, strict=True
    ):
        string = entry.decode(errors="replace").strip()
        if string in model.key_to_index:
            np.testing.assert_allclose(vector, model[string], atol=1e-6)
        elif string and "�" not in string and model.bucket and len(string) + 2 >= model.min_n:
            np.testing.assert_allclose(vector, model[string], atol=1e-6)
            ngrams += 1
        else:
            np.testing.assert_array_equal(vector, mean)
    assert ngrams > 50 or model.min_n == 5 or not model.bucket
    assert made.known_V.sum() >= means.known_V.sum()


def test_wechsel_takes_two_binary_models(texts, tmp_path):
    for name, seed in (("source", 0), ("target", 1)):
        trained(texts, tmp_path / f"{name}.bin", seed=seed)
    one = fasttext.read(tmp_path / "source.bin")
    pairs = [(word, word) for word in one.words[:60]]
    (tmp_path / "pairs.txt").write_text("\n".join("\t".join(pair) for pair in pairs))
    paths = {"vectors": "target.bin", "dictionary": "pairs.txt", "source_vectors": "source.bin"}
    paths = {name: str(tmp_path / file) for name, file in paths.items()}
    auxiliary = new_rows.auxiliary(paths)
    assert auxiliary.dictionary == word_vectors.read_dictionary(tmp_path / "pairs.txt")
    source, target = (CodecTokenizer(BPECodec.train(texts, size)) for size in (320, 400))
    rows = np.random.default_rng(0).normal(size=(source.vocab_size, 6)).astype(np.float32)
    made = heuristics.make("wechsel", auxiliary)(EmbeddingTable(rows, None), source, target, seed=0)
    made_VxD = np.asarray(made[0])
    assert made_VxD.shape == (target.vocab_size, 6) and np.isfinite(made_VxD).all()
    assert made_VxD.any(1).all()


def test_numbers_that_are_none_are_told(saved, tmp_path):
    path, model = saved
    data = bytearray(path.read_bytes())
    first = data.index(model.vectors_vocab[0].tobytes())
    data[first : first + 4] = np.float32("nan").tobytes()
    (tmp_path / "nan.bin").write_bytes(data)
    with pytest.raises(FreevocabError, match="vectors that are no numbers"):
        fasttext.read(tmp_path / "nan.bin")
