"""Languages whose letter n-grams are shipped, all written with a to z.

Accents are dropped as in `ciphers.normalise`; letters that do not decompose are spelt out first, as
writers of ciphers do: German umlauts and the sharp s as ae, oe, ue and ss, the French ligatures as
ae and oe.
"""

from research.errors import UsageError

LANGUAGES = ("english", "german", "french")
_SPELT_OUT = {"æ": "ae", "œ": "oe", "ß": "ss", "ẞ": "SS", "Æ": "AE", "Œ": "OE"}
_UMLAUTS = {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"}


def spelt_out(text: str | bytes, language: str) -> str:
    """The text with the letters that a language writes as two in ciphers spelt out.

    Raises:
      UsageError: if there is no such language.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    german = _UMLAUTS if known(language) == "german" else {}
    return text.translate(str.maketrans(_SPELT_OUT | german))


def known(language: str) -> str:
    """The language, if its letters are shipped.

    Raises:
      UsageError: otherwise.
    """
    if language not in LANGUAGES:
        raise UsageError(f"no letters of {language!r}; there are {', '.join(LANGUAGES)}")
    return language
