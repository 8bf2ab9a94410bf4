"""The API and pages of a workspace with known events, behind a real server."""

import pytest

import shop
from commands import trackway

__all__ = ["client", "trackway"]


@pytest.fixture(scope="package")
def client(tmp_path_factory):
    with shop.served(shop.fill(tmp_path_factory.mktemp("shop"))) as client:
        yield client
