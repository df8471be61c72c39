"""A paper with small tables of its own, found the way the real ones are."""

import sys
import textwrap

import pytest

CONFIGS = {
    "__init__": 'MAIN = ("adding",)\nTABLES = ("adding", "failing", "broken", "full", "absent")\n',
    "adding": """
        import dataclasses

        @dataclasses.dataclass(frozen=True)
        class Inner:
            factor: float = 1.0

        @dataclasses.dataclass(frozen=True)
        class Config:
            terms: int = 2
            seed: int = 7
            inner: Inner = Inner()

        EXPECTED_MINUTES = {"cpu": 2}

        def cpu():
            return Config()

        def gpu():
            return Config(terms=200)

        def quick():
            return Config(terms=1)
        """,
}
FAIL = ("failing", "broken", "full")
CONFIGS |= {name: "from configs.toy.adding import cpu, quick" for name in FAIL}

EXPERIMENTS = {
    "__init__": "",
    "adding": """
        TITLE = "Sums | of terms"
        COLUMNS = ("method", "FLOPs/byte", "bits/byte", "exact")
        PAPER_ROWS = [{"method": "by hand", "FLOPs/byte": 3, "bits/byte": 1.25}]

        def run(config, *, workdir, log):
            assert workdir.is_dir()
            log(f"adding {config.terms} terms")
            return [
                {"method": name, "FLOPs/byte": config.terms, "bits/byte": value, "exact": True}
                for name, value in (("by hand", 1.5 * config.inner.factor), ("by machine", 0.5))
            ]

        def remarks(rows):
            return [f"{len(rows)} ways were tried"]
        """,
    "failing": """
        from experiments.toy.adding import COLUMNS, PAPER_ROWS, TITLE, remarks
        from research.errors import FreevocabError

        def run(config, *, workdir, log):
            raise FreevocabError("the sum ran away: use fewer terms")
        """,
    "broken": """
        from experiments.toy.adding import COLUMNS, PAPER_ROWS, TITLE, remarks

        def run(config, *, workdir, log):
            return 1 / 0
        """,
    "full": """
        import errno

        from experiments.toy.adding import COLUMNS, PAPER_ROWS, TITLE, remarks

        def run(config, *, workdir, log):
            raise OSError(errno.ENOSPC, "No space left on device", "big.bin")
        """,
}


@pytest.fixture
def toy_paper(tmp_path, monkeypatch):
    """A paper `toy` with a main table, adding, and three that fail; in an empty cwd."""
    import configs
    import experiments

    for package, sources in ((configs, CONFIGS), (experiments, EXPERIMENTS)):
        root = tmp_path / package.__name__
        (root / "toy").mkdir(parents=True)
        for name, source in sources.items():
            (root / "toy" / f"{name}.py").write_text(textwrap.dedent(source))
        # Only the toy paper: the real ones would make these tests run them.
        monkeypatch.setattr(package, "__path__", [str(root)])
    cwd = tmp_path / "cwd"
    cwd.mkdir()
    monkeypatch.chdir(cwd)
    yield cwd
    for name in [name for name in sys.modules if name.split(".")[1:2] == ["toy"]]:
        del sys.modules[name]


@pytest.fixture
def freevocab(capfd):
    """Calls the command line in this process: freevocab("list") -> (code, stdout, stderr)."""
    from research import cli

    def call(*argv):
        capfd.readouterr()
        code = cli.call([str(word) for word in argv])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return call
