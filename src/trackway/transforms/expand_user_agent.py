"""Say which browser, system and device a user agent is, and whether it is a bot.

    [transforms.devices]
    type = "expand_user_agent"
    column = "user_agent"

New columns: `browser browser_version os os_version device is_bot`. Each different user agent is looked up once.
"""

from __future__ import annotations

import orjson

from trackway.flow.agents import BOT, LONGEST
from trackway.flow.expressions import target, text
from trackway.flow.functions import each
from trackway.model.condition import literal
from trackway.model.schema import Kind, Schema
from trackway.plan.component import Rewrite, Transform

TEXTS = ("browser", "browser_version", "os", "os_version", "device")


class ExpandUserAgent(Transform):
    """Columns from a user agent."""

    column: str = "user_agent"
    """The column with the user agent."""
    prefix: str = ""
    """Put before the names of the new columns."""

    def rewrite(self, schema: Schema) -> Rewrite:
        """Five texts and a boolean."""
        given = f"expand_user_agent({text(self.column, schema)})"
        sets: dict[str, tuple[str, Kind]] = {}
        for name in TEXTS:
            sets[target(self.prefix + name)] = (f"json_extract_string({given}, {literal(f'$.{name}')})", "string")
        bot = f"json_extract({given}, '$.is_bot')::boolean"
        sets[target(f"{self.prefix}is_bot")] = (bot, "boolean")
        return Rewrite(set=sets, functions={"expand_user_agent": each(_described)})


def _described(agent: str) -> str:
    from ua_parser import parse

    found = parse(agent[:LONGEST])
    browser, system, device = found.user_agent, found.os, found.device
    values = {
        "browser": browser and browser.family,
        "browser_version": browser and _version(browser.major, browser.minor),
        "os": system and system.family,
        "os_version": system and _version(system.major, system.minor),
        "device": device and device.family,
    }
    bot = bool(BOT.search(agent)) or (device is not None and device.family == "Spider")
    return orjson.dumps({**{name: value for name, value in values.items() if value}, "is_bot": bot}).decode()


def _version(*parts: str | None) -> str:
    return ".".join(part for part in parts if part)
