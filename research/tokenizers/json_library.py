"""The `tokenizers` library's object of a tokenizer.json: the one place that calls it to read.

Whatever the library raises becomes a FreevocabError here: bare Exceptions, and the panics of its
Rust, which derive from BaseException and pass every `except Exception`.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from research.errors import FreevocabError

_OURS = (FreevocabError, KeyboardInterrupt, SystemExit, MemoryError)


class JsonLibrary:
    """Set to give the ids of a text and no others: no truncation, padding, dropout or template.

    Args:
      content: of a tokenizer.json.

    Raises:
      FreevocabError: from every method: the library refuses, or fails.
    """

    def __init__(self, content: bytes):
        from tokenizers import Tokenizer

        with _calling("not a tokenizer.json that `tokenizers` reads"):
            self._tokenizer = Tokenizer.from_str(content.decode())
            self._tokenizer.no_truncation()
            self._tokenizer.no_padding()
            self._tokenizer.encode_special_tokens = True
            if getattr(self._tokenizer.model, "dropout", None):
                self._tokenizer.model.dropout = None

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> "JsonLibrary":
        """That of a parsed tokenizer.json."""
        return cls(json.dumps(spec).encode())

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, nothing put around them; special tokens are never among them."""
        with _calling("`tokenizers` cannot encode a text with this tokenizer"):
            encoded = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
            return [one.ids for one in encoded]

    def frame(self) -> list[int]:
        """The ids that the template of the file puts around an empty text."""
        with _calling("`tokenizers` cannot encode a text with this tokenizer"):
            return list(self._tokenizer.encode("").ids)

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """The text of each row of ids, special tokens left out."""
        with _calling("`tokenizers` cannot decode with this tokenizer"):
            return self._tokenizer.decode_batch(list(map(list, ids)), skip_special_tokens=True)

    def words(self, text: str) -> list[str] | None:
        """What normalizer and pre-tokenizer make of a text; None without a pre-tokenizer."""
        cutter = self._tokenizer.pre_tokenizer
        if cutter is None:
            return None
        with _calling("`tokenizers` cannot cut a text with this tokenizer"):
            return [word for word, _ in cutter.pre_tokenize_str(self.normalized(text))]

    def normalized(self, text: str) -> str:
        """What the normalizer makes of a text."""
        normalizer = self._tokenizer.normalizer
        with _calling("`tokenizers` cannot normalise a text with this tokenizer"):
            return text if normalizer is None else normalizer.normalize_str(text)

    def spec(self) -> dict[str, Any]:
        """The tokenizer.json, parsed, as the library writes it: what older files leave out is
        filled in."""
        with _calling("`tokenizers` cannot write this tokenizer"):
            return json.loads(self._tokenizer.to_str())

    def vocab_size(self) -> int:
        """Entries, added ones included."""
        with _calling("`tokenizers` cannot count the entries"):
            return self._tokenizer.get_vocab_size()

    def id_of(self, token: str) -> int | None:
        """The id of an entry as it is written, None if it has none."""
        with _calling(f"`tokenizers` cannot look up {token!r}"):
            return self._tokenizer.token_to_id(token)

    def add(self, token: str, *, special: bool, **flags: bool) -> None:
        """Adds an entry under the next free id; `flags` as in tokenizers.AddedToken."""
        from tokenizers import AddedToken

        with _calling(f"`tokenizers` cannot add {token!r}"):
            added = [AddedToken(token, normalized=False, **flags)]
            if special:
                self._tokenizer.add_special_tokens(added)
            else:
                self._tokenizer.add_tokens(added)


@contextlib.contextmanager
def _calling(failure: str) -> Iterator[None]:
    try:
        yield
    except _OURS:
        raise
    except BaseException as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise FreevocabError(f"{failure}: {reason}") from error
