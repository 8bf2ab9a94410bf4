"""The registry over HTTP: what a build of an SDK asks, with and without an ETag."""

from __future__ import annotations

import pytest

import shop
from trackway.app import Workspace
from trackway.model.contracts.promise import Promise, Property


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    root = tmp_path_factory.mktemp("registry")
    shop.write_config(root)
    shelf = Workspace.open(root).contracts
    shelf.publish("sign_ups", Promise.of("Signed Up", {"plan": Property(kind="string")}))
    shelf.publish(
        "sign_ups", Promise.of("Signed Up", {"plan": Property(kind="string"), "seats": Property(kind="integer")})
    )
    with shop.served(root) as client:
        yield client


def test_the_list_names_every_contract_with_its_versions(registry):
    reply = registry.get("/contracts")
    assert reply.status_code == 200, reply.text
    (one,) = reply.json()["contracts"]
    assert (one["name"], one["event"], one["version"], one["versions"]) == (
        "sign_ups", "Signed Up", "1.1.0", ["1.0.0", "1.1.0"],
    )  # fmt: skip
    assert registry.get(one["href"]).json()["hash"] == one["hash"]


@pytest.mark.parametrize("path", ["/contracts", "/contracts/sign_ups", "/contracts/sign_ups/1.0.0?as=avro"])
def test_what_a_client_has_already_is_not_sent_again(registry, path):
    reply = registry.get(path)
    assert (reply.status_code, bool(reply.content)) == (200, True)
    again = registry.get(path, headers={"if-none-match": f'"other", W/{reply.headers["etag"]}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", reply.headers["etag"])
    assert registry.get(path, headers={"if-none-match": '"other"'}).status_code == 200


def test_a_version_may_be_kept_for_good_and_the_latest_may_not(registry):
    assert "immutable" in registry.get("/contracts/sign_ups/1.0.0").headers["cache-control"]
    assert registry.get("/contracts/sign_ups").headers["cache-control"] == "no-cache"


def test_a_version_is_found_by_number_and_by_hash(registry):
    found = registry.get("/contracts/sign_ups/1.0.0").json()
    assert found["contract"]["properties"] == {"plan": {"kind": "string"}}
    assert registry.get(f"/contracts/sign_ups/{found['hash']}").json() == found


@pytest.mark.parametrize(
    ("form", "part"),
    [
        ("json_schema", "2020-12"), ("avro", '"type": "record"'), ("iglu", '"version": "1-1-0"'),
        ("python", "TypedDict"), ("typescript", "export interface"),
    ],
)  # fmt: skip
def test_a_contract_is_given_in_every_form(registry, form, part):
    assert part in registry.get("/contracts/sign_ups", params={"as": form}).text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/contracts/sign_up", 404), ("/contracts/sign_ups/9.9.9", 404), ("/contracts/sign_ups/new", 404),
        ("/contracts/..%2f..%2fcontrol", 404), ("/contracts/sign_ups?as=xml", 400),
    ],
)  # fmt: skip
def test_what_there_is_not_is_one_error_shape(registry, path, status):
    reply = registry.get(path)
    assert (reply.status_code, reply.json()["ok"]) == (status, False)


def test_a_resolver_of_iglu_finds_a_contract_at_its_own_address(registry):
    found = registry.get("/schemas/com.acme/sign_ups/jsonschema/1-1-0").json()
    assert found["self"] == {"vendor": "com.acme", "name": "sign_ups", "format": "jsonschema", "version": "1-1-0"}
    assert set(found["properties"]) == {"plan", "seats"}
    for path in (
        "com.acme/sign_ups/jsonschema/1-9-0",
        "com.acme/other/jsonschema/1-0-0",
        "a%20b/sign_ups/jsonschema/1-0-0",
    ):
        assert registry.get(f"/schemas/{path}").status_code in {400, 404}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_the_registry_is_only_read(registry, method):
    assert registry.request(method, "/contracts/sign_ups").status_code in {404, 405}
