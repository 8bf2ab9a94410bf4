"""Types for senders: type checkers take what keeps the contract, and complain about what does not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from promises import promises
from trackway.model.contracts import stubs
from trackway.model.contracts.promise import Promise, Property

TSC = Path(__file__).resolve().parents[2] / "clients/node_modules/typescript/lib/tsc.js"
PLAN = Property(kind="string", values=["free", "pro"], description="What they */ chose.")
PROMISES = {
    "sign_ups": Promise.of(
        "Signed Up",
        {
            "plan": PLAN, "seats": Property(kind="integer"), "since": Property(kind="time"),
            "user id": Property(kind="json"),
            "address.city": Property(kind="string"), "address.geo.lat": Property(kind="number"),
        },
        ["plan", "address.city"], closed=True, description='Somebody "signed" up.',
    ),
    "sign-ups": Promise.of("Signed\\Up", {}),
}  # fmt: skip
PYTHON_USE = """
from datetime import datetime
from events import SIGN_UPS, SignUps

assert SIGN_UPS == "Signed Up"
good: SignUps = {"plan": "pro", "address": {"city": "B", "geo": {"lat": 1}}, "seats": None, "since": datetime.now()}
wrong_value: SignUps = {"plan": "gold", "address": {"city": "Berlin"}}
lacking: SignUps = {"plan": "pro"}
wrong_kind: SignUps = {"plan": "pro", "address": {"city": 5}}
unknown: SignUps = {"plan": "pro", "address": {"city": "Berlin"}, "mood": "good"}
"""
TYPESCRIPT_USE = """
import type { Events, SignUps, SignUps2 } from "./events";
declare function track<E extends keyof Events>(event: E, what: Events[E]): void;
track("Signed Up", { plan: "pro", address: { city: "Berlin", geo: { lat: 1 } }, seats: null, since: new Date() });
track("Signed\\\\Up", { anything: 1 });
track("Signed Up", { plan: "gold", address: { city: "Berlin" } });
track("Signed Up", { plan: "pro" });
track("Signed Up", { plan: "pro", address: { city: 5 } });
track("Signed Up", { plan: "pro", address: { city: "Berlin" }, mood: "good" });
"""


def test_python_types_are_checked_by_mypy(tmp_path):
    (tmp_path / "events.py").write_text(stubs.python(PROMISES))
    (tmp_path / "use.py").write_text(PYTHON_USE)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", "use.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = {int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line}
    assert lines == {7, 8, 9, 10}, done.stdout + done.stderr


def test_typescript_types_are_checked_by_tsc(tmp_path):
    if not TSC.is_file() or shutil.which("node") is None:
        pytest.skip("no TypeScript: npm install --prefix tests/clients --no-package-lock")
    (tmp_path / "events.ts").write_text(stubs.typescript(PROMISES))
    (tmp_path / "use.ts").write_text(TYPESCRIPT_USE)
    done = subprocess.run(
        ["node", TSC, "--noEmit", "--strict", "--exactOptionalPropertyTypes", "use.ts"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = {int(line.split("(")[1].split(",")[0]) for line in done.stdout.splitlines() if "error TS" in line}
    assert lines == {6, 7, 8, 9}, done.stdout + done.stderr


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=40)
@given(promises(), promises())
def test_python_types_of_any_contract_are_a_module_that_runs(one, other):
    names: dict[str, object] = {}
    exec(stubs.python({"one thing": one, "one_thing": other, "2": one}), names)
    assert {"OneThing", "OneThing2", "Event2"} <= set(names)
