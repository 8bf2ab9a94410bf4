"""Leave out the events of bots.

    [transforms.people_only]
    type = "drop_bots"
    also = ["uptime", "acme-checker/*"]
    networks = ["66.249.64.0/19", "2001:4860:4801::/48"]

A bot is who says so in its user agent (crawlers, monitors, programs such as curl, and the list of the package
ua-parser), whose user agent holds one of the texts of `also`, or who comes from one of the `networks`. Events without a
user agent stay, unless `nameless` says otherwise. What is left out is counted as `dropped` under the name of this
transform; to keep and mark them instead, use `expand_user_agent`, which gives `is_bot`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Annotated

from pydantic import AfterValidator, Field

from trackway.flow.agents import is_bot
from trackway.flow.expressions import text
from trackway.flow.functions import each
from trackway.model.schema import Schema
from trackway.plan.component import Rewrite, Transform, Verdict

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError as error:
        raise ValueError(f"{error}; expected a network such as 66.249.64.0/19") from error


class DropBots(Transform):
    """Drops what people did not do."""

    column: str = "user_agent"
    """The column with the user agent."""
    also: list[str] = Field(default_factory=list, max_length=1_000)
    """Texts that a bot's user agent holds, in small letters or capitals; `*` stands for any text."""
    ip: str = "ip"
    """The column with the address."""
    networks: list[Annotated[str, AfterValidator(_network)]] = Field(default_factory=list, max_length=10_000)
    """Networks that bots come from."""
    nameless: bool = False
    """Whether an event without a user agent counts as one of a bot."""

    def rewrite(self, schema: Schema) -> Rewrite:
        """One verdict."""
        agent, address = text(self.column, schema), text(self.ip, schema)
        conditions = [f"drop_agent({agent}) = 'bot'"]
        functions = {"drop_agent": each(partial(_agent, patterns=[f"*{one.lower()}*" for one in self.also]))}
        if self.networks:
            conditions.append(f"drop_address({address}) = 'bot'")
            networks = [ipaddress.ip_network(one) for one in self.networks]
            functions["drop_address"] = each(partial(_address, networks=networks))
        if self.nameless:
            conditions.append(f"coalesce(trim({agent}), '') = ''")
        when = " or ".join(f"coalesce({one}, false)" for one in conditions)
        return Rewrite(verdicts=[Verdict(when, "dropped")], functions=functions)


def _agent(agent: str, patterns: Sequence[str]) -> str:
    named = agent.lower()
    return "bot" if is_bot(agent) or any(fnmatchcase(named, pattern) for pattern in patterns) else ""


def _address(given: str, networks: Sequence[Network]) -> str:
    try:
        address = ipaddress.ip_address(given.strip())
    except ValueError:
        return ""
    return "bot" if any(address in network for network in networks) else ""
