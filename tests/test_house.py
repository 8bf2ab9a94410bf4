"""The house rules, in plain English; a failure names the file, the line and the rule.

They stand here instead of in a style guide because a rule nobody checks is a wish.
"""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "trackway"
SOURCES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

SHELVES = ("codecs", "sources", "transforms", "queries")
FLOORS = (
    ("errors", "model"),
    ("plan", "worlds"),
    ("store",),
    ("flow",),
    SHELVES,
    ("app",),
    ("cli", "api", "web", "terminal", "bench", "demo", "tour", "__main__"),
)
"""From the ground up; a module may import its own folder and the floors below it."""

BANNED = {"utils", "util", "helpers", "helper", "common", "misc", "base", "core", "manager", "handler"}
LONGEST_MODULE, MEDIAN_MODULE, LONGEST_FUNCTION, LONGEST_KERNEL = 500, 150, 40, 60

TEXTS = ("*.md", "*.toml", "*.txt", "*.py", "*.html", "*.css", "*.js", "*.cfg", "Makefile", "run")


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), place(path))


def part(path: Path) -> str:
    """The part of the house a module belongs to: `store` for store/columns/runs.py, `app` for app.py."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def floor(name: str) -> int:
    return next((level for level, parts in enumerate(FLOORS) if name in parts), -1)


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Every part of the package that a module imports, with the line; `TYPE_CHECKING` blocks count too."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "trackway":
            names = [f"trackway.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        else:
            continue
        for name in names:
            if name.startswith("trackway."):
                yield node.lineno, name.split(".")[1]


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring and decorators, and without functions defined inside it."""
    lines = extent(function)
    if ast.get_docstring(function, clean=False) is not None:
        lines -= extent(function.body[0])
    inner = [node for node in ast.walk(function) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return lines - sum(extent(node) for node in inner if node is not function)


def extent(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def none(broken: list[str], rule: str) -> None:
    """Fails with the rule and every place that breaks it."""
    assert not broken, f"\n{rule}\n  " + "\n  ".join(broken)


# ── where things are ────────────────────────────────────────────────────────────────────────────────


def test_every_part_of_the_house_stands_on_a_floor():
    parts = {part(path) for path in SOURCES} - {"__init__"}
    none(sorted(name for name in parts if floor(name) < 0), "These parts have no floor; FLOORS says where each stands:")


def test_imports_go_down_only():
    rule = "A module imports its own folder and lower floors, never a higher one (plan/registry opens shelves by name):"
    broken = [
        f"{place(path)}:{line} imports {name}"
        for path in SOURCES
        for line, name in imported(path)
        if floor(name) > floor(part(path)) >= 0
    ]
    none(broken, rule)


def test_nothing_is_imported_sideways():
    rule = "Parts of one floor do not know each other, shelves least of all; doors may open doors:"
    doors = len(FLOORS) - 1
    broken = [
        f"{place(path)}:{line} imports {name}"
        for path in SOURCES
        for line, name in imported(path)
        if name != part(path) and floor(name) == floor(part(path)) not in (0, doors)
    ]
    none(broken, rule)


# ── how big things are ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("files", [SOURCES, TESTS], ids=["src", "tests"])
def test_no_module_is_longer_than_five_hundred_lines(files):
    lengths = {place(path): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    none([f"{name} has {lines}" for name, lines in lengths.items() if lines > LONGEST_MODULE], "A module is too long:")


def test_half_of_the_modules_have_a_hundred_and_fifty_lines_or_fewer():
    lengths = [len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES if path.name != "__init__.py"]
    assert statistics.median(lengths) <= MEDIAN_MODULE


def test_no_function_is_longer_than_forty_lines():
    broken = [
        f"{place(path)}:{function.lineno} {function.name} has {length(function)}"
        for path in SOURCES
        for function in functions(path)
        if length(function) > (LONGEST_KERNEL if compiled(function) else LONGEST_FUNCTION)
    ]
    none(broken, "A function says one thing in forty lines, a compiled kernel in sixty (docstrings not counted):")


def compiled(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    wrappers = ("njit", "kernel", "leaf", "inlined")
    return any(word in ast.unparse(decorator) for decorator in function.decorator_list for word in wrappers)


# ── what things are called ──────────────────────────────────────────────────────────────────────────


def test_nothing_bears_a_name_that_says_nothing():
    broken = [place(path) for path in SOURCES + TESTS if BANNED & set(path.stem.removeprefix("test_").split("_"))]
    for path in SOURCES:
        names = [node for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef | ast.FunctionDef)]
        broken += [f"{place(path)}:{node.lineno} {node.name}" for node in names if BANNED & words(node.name)]
    none(broken, f"These names say nothing ({', '.join(sorted(BANNED))}):")


def words(name: str) -> set[str]:
    """The words of a snake_case or CamelCase name; none for the hooks that Python and pydantic name."""
    return (
        set() if name.startswith("__") else {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}
    )


def test_segment_is_the_name_of_a_product_only():
    broken = []
    for path in SOURCES:
        for node in ast.walk(tree(path)):
            name = getattr(node, "name", None) if isinstance(node, ast.ClassDef | ast.FunctionDef) else None
            if name and words(name) & {"segment", "segments"} and "segment" not in place(path):
                broken.append(f"{place(path)}:{node.lineno} {name}")
    none(broken, "'Segment' is a product here; pieces of other things are runs, shards, parts or blocks:")


def test_a_file_does_not_repeat_the_name_of_its_folder():
    broken = [
        place(path)
        for path in SOURCES
        if path.parent != PACKAGE and singular(path.parent.name) in map(singular, path.stem.split("_"))
    ]
    none(broken, "queries/funnel.py, not queries/funnel_query.py:")


def singular(word: str) -> str:
    return {"queries": "query"}.get(word, word.removesuffix("s"))


# ── what things say ─────────────────────────────────────────────────────────────────────────────────


def test_every_module_opens_with_a_sentence():
    broken = []
    for path in SOURCES + TESTS:
        first = (ast.get_docstring(tree(path)) or "").split("\n\n")[0]
        if not first.rstrip().endswith((".", "?", ":")):
            broken.append(f"{place(path)}: {first[:80]!r}")
    none(broken, "A module begins with a docstring whose first paragraph is a sentence with its full stop:")


def test_folders_say_what_they_hold_in_one_sentence_and_nothing_else():
    broken = [
        place(path)
        for path in SOURCES
        if path.name == "__init__.py" and path.parent != PACKAGE and len(tree(path).body) != 1
    ]
    none(broken, "An __init__.py holds one docstring and no code:")


def test_public_things_say_what_they_are_for():
    broken = []
    for path in SOURCES:
        for node in tree(path).body:
            broken += [f"{place(path)}:{line} {name}" for line, name in silent(node)]
    none(broken, "Public classes and functions have a docstring that says what and why:")


def silent(node: ast.stmt) -> Iterator[tuple[int, str]]:
    """Public definitions without a docstring at this node; methods of components are explained in plan/component."""
    kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    if isinstance(node, kinds) and not node.name.startswith("_") and ast.get_docstring(node) is None:
        yield node.lineno, node.name


def test_nothing_is_left_unfinished():
    mark = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|NotImplemented" r"Error)\b")
    broken = [
        f"{place(path)}:{number} {line.strip()[:80]}"
        for path in SOURCES + TESTS
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if mark.search(line)
    ]
    none(broken, "What is on main is finished:")


def test_no_error_is_swallowed():
    broken = [
        f"{place(path)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler) and too_broad(node.type) and not any(map(speaks, node.body))
    ]
    none(broken, "`except Exception` must raise, answer or record; it may not pass over an error in silence:")


def too_broad(kind: ast.expr | None) -> bool:
    return kind is None or (isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException"))


def speaks(statement: ast.stmt) -> bool:
    return not isinstance(statement, ast.Pass | ast.Continue | ast.Break)


# ── components ──────────────────────────────────────────────────────────────────────────────────────


def components() -> list[tuple[str, str]]:
    return [(kind, path.stem) for kind in SHELVES for path in sorted((PACKAGE / kind).glob("[a-z]*.py"))]


@pytest.mark.parametrize(("kind", "name"), components(), ids=lambda value: value)
def test_a_component_explains_itself(kind, name):
    """Its docstring has a worked example that loads, its options a line each, its file one class."""
    from reference import example, options, worked

    from trackway.plan import config, registry

    cls = registry.load(kind, name)
    silent_options = [option.name for option in options(cls) if not option.text]
    none([f"{kind}/{name}.py: {option}" for option in silent_options], "Every option is followed by a docstring:")
    text = example(kind, name)
    assert text, f"{kind}/{name}.py: the docstring of the module shows no worked example"
    worked(text, config.check)


# ── importing ───────────────────────────────────────────────────────────────────────────────────────

IMPORT_EVERYTHING = """
import builtins, importlib, pkgutil, socket, sqlite3, sys, threading
opened = []
def watch(event, details):
    if event == "open" and details[1] and set(details[1]) & set("wax+") and "__pycache__" not in str(details[0]):
        opened.append(f"{event} {details[0]}")
    if event in ("sqlite3.connect", "socket.bind", "socket.connect", "subprocess.Popen"):
        opened.append(f"{event} {details}")
sys.addaudithook(watch)
before = threading.active_count()
import trackway
for module in pkgutil.walk_packages(trackway.__path__, "trackway."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print("\\n".join(opened))
if threading.active_count() > before:
    print("threads were started")
for driver in ("chdb", "polars", "ray", "confluent_kafka", "boto3", "playwright", "pandas", "segment", "fastavro",
               "redis", "nats", "psycopg"):
    if driver in sys.modules:
        print("imported the driver", driver)
"""


def test_importing_everything_opens_nothing_and_needs_no_extra():
    done = subprocess.run([sys.executable, "-c", IMPORT_EVERYTHING], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    none(done.stdout.split("\n")[:-1] if done.stdout.strip() else [], "Importing must have no effect:")


# ── what is in the repository ───────────────────────────────────────────────────────────────────────


def tracked() -> list[Path]:
    """Text files of the repository, as git knows them, or as they lie there without git."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    paths = [ROOT / line for line in done.stdout.splitlines()] if done.returncode == 0 else list(ROOT.rglob("*"))
    return [path for path in paths if path.is_file() and any(path.match(text) for text in TEXTS)]


def test_no_file_knows_the_machine_it_was_written_on():
    machine = re.compile(r"(?<![\w.])/(?:work|home|root|Users)/[\w.-]+|/tmp/(?:venv|bash)")
    broken = [
        f"{place(path)}:{number} {line.strip()[:100]}"
        for path in tracked()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if machine.search(line) and path != Path(__file__)
    ]
    none(broken, "No paths of one machine in the repository:")


def test_pins_name_versions_and_no_addresses():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    broken = [line for line in lines if line and not re.fullmatch(r"#.*|[A-Za-z0-9_.-]+==[\w.]+", line)]
    none(broken, "constraints.txt holds name==version lines only:")
