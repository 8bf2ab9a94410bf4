"""The documentation is true: every snippet runs, every link leads somewhere, the reference is fresh.

Blocks of a page are tried in order, in one empty folder: `toml` must load, `json` with a `type` must be a
question, `python` runs, `console` runs line by line after `$`, and what the page shows below a command must
be in its output (`…` stands for anything). `trackway run` stays up until the page ends,
and a Python block that begins with the name of a file is kept as that file. A plain `trackway` command of the tutorial
is run in the process of the test, which has everything imported; those of other pages start a process each.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import reference

from trackway import cli
from trackway.plan import config

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
QUICK = [DOCS / "tutorial.md"]
SLOW = [ROOT / "README.md", *sorted((DOCS / "howto").glob("*.md"))]
RUNNING = [*QUICK, *(pytest.param(path, marks=pytest.mark.long) for path in SLOW)]
"""Pages whose console and Python blocks are run; in the others they are only read."""

PLAIN = re.compile(r"trackway [^|&;<>$`]*")
"""A command that is no more than words."""
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DEFAULT = "127.0.0.1:8700"


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(path: Path) -> list[tuple[str, str]]:
    return BLOCK.findall(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_link_leads_to_a_file(path):
    text = path.read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text) if "://" not in target]
    missing = [target for target in targets if not (path.parent / target).exists()]
    assert not missing, f"{name(path)} links to what is not there"


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_configuration_in_a_page_loads(path):
    for language, text in blocks(path):
        if language == "toml":
            reference.worked(text, config.check)


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_question_in_a_page_can_be_asked(path):
    for language, text in blocks(path):
        if language == "json":
            shown = json.loads(text)
            if isinstance(shown, dict) and "rows" not in shown and "type" in shown:
                config.component("queries", shown, "question")


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*/trackway.toml")), ids=name)
def test_every_example_loads_and_passes_its_own_tests(path, tmp_path):
    shutil.copytree(path.parent, tmp_path / "example")
    assert tomllib.loads(path.read_text(encoding="utf-8")).get("tests"), "an example shows how it is tested"
    done = command("trackway -C example test", tmp_path, DEFAULT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", list(reference.pages()), ids=lambda page: page[0])
def test_the_reference_is_fresh(page):
    file, text = page
    path = DOCS / "reference" / file
    assert path.is_file(), f"docs/reference/{file} is missing; run make docs"
    assert path.read_text(encoding="utf-8") == text, f"docs/reference/{file} is stale; run make docs"


@pytest.mark.parametrize("path", RUNNING, ids=name)
def test_what_a_page_says_to_type_works(path, tmp_path, monkeypatch, capfd):
    def here(line, folder, address):
        """Run a plain command in this process."""
        if path not in QUICK or not PLAIN.fullmatch(line):
            return command(line, folder, address)
        monkeypatch.setattr(sys, "argv", shlex.split(line.replace(DEFAULT, address)))
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return subprocess.CompletedProcess(line, ended.value.code or 0, *capfd.readouterr())

    for name_, value in environment().items():
        monkeypatch.setenv(name_, value)
    monkeypatch.chdir(tmp_path)
    address = free_address()
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    running: list[subprocess.Popen[bytes]] = []
    try:
        for language, text in blocks(path):
            if language == "console":
                console(text, tmp_path, address, running, here)
            elif language == "python":
                named = re.match(r"# (\w+\.py)\n", text)
                file = named[1] if named else "snippet.py"
                (tmp_path / file).write_text(text.replace(DEFAULT, address), encoding="utf-8")
                done = command(f"python {file}", tmp_path, address)
                assert done.returncode == 0, done.stderr
    finally:
        for process in running:
            process.send_signal(signal.SIGINT)
            assert process.wait(40) == 0, "Ctrl-C ends it cleanly"


Done = subprocess.CompletedProcess[str]


def console(
    text: str, folder: Path, address: str, running: list[subprocess.Popen[bytes]], type_: Callable[..., Done]
) -> None:
    """Type what stands after `$`, and compare what the page shows below it."""
    for line, shown in prompts(text):
        if re.match(r"trackway( -C \S+)? run\b", line):
            running.append(serve(line, folder, address))
            continue
        done = type_(line, folder, address)
        output = done.stdout + done.stderr
        assert done.returncode == 0, f"$ {line}\n{output}"
        for expected in shown:
            pattern = re.escape(" ".join(expected.split())).replace("…", ".*")
            assert re.search(pattern, " ".join(output.split())), f"$ {line}\nshould show: {expected}\n{output}"


def prompts(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of a console block, with the lines shown below it; a backslash continues a line."""
    for part in re.split(r"^\$ ", text.replace("\\\n", " "), flags=re.MULTILINE)[1:]:
        line, *shown = part.rstrip("\n").split("\n")
        yield line.removesuffix(" &"), [row for row in shown if row.strip()]


def command(line: str, folder: Path, address: str) -> Done:
    return subprocess.run(
        ["bash", "-c", line.replace(DEFAULT, address)],
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def serve(line: str, folder: Path, address: str) -> subprocess.Popen[bytes]:
    """`trackway run` in the background, answering."""
    process = subprocess.Popen(["bash", "-c", f"exec {line} --listen {address}"], cwd=folder, env=environment())
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"http://{address}/healthz", timeout=2) as reply:
            if reply.status == 200:
                return process
        time.sleep(0.1)
    raise AssertionError(f"{line} did not come up")


def environment() -> dict[str, str]:
    """The environment with the commands of this Python first, and a width no table is cut at."""
    own = str(Path(sys.executable).parent)
    return os.environ | {"PATH": own + os.pathsep + os.environ["PATH"], "COLUMNS": "160", "NO_COLOR": "1"}


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"
