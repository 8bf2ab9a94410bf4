"""Say where an address is, by a database file in the format of MaxMind that you have.

    [transforms.places]
    type = "locate_ip"
    column = "ip"
    database = "GeoLite2-City.mmdb"
    prefix = "geo."
    parts = ["country", "city", "time_zone"]

Any database of this format does: cities, countries, or networks (`organisation`). None comes with Trackway. The file is
looked for from the folder of trackway.toml, and read when the flow starts; an address that it does not know has no
values. To keep the network and not the person, hide the address behind this step (`hide`, `truncate_ip`). Needs the
package maxminddb.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import orjson
from pydantic import Field

from trackway.errors import ConfigError, optional
from trackway.flow.expressions import target, text
from trackway.flow.functions import each
from trackway.model.condition import literal
from trackway.model.schema import Kind, Schema
from trackway.plan.component import Place, Rewrite, Transform

Part = Literal[
    "country", "country_name", "continent", "region", "region_name", "city", "postal_code", "latitude", "longitude",
    "time_zone", "network_number", "organisation",
]  # fmt: skip
PATHS: Mapping[str, tuple[tuple[str | int, ...], Kind]] = {
    "country": (("country", "iso_code"), "string"), "country_name": (("country", "names", "en"), "string"),
    "continent": (("continent", "code"), "string"), "region": (("subdivisions", 0, "iso_code"), "string"),
    "region_name": (("subdivisions", 0, "names", "en"), "string"), "city": (("city", "names", "en"), "string"),
    "postal_code": (("postal", "code"), "string"), "latitude": (("location", "latitude"), "number"),
    "longitude": (("location", "longitude"), "number"), "time_zone": (("location", "time_zone"), "string"),
    "network_number": (("autonomous_system_number",), "number"),
    "organisation": (("autonomous_system_organization",), "string"),
}  # fmt: skip
"""Part -> where it is in a record, and its kind (the fields of GeoIP2 City and ASN, as MaxMind documents them)."""


class LocateIp(Transform):
    """Columns from an address."""

    column: str = "ip"
    """The column with the address, IPv4 or IPv6."""
    database: str
    """The file."""
    prefix: str = "geo."
    """Put before the names of the new columns."""
    parts: list[Part] = Field(default=["country", "region", "city"], min_length=1)
    """What to say of it."""

    def settle(self, place: Place) -> Self:
        """With the path of the file."""
        return self.model_copy(update={"database": str(place.root / self.database)})

    def ready(self) -> None:
        """Raises ConfigError when there is no such file, or it is of another format, and MissingDriver."""
        opened(self.database).close()

    def rewrite(self, schema: Schema) -> Rewrite:
        """A column for every part."""
        given = f"locate_ip({text(self.column, schema)})"
        sets: dict[str, tuple[str, Kind]] = {}
        for part in self.parts:
            kind = PATHS[part][1]
            found = f"json_extract_string({given}, {literal(f'$.{part}')})"
            sets[target(self.prefix + part)] = (found if kind == "string" else f"try_cast({found} as double)", kind)
        return Rewrite(set=sets, functions={"locate_ip": each(Places(self.database, self.parts))})


class Places:
    """The file, opened when first asked."""

    def __init__(self, path: str, parts: Sequence[Part]) -> None:
        self._path, self._parts = path, parts
        self._file: Any = None

    def __call__(self, given: str) -> str:
        """What the file says of an address, as a JSON object."""
        try:
            address = ipaddress.ip_address(given.strip())
        except ValueError:
            return "{}"
        if self._file is None:
            self._file = opened(self._path)
        if address.version == 6 and self._file.metadata().ip_version == 4:
            return "{}"
        record = self._file.get(address)
        return orjson.dumps({part: _inside(record, PATHS[part][0]) for part in self._parts}).decode()


def opened(path: str) -> Any:
    """A reader of the file. Raises ConfigError for what is no such file, and MissingDriver."""
    with optional("transforms.locate_ip", "locate_ip"):
        import maxminddb
    try:
        return maxminddb.open_database(path)
    except (OSError, maxminddb.InvalidDatabaseError) as error:
        raise ConfigError(
            f"cannot read {path}: {error}",
            path="database",
            hint="a file in the format of MaxMind, such as GeoLite2-City",
        ) from error


def _inside(record: Any, path: Sequence[str | int]) -> Any:
    for key in path:
        if isinstance(key, int):
            record = record[key] if isinstance(record, list) and len(record) > key else None
        else:
            record = record.get(key) if isinstance(record, dict) else None
    return record if isinstance(record, str | int | float) else None
