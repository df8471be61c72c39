"""What tokens of equal-info windows stand for (Tables 7, 8 and 14)."""

from collections import Counter, defaultdict
from pathlib import Path

from experiments.compressed_text import windows
from experiments.compressed_text.windows import Intervals, Window
from experiments.shared import compressors
from experiments.shared.tables import Log, Row, remarks_on, with_corpus

TITLE = "What a compressed token means (Tables 7, 8, 14)"
COLUMNS = ("part", "item", "text", "code", "share")
MEANING = {
    "part": (
        "window: the sentence's windows under the paper's greedy rule, and their codes; token:"
        " the commonest windows with a token at a position; position: all tokens of validation"
        " text; code: codes seen twice or more"
    ),
    "item": (
        'the number of a window, a token, a position ("any": without a token) or a closing rule'
    ),
    "text": "of the window, or of the commonest ones",
    "code": "of the window, in bits",
    "share": (
        "of token: of its two commonest bytes; of position: mean of that; of code: of those"
        " that always stood for one text"
    ),
}

_PAPER_WINDOWS = (
    "The_th|ree_c|urrently_l|iving_|species|_are|:_A|frica|n_sav|anna|_ele|pha|nts,_|Afr|ican_|"
    "forest_|eleph|ants,_|and_the_|Asi|an_e|lep|hant|s."
)
_PAPER_CODES = ("0011101011101000", "1100100011001001", "1111000011110011", "1001000111111000")
PAPER_ROWS: list[Row] = [
    {
        "part": "window",
        "item": str(number + 1),
        "text": text,
        "code": _PAPER_CODES[number] if number < len(_PAPER_CODES) else None,
    }
    for number, text in enumerate(_PAPER_WINDOWS.split("|"))
] + [
    {"part": "token", "item": "151 at position 1", "text": "le..."},
    {"part": "token", "item": "185 at position 1", "text": "or..."},
    {"part": "code", "item": "one text for each", "share": 1.0},
]


def run(config, *, workdir: Path, log: Log) -> list[Row]:
    """Rows of the four parts that COLUMNS describes."""
    corpus = compressors.load_corpus(config.corpus)
    model = compressors.build_m1(config.m1, corpus, workdir, log)
    intervals = Intervals(model, config.window_bits)
    sentence = list(windows.windows(config.sentence.encode(), intervals, "point"))
    log(f"the sentence is {len(sentence)} windows: {shown(sentence)}")
    cut = {
        rule: _cut(corpus, intervals, rule, config.num_windows) for rule in ("point", "point+delay")
    }
    rows = [
        {
            "part": "window",
            "item": str(number + 1),
            "text": printable(window.text),
            "code": f"{window.code:0{config.window_bits}b}",
        }
        for number, window in enumerate(sentence)
    ]
    rows += _positions(cut["point"], config)
    rows += [{"part": "code", "item": rule, "share": _fixed_share(of)} for rule, of in cut.items()]
    return with_corpus(rows, corpus)


def shown(cut: list[Window]) -> str:
    """Windows with bars between them."""
    return "|".join(printable(window.text) for window in cut)


def printable(text: bytes) -> str:
    """Bytes as the paper prints them: spaces as underscores, what is not ASCII escaped."""
    escaped = text.decode("latin-1").encode("unicode_escape").decode()
    return escaped.replace(" ", "_")


def _cut(corpus, intervals, rule, count) -> list[Window]:
    cut: list[Window] = []
    for document in corpus.documents("valid"):
        for window in windows.windows(document, intervals, rule):
            cut.append(window)
            if len(cut) == count:
                return cut
    return cut


def _positions(cut: list[Window], config) -> list[Row]:
    """What tokens tell of their window's first two bytes, by their position in it."""
    size = config.bits_per_token
    per_window = config.window_bits // size
    texts: list[dict[int, list[bytes]]] = [defaultdict(list) for _ in range(per_window)]
    for window in cut:
        for position in range(per_window):
            shift = config.window_bits - (position + 1) * size
            texts[position][window.code >> shift & ((1 << size) - 1)].append(window.text)
    tokens = config.tokens or sorted(texts[0], key=lambda t: (-len(texts[0][t]), t))[:2]
    rows = []
    for token in tokens:
        for position in range(per_window):
            of = texts[position].get(token, [])
            common = [printable(text) for text, _ in Counter(of).most_common(6)]
            rows.append(
                {
                    "part": "token",
                    "item": f"{token} at position {position + 1}",
                    "text": " ".join(common),
                    "share": _agreement(of) if of else None,
                }
            )
    every = [window.text for window in cut]
    rows.append({"part": "position", "item": "any", "share": _agreement(every)})
    for position in range(per_window):
        agreeing = sum(_agreement(of) * len(of) for of in texts[position].values())
        rows.append(
            {
                "part": "position",
                "item": f"position {position + 1}",
                "share": agreeing / len(cut),
            }
        )
    return rows


def _agreement(texts: list[bytes]) -> float:
    """Share of the texts that begin with the commonest first two bytes."""
    return Counter(text[:2] for text in texts).most_common(1)[0][1] / len(texts)


def _fixed_share(cut: list[Window]) -> float | None:
    texts: dict[int, list[bytes]] = defaultdict(list)
    for window in cut:
        texts[window.code].append(window.text)
    repeated = [set(of) for of in texts.values() if len(of) > 1]
    return sum(len(of) == 1 for of in repeated) / len(repeated) if repeated else None


def remarks(rows: list[Row]) -> list[str]:
    """What a token tells by its position, and whether a code has one text."""
    share = {row["item"]: row["share"] for row in rows if row["part"] == "position"}
    lines = [
        "share of the commonest two bytes that windows with a token begin with: any token"
        f" {share['any']:.2f}, in first position {share['position 1']:.2f}, in second"
        f" {share['position 2']:.2f}"
    ]
    fixed = {row["item"]: row["share"] for row in rows if row["part"] == "code"}
    if None not in fixed.values():
        lines.append(
            f"of the codes seen more than once, {fixed['point']:.1%} stood for one text only under"
            f" the greedy rule, {fixed['point+delay']:.1%} under point+delay (the paper says that"
            " each code has one text)"
        )
    return remarks_on(rows, *lines)
