"""TensorFlow Datasets directories, without TensorFlow and without builder classes."""

import http.server
import io
import json
import pickle
import subprocess
import sys
import tarfile
import threading
import urllib.parse
from pathlib import Path

import pytest
import tensorflow_datasets as tfds

from research import corpora
from research.corpora import preparation
from research.corpora.corpus import SPLITS, split_by_hash
from research.corpora.documents import stop
from research.errors import FreevocabError, UsageError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def quiet():
    tfds.disable_progress_bar()
    yield
    tfds.enable_progress_bar()


def prepare(data_dir, name, texts, *, config=None, version="3.1.0", feature="text", **options):
    """Prepares a data set of that name with a builder class that is gone afterwards."""

    class Tiny(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version(version)
        BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=config)] if config else []
        code_path = None

        def _info(self):
            features = {feature: tfds.features.Text(), "url": tfds.features.Text()}
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, dl_manager):
            return {split: self._generate_examples(split) for split in texts}

        def _generate_examples(self, split):
            for i, text in enumerate(texts[split]):
                yield i, {feature: text, "url": "http://x"}

    Tiny.name = name
    builder = Tiny(data_dir=data_dir, **({"config": config} if config else {}))
    builder.download_and_prepare(file_format=options.get("file_format", "array_record"))


def read(spec: str) -> dict[str, list[bytes]]:
    corpus = corpora.load(spec)
    return {split: sorted(corpus.documents(split)) for split in SPLITS}


def test_c4_is_read_without_its_class_and_without_tensorflow(tmp_path):
    texts = {"train": [f"text {i} é\n" for i in range(70)], "validation": ["text 3 é\n", "new"]}
    prepare(tmp_path, "c4", texts, config="en")
    expected = sorted(text.encode() for text in texts["train"] if text != "text 3 é\n")
    # In a process of its own, with C4's builder out of reach and a TensorFlow that is installed
    # but breaks when it is imported.
    broken = tmp_path / "path" / "tensorflow"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise SystemExit('TensorFlow was imported')")
    program = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        assert name != "tensorflow_datasets.text.c4"
sys.meta_path.insert(0, Refuse())
sys.path.append({str(broken.parent)!r})
from research import corpora
corpus = corpora.load("tfds:c4/en?data_dir={tmp_path}")
assert sorted(corpus.documents("train")) == {expected!r}
assert sorted(corpus.documents("valid")) == [b"new", {"text 3 é".encode()!r} + b"\\n"]
assert list(corpus.documents("test")) == []
assert corpus.describe()["version"] == "3.1.0"
assert not [name for name in sys.modules if name.partition(".")[0] == "tensorflow"]
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, cwd=ROOT)


def test_importing_corpora_is_light():
    program = """
import sys
from research import corpora
corpora.load("builtin:topics")
heavy = {"tensorflow", "tensorflow_datasets", "jax", "numpy", "array_record", "zstandard"}
assert not heavy & {name.partition(".")[0] for name in sys.modules}
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


def test_versions_configs_and_environment(tmp_path, monkeypatch):
    prepare(tmp_path, "wiki40b", {"train": ["old"]}, config="en", version="1.3.0")
    prepare(tmp_path, "wiki40b", {"train": ["new"]}, config="en", version="1.10.0")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert sum(read("tfds:wiki40b/en").values(), []) == [b"new"]  # 1.10 comes after 1.3
    assert sum(read("tfds:wiki40b").values(), []) == [b"new"]  # the only config
    assert sum(read("tfds:wiki40b/en:1.3.0").values(), []) == [b"old"]
    prepare(tmp_path, "wiki40b", {"train": ["neu"]}, config="de")
    with pytest.raises(UsageError, match="several configs, name one: wiki40b/... of de, en"):
        corpora.load("tfds:wiki40b")


def test_a_missing_valid_split_is_taken_from_train(tmp_path):
    texts = [f"sentence {i}" for i in range(200)]
    prepare(tmp_path, "lm1b", {"train": texts, "test": ["t", "sentence 5"]})
    found = read(f"tfds:lm1b?data_dir={tmp_path}")
    assert found["test"] == [b"sentence 5", b"t"]
    kept = {text.encode() for text in texts} - {b"sentence 5"}
    assert set(found["valid"]) == {t for t in kept if split_by_hash(t) == "valid"}
    assert set(found["train"]) == kept - set(found["valid"]) and found["valid"]


def test_a_lone_train_split_is_split_by_hash(tmp_path):
    prepare(tmp_path, "books", {"train": [f"book {i}" for i in range(100)]}, feature="book_text")
    corpus = corpora.load(f"tfds:books?data_dir={tmp_path}")
    for split in SPLITS:
        texts = list(corpus.documents(split))
        assert texts and all(split_by_hash(text) == split for text in texts)


@pytest.mark.parametrize("splits", [("train", "validation"), ("train",), ("train", "test")])
def test_the_pieces_of_a_data_set_have_its_documents(tmp_path, splits):
    texts = {split: [f"{split} {i}" for i in range(60)] for split in splits}
    prepare(tmp_path, "some", texts)
    source = corpora.load(f"tfds:some?data_dir={tmp_path}").source
    pieces = pickle.loads(pickle.dumps(source.pieces()))
    pairs = [pair for piece in pieces for pair in piece.read(stop)]
    for split in SPLITS:
        documents = [document for own, document in pairs if own == split]
        assert documents == list(source.documents(split))


def test_text_may_come_as_str_or_bytes(tmp_path, monkeypatch):
    prepare(tmp_path, "c4", {"train": ["é", "a"], "validation": ["v"]}, config="en")
    corpus = corpora.load(f"tfds:c4/en?data_dir={tmp_path}")
    expected = list(corpus.documents("train"))

    class Records(list):  # what tfds.testing.mock_data gives
        def __getitems__(self, keys):
            return [self[key] for key in keys]

    records = Records({"text": text.decode(), "url": ""} for text in expected)
    monkeypatch.setattr(
        type(corpus.source._builder), "as_data_source", lambda self, split: records
    )
    assert list(corpus.documents("train")) == expected


def test_digest_follows_the_records(tmp_path):
    digests = set()
    for i, texts in enumerate((["abc"], ["abd"], ["abc", "abc"], ["abc"])):
        prepare(tmp_path / str(i), "c4", {"train": texts}, config="en")
        digests.add(corpora.load(f"tfds:c4/en?data_dir={tmp_path / str(i)}").digest)
    assert len(digests) == 3


@pytest.mark.parametrize("file_format", ["tfrecord", None])
def test_tfrecord_is_one_line(tmp_path, file_format):
    prepare(tmp_path, "c4", {"train": ["a"]}, config="en")
    path = tmp_path / "c4/en/3.1.0/dataset_info.json"
    info = json.loads(path.read_text())
    info.pop("fileFormat")
    path.write_text(json.dumps(info | ({"fileFormat": file_format} if file_format else {})))
    with pytest.raises(UsageError, match="stored as tfrecord, which needs TensorFlow") as raised:
        corpora.load(f"tfds:c4/en?data_dir={tmp_path}")
    assert "\n" not in str(raised.value)


def test_what_is_not_there_says_how_to_prepare_it(tmp_path):
    for name in ("c4/en", "wiki40b/de", "unheard_of"):
        with pytest.raises(UsageError, match=f"tfds build {name} --file_format=array_record"):
            corpora.load(f"tfds:{name}?data_dir={tmp_path}")
    for argument in ("", "?data_dir=x", "c4?dir=x", "c4?data_dir="):
        with pytest.raises(UsageError, match="give tfds:NAME"):
            corpora.load(f"tfds:{argument}")


def test_no_text_and_no_train_are_one_line(tmp_path):
    prepare(tmp_path, "mnist", {"train": ["a"]}, feature="label")
    with pytest.raises(UsageError, match=r"none of its features \(label, url\) is called"):
        corpora.load(f"tfds:mnist?data_dir={tmp_path}")
    prepare(tmp_path, "c4", {"validation": ["a"]})
    with pytest.raises(UsageError, match="has no train split"):
        corpora.load(f"tfds:c4?data_dir={tmp_path}")


def test_splits_and_the_field_by_other_names(tmp_path):
    texts = {"train": ["a"], "validation_matched": ["b"], "validation_mismatched": ["c"]}
    prepare(tmp_path, "mnli", texts, feature="document")
    where = f"tfds:mnli?data_dir={tmp_path}"
    with pytest.raises(UsageError, match=r"called text or book_text; name one with &field=NAME"):
        corpora.load(where)
    with pytest.raises(UsageError, match=r"has the splits .*: say which is valid with &valid=NAME"):
        corpora.load(f"{where}&field=document")
    with pytest.raises(UsageError, match="has no split dev, only train"):
        corpora.load(f"{where}&field=document&valid=dev")
    found = read(f"{where}&field=document&valid=validation_matched&test=validation_mismatched")
    assert found == {"train": [b"a"], "valid": [b"b"], "test": [b"c"]}
    found = read(f"{where}&field=document&valid=train&test=validation_matched")
    assert found["valid"] == [text for text in [b"a"] if split_by_hash(text) == "valid"]
    assert found["test"] == [b"b"]


def test_damage_is_one_line(tmp_path):
    prepare(tmp_path, "c4", {"train": ["a" * 1000] * 50}, config="en")
    folder = tmp_path / "c4/en/3.1.0"
    (shard,) = folder.glob("*array_record*")
    spec = f"tfds:c4/en?data_dir={tmp_path}"
    corpus = corpora.load(spec)
    shard.unlink()
    with pytest.raises(FreevocabError, match="cannot read the data set in") as raised:
        list(corpus.documents("train"))
    assert "\n" not in str(raised.value)
    (folder / "dataset_info.json").write_text("{")
    with pytest.raises(FreevocabError, match="cannot read the data set in"):
        corpora.load(spec)


def lm1b_archive() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, lines in (
            ("README", ["nothing"]),
            ("training-monolingual.tokenized.shuffled/news.en-00001-of-00100", ["One .", "Two é"]),
            ("heldout-monolingual.tokenized.shuffled/news.en.heldout-00000-of-00050", ["Three"]),
        ):
            data = "".join(f"{line} \n" for line in lines).encode()
            member = tarfile.TarInfo(f"1-billion-word/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return content.getvalue()


class Server(http.server.BaseHTTPRequestHandler):
    """Stands for the two places that lm1b and pg19 come from."""

    def do_GET(self):
        url = urllib.parse.urlparse(self.path)
        query = urllib.parse.parse_qs(url.query)
        if url.path == "/lm1b.tar.gz":
            self.answer(lm1b_archive())
        elif url.path == "/cut.tar.gz":
            self.answer(lm1b_archive()[:-1], length=len(lm1b_archive()))
        elif url.path == "/metadata.csv":
            self.answer(b'11,"Alice, or so",1865,http://x/11\n12,Glass,1871,http://x/12\n')
        elif url.path == "/list":
            book = "12" if "pageToken" in query else "11"
            items = [{"name": f"{query['prefix'][0]}{book}.txt"}, {"name": query["prefix"][0]}]
            page = {"items": items} | ({"nextPageToken": "more"} if book == "11" else {})
            self.answer(json.dumps(page).encode())
        elif url.path.endswith(".txt"):
            self.answer(f" book {url.path} é\n".encode())
        else:
            self.send_error(404)

    def answer(self, data: bytes, length: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length or len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        """Keeps the tests' output clean."""


@pytest.fixture
def server(monkeypatch):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        base = f"http://127.0.0.1:{serving.server_port}"
        monkeypatch.setattr(preparation.Lm1b, "url", f"{base}/lm1b.tar.gz")
        monkeypatch.setattr(preparation.Pg19, "list_url", f"{base}/list")
        monkeypatch.setattr(preparation.Pg19, "files_url", base)
        yield base
        serving.shutdown()
        thread.join()


def test_lm1b_is_prepared_when_it_is_missing(tmp_path, server):
    found = read(f"tfds:lm1b?data_dir={tmp_path}")
    assert sorted(found["train"] + found["valid"]) == [b"One .", "Two é".encode()]
    assert found["test"] == [b"Three"]
    assert "tensorflow" not in sys.modules


def test_pg19_is_prepared_when_it_is_missing(tmp_path, server):
    found = read(f"tfds:pg19?data_dir={tmp_path}")
    for ours, theirs in (("train", "train"), ("valid", "validation"), ("test", "test")):
        assert found[ours] == [f"book /{theirs}/{n}.txt é".encode() for n in (11, 12)]
    builder = tfds.builder_from_directory(tmp_path / "pg19/0.1.1")
    books = builder.as_data_source(split="test")
    assert {book["book_title"] for book in books} == {b"Alice, or so", b"Glass"}
    assert {int(book["book_id"]) for book in books} == {11, 12}


def test_a_failed_download_is_one_line_and_leaves_nothing(tmp_path, server, monkeypatch):
    for url, said in (("/gone", "Not Found"), ("/cut.tar.gz", "cut short")):
        monkeypatch.setattr(preparation.Lm1b, "url", server + url)
        with pytest.raises(FreevocabError, match=said) as raised:
            corpora.load(f"tfds:lm1b?data_dir={tmp_path}")
        assert "\n" not in str(raised.value)
    monkeypatch.setattr(preparation.Pg19, "files_url", server + "/nowhere")
    with pytest.raises(FreevocabError, match="cannot download"):
        corpora.load(f"tfds:pg19?data_dir={tmp_path}")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_damaged_archive_is_one_line(tmp_path, server):
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "lm1b.tar.gz").write_bytes(lm1b_archive()[:100])
    with pytest.raises(FreevocabError, match="cannot prepare tfds:lm1b in") as raised:
        corpora.load(f"tfds:lm1b?data_dir={tmp_path}")
    assert "\n" not in str(raised.value)
