"""A sentencepiece .model at work."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from research.tokenizers import sentencepiece_json, sentencepiece_model, tokenizer_json
from research.tokenizers.json_engine import JsonEngine
from research.tokenizers.tokenizer_json import SPACE, Strings

# A normalizer_spec that changes nothing. Appended to a serialised model its fields overrule those
# of the model: no character map, no dummy prefix, all white space kept, spaces written as U+2581.
_IDENTITY = bytes([0x12, 0, 0x18, 0, 0x20, 0, 0x28, 1])


class SentencePieceEngine:
    """`sentencepiece` behind a .model.

    Raises:
      FreevocabError: not a sentencepiece model.
    """

    def __init__(self, model: bytes):
        self._processor = sentencepiece_model.processor(model)
        self._model = model
        self._bare = None

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The model's own ids."""
        return self._processor.encode(list(texts))

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """The library's text of ids."""
        return self._processor.decode([list(one) for one in ids])

    def split(self, words: Sequence[str], continued: bool = False) -> list[list[int]]:
        """What the model makes of each string, without its normaliser."""
        if self._bare is None:
            bare = self._model + bytes([0x1A, len(_IDENTITY)]) + _IDENTITY
            self._bare = sentencepiece_model.processor(bare)
        return self._bare.encode(list(words))

    def words(self, text: str) -> list[str]:
        """The strings that the model is given for a text, as the equal tokenizer.json has them."""
        return self._twin.words(text)

    @cached_property
    def spec(self) -> Mapping[str, Any]:
        """The equal tokenizer.json, parsed."""
        return self._twin.spec

    @cached_property
    def _twin(self) -> JsonEngine:
        spec = sentencepiece_json.tokenizer_json(self._model)
        return JsonEngine(spec, tokenizer_json.strings(spec))

    def entries(self) -> Strings:
        """The pieces as bytes."""
        rules = sentencepiece_model.normalization(self._model)
        ids = range(self._processor.vocab_size())
        tokens = [sentencepiece_model.token_bytes(self._processor, id_) for id_ in ids]
        byte_ids: list[int | None] = [None] * 256
        for id_ in ids:
            if self._processor.is_byte(id_):
                byte_ids[tokens[id_][0]] = id_
        kept = rules.escape_whitespaces and not (
            rules.changes_characters or rules.remove_extra_whitespaces
        )
        return Strings(
            tokens=tokens,
            special=[not token for token in tokens],
            starts_word=[token.startswith(b" ") for token in tokens],
            byte_ids=byte_ids,
            reserved=SPACE,
            byte_level=False,
            prefix=rules.add_dummy_prefix,
            drops_spaces=False,
            exact=kept,
            lossless=rules.is_identity and None not in byte_ids,
        )

    def special_names(self) -> dict[int, str]:
        """Control pieces and the unknown one, by id."""
        ids = range(self._processor.vocab_size())
        wanted = (self._processor.is_control, self._processor.is_unknown)
        return {
            id_: self._processor.id_to_piece(id_) for id_ in ids if any(is_(id_) for is_ in wanted)
        }

    def ids(self) -> dict[str, int]:
        """Every piece by how it is written."""
        return {self._processor.id_to_piece(i): i for i in range(self._processor.vocab_size())}

    def roles(self) -> dict[str, int]:
        """The pieces that the model itself names."""
        named = {role: getattr(self._processor, f"{role}_id")() for role in _OWN}
        return {role: id_ for role, id_ in named.items() if id_ >= 0}


_OWN = ("bos", "eos", "unk", "pad")
