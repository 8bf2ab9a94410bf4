"""Whether a user agent is a person's: what bots, monitors and programs call themselves."""

from __future__ import annotations

import re

BOT = re.compile(r"bot\b|bot/|crawl|spider|slurp|scrap|fetch|monitor|curl/|wget|python-|libwww|headless", re.IGNORECASE)
LONGEST = 2_000
"""Characters of a user agent that are looked at."""


def is_bot(agent: str) -> bool:
    """Whether a user agent says that it is a bot, or the list of the package ua-parser does.

    >>> is_bot("curl/8.5.0"), is_bot("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    (True, False)
    """
    from ua_parser import parse_device

    if BOT.search(agent):
        return True
    device = parse_device(agent[:LONGEST])
    return device is not None and device.family == "Spider"
