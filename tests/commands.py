"""The command line, run in the process of the test."""

import io
import sys

import pytest

from trackway import cli


@pytest.fixture
def trackway(monkeypatch, capfd):
    """Run a command line in this process: (exit code, standard output, standard error)."""

    def run(*words, stdin=""):
        monkeypatch.setattr(sys, "argv", ["trackway", *map(str, words)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return ended.value.code or 0, out, err

    return run
