"""The registry of contracts for the builds of SDKs: what is published, read-only, with an ETag on everything.

It speaks the address of a static registry of Iglu as well.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated

import orjson
from fastapi import APIRouter, Query, Request, Response

from trackway.api.data import NotFound
from trackway.errors import ConfigError
from trackway.model.contracts import forms, iglu

if TYPE_CHECKING:
    from trackway.app import Workspace
    from trackway.store.published import Published

FOREVER = "public, max-age=31536000, immutable"
"""A version never changes."""
Form = Annotated[str, Query(alias="as", max_length=40)]
Vendor = Annotated[str, Query(max_length=100)]


def routes(workspace: Workspace) -> APIRouter:
    """The addresses below /contracts, and /schemas as Iglu has them."""
    router = APIRouter()

    @router.get("/contracts")
    def contracts(request: Request) -> Response:
        """Every published contract with `name event version hash versions href`."""
        shelf = workspace.contracts
        rows = []
        for name in shelf.names():
            latest, versions = shelf.get(name), [str(version) for version in shelf.versions(name)]
            rows.append({"name": name, "event": latest.promise.event, "version": versions[-1], "hash": latest.hash,
                         "versions": versions, "href": f"/contracts/{name}"})  # fmt: skip
        body = orjson.dumps({"ok": True, "contracts": rows})
        return tagged(request, body, hashlib.sha256(body).hexdigest())

    @router.get("/contracts/{name}")
    def contract(request: Request, name: str, form: Form = "", vendor: Vendor = forms.VENDOR) -> Response:
        """The latest version of a contract with its hash; `as=json_schema`, `avro`, `iglu`, `python` or `typescript`
        gives it in that form. With `If-None-Match` the answer is 304 while there is no newer one."""
        return one(request, found(workspace, name, ""), form, vendor)

    @router.get("/contracts/{name}/{version}")
    def version(request: Request, name: str, version: str, form: Form = "", vendor: Vendor = forms.VENDOR) -> Response:
        """One version of a contract, by number or by hash; it never changes."""
        return one(request, found(workspace, name, version), form, vendor, FOREVER)

    @router.get("/schemas/{vendor}/{name}/jsonschema/{version}")
    def schema(request: Request, vendor: str, name: str, version: str) -> Response:
        """The same as a registry of Iglu, for whoever resolves `iglu:VENDOR/NAME/jsonschema/1-0-0`, of any vendor."""
        names = [own for own in workspace.contracts.names() if iglu.named(own) == name]
        return one(
            request, found(workspace, names[0] if names else name, version.replace("-", ".")), "iglu", vendor, FOREVER
        )

    return router


def found(workspace: Workspace, name: str, version: str) -> Published:
    """A published version. Raises NotFound."""
    try:
        return workspace.contracts.get(name, version)
    except ConfigError as error:
        raise NotFound(error.message, hint=error.hint) from error


def one(request: Request, made: Published, form: str, vendor: str, kept: str = "no-cache") -> Response:
    """A version in a form, as itself when none is asked for."""
    tag = f"{made.version}-{made.hash.removeprefix('sha256:')}"
    if not form:
        return tagged(request, orjson.dumps({"ok": True, **made.as_json()}), tag, kept)
    body = forms.written(form, made.name, made.promise, made.version, vendor)
    return tagged(request, body, f"{tag}-{form}-{vendor}", kept, forms.MEDIA[form])


def tagged(
    request: Request, body: bytes, tag: str, kept: str = "no-cache", media: str = "application/json"
) -> Response:
    """An answer with its ETag, or 304 when that is what the client has."""
    headers = {"ETag": f'"{tag}"', "Cache-Control": kept}
    given = {one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")}
    if given & {headers["ETag"], "*"}:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media)
