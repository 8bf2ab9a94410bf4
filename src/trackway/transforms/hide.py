"""Hide personal data before it is stored.

    [transforms.addresses]
    type = "hide"
    columns = ["ip"]
    how = "truncate_ip"

    [transforms.mail]
    type = "hide"
    columns = ["email", "context.traits.email"]
    how = "hash"

    [transforms.personal]
    type = "hide"
    tags = ["personal"]

    [contracts.signed_up]
    event = "Signed Up"
    properties = { email = { kind = "string", tags = ["personal"] } }

`hash` puts a hash in place of a value, so that equal values stay equal and can be counted and joined. Whoever can guess
a value can find its hash; with `key = { env = "NAME" }` only those who know the key can. `mask` keeps the form and the
first letter of each word (`a**@m***.e******`). `truncate_ip` keeps the network: 24 bits of IPv4 and 48 of IPv6, and
nothing of what is no address. `tags` are those of the properties of contracts. Values that lie in
`more`, since they did not fit their column, are left out. The payload as it was sent stays in the journal for
`journal_retention`.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Callable
from functools import partial
from typing import Literal, Self

from pydantic import Field, model_validator

from trackway.flow.expressions import Target, rewritten
from trackway.flow.functions import each
from trackway.flow.fuse import without
from trackway.flow.tags import below, tagged
from trackway.model.schema import Schema
from trackway.model.secret import Secret
from trackway.plan.component import Place, Rewrite, Transform

How = Literal["hash", "mask", "truncate_ip"]


class Hide(Transform):
    """Hides values of columns."""

    columns: list[Target] = Field(default_factory=list)
    """The columns that are hidden, with those below them: `address` is `address.city`, too."""
    tags: list[str] = Field(default_factory=list)
    """Tags of contracts: what any contract tags with one of them is hidden, in all events."""
    how: How = "hash"
    """What is put in their place."""
    key: Secret | None = None
    """Of the hash (HMAC-SHA-256); a plain SHA-256 when left out."""

    @model_validator(mode="after")
    def _something_to_hide(self) -> Self:
        if not self.columns and not self.tags:
            raise ValueError("needs columns or tags")
        if self.key is not None and self.how != "hash":
            raise ValueError("only how = 'hash' has a key")
        return self

    def settle(self, place: Place) -> Self:
        """With the columns that contracts tag."""
        return self.model_copy(update={"columns": [*self.columns, *tagged(self.tags, place.contracts)]})

    def rewrite(self, schema: Schema) -> Rewrite:
        """The columns that exist, as texts."""
        columns = below(self.columns, schema)
        sets = rewritten(columns, schema, lambda given: f"nullif(hide_text({given}), '')")
        ways: dict[How, Callable[[str], str]] = {
            "hash": partial(_hashed, key=self.key), "mask": _masked, "truncate_ip": _network,
        }  # fmt: skip
        functions = {"hide_text": each(ways[self.how])} if sets else {}
        return Rewrite(set={**sets, "more": without(self.columns)}, functions=functions)


def _hashed(given: str, key: Secret | None) -> str:
    if key is None:
        return hashlib.sha256(given.encode()).hexdigest()
    return hmac.new(str(key).encode(), given.encode(), hashlib.sha256).hexdigest()


def _masked(given: str) -> str:
    """All but the first letter of each word hidden.

    >>> _masked("ann.lee@mail.example")
    'a**.l**@m***.e******'
    """
    return re.sub(r"(?<=\w)\w", "*", given)


def _network(given: str) -> str:
    """The network of an address; an empty text for what is none.

    >>> _network("203.0.113.77"), _network("2001:db8:1:2::7")
    ('203.0.113.0', '2001:db8:1::')
    """
    try:
        address = ipaddress.ip_address(given.strip())
    except ValueError:
        return ""
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False).network_address)
