"""The manual as web pages: the README, the pages under docs/, and the API from the docstrings.

    python docs/build.py [FOLDER]          (make docs; build/docs if no folder is given)

Nothing is downloaded. A link to a file of the repository is left as its name, as the pages may be
read without it.
"""

import re
import shutil
import sys
from pathlib import Path

import research

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "CONTRIBUTING.md", "docs/transfer.md", "docs/tables.md", "docs/text.md",
         "docs/scale.md", "docs/extending.md", "docs/speed.md", "docs/faults.md",
         "docs/licences.md")  # fmt: skip
PICTURES = "results/pictures"


def manual() -> str:
    """All pages in one, with links that hold there."""
    texts = []
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        text = re.sub(r"(?<!!)\[([^\]]*)\]\((?!https?://)[^)]*\)", r"\1", text)
        texts.append(re.sub(r"<!--.*?-->", "", text))
    return "\n\n".join(texts)


def main(folder: Path) -> None:
    """Writes the pages."""
    import pdoc

    folder.mkdir(parents=True, exist_ok=True)
    research.__doc__ = manual()
    pdoc.render.configure(docformat="google", show_source=False)
    pdoc.pdoc("research", output_directory=folder)
    (folder / "index.html").write_text(
        '<!doctype html><meta http-equiv="refresh" content="0; url=research.html">\n',
        encoding="utf-8",
    )
    shutil.copytree(ROOT / PICTURES, folder / PICTURES, dirs_exist_ok=True)
    print(f"{folder}/index.html")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "docs")
