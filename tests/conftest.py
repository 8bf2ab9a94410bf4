"""What all tests share: the real web log when it lies beside the checkout, and the rule about skips.

With TRACKWAY_NO_SKIPS set, as in .ci/run, a skipped test fails: a machine that lacks what a test needs
would otherwise look healthy. Only the optional data set may be absent, since the project does not ship it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
WEB_LOG = ROOT.parent / "shared/data/weblogs/apache_combined.log"
NO_WEB_LOG = "the real web log is not beside this checkout"
sys.path.insert(0, str(ROOT / "tools"))
settings.register_profile("shared", deadline=None)  # machines are shared: how long an example takes proves nothing
settings.load_profile("shared")


@pytest.fixture(scope="session")
def web_log() -> Path:
    """The 10,000 lines of a real Apache log, one of them malformed; the test is skipped without it."""
    if not WEB_LOG.is_file():
        pytest.skip(NO_WEB_LOG)
    return WEB_LOG


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skipped test is a failed one where nothing may be skipped."""
    report = yield
    return without_skips(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """So is a skipped module."""
    report = yield
    return without_skips(report)


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Bytes are named by their length: packed bytes hold the second they were packed in, and all workers must agree."""
    return f"{argname}-{len(val)}B" if isinstance(val, bytes) else None


Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def without_skips(report: Report) -> Report:
    """The report, failed when it was skipped for any reason but the absent data set and TRACKWAY_NO_SKIPS is set."""
    if report.skipped and os.environ.get("TRACKWAY_NO_SKIPS") and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if NO_WEB_LOG not in reason:
            report.outcome = "failed"
            report.longrepr = f"skipped where nothing may be: {reason}"
    return report
