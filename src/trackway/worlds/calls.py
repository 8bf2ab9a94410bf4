"""The calls of the simulated company, as the official Segment libraries put them on the wire.

What happens in a browser carries the context of the page, the campaign and the device, as analytics.js
sends it; what the company's own services report carries only the ids, as a server library sends it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from trackway.worlds.people import Visitor, identifier

SITE = "https://www.leads.example"
Call = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Browser:
    """One visitor on one device in one visit: what every call from there has in common."""

    visitor: Visitor
    rng: random.Random
    anonymous_id: str
    user_id: str | None = None
    campaign: tuple[str, str, str] | None = None
    """Source, medium and campaign of the link that was followed."""
    referrer: str = ""

    def known(self, user_id: str) -> Browser:
        """The same browser once its user has signed up or in."""
        return replace(self, user_id=user_id)

    def call(self, kind: str, at: float, path: str, **fields: Any) -> Call:
        """One call of `kind` at `at` (seconds since 1970) from the page `path`."""
        ids: Call = {"anonymousId": self.anonymous_id}
        if self.user_id:
            ids["userId"] = self.user_id
        return _call(kind, at, self.rng) | ids | fields | {"context": self._context(path)}

    def page(self, at: float, path: str) -> Call:
        """A page view."""
        properties = {"path": path, "url": self._url(path), "title": title(path), "referrer": self.referrer}
        return self.call("page", at, path, name=title(path), properties=properties)

    def track(self, at: float, path: str, event: str, **properties: Any) -> Call:
        """Something done on a page."""
        return self.call("track", at, path, event=event, properties=properties)

    def identify(self, at: float, path: str) -> Call:
        """The traits of the visitor, under the ids known by now."""
        return self.call("identify", at, path, traits=self.visitor.traits)

    def _url(self, path: str) -> str:
        if not self.campaign:
            return SITE + path
        source, medium, campaign = self.campaign
        query = {"utm_source": source, "utm_medium": medium} | ({"utm_campaign": campaign} if campaign else {})
        return f"{SITE}{path}?{urlencode(query)}"

    def _context(self, path: str) -> Call:
        visitor = self.visitor
        context: Call = {
            "library": {"name": "analytics.js", "version": "2.11.1"},
            "userAgent": visitor.device.agent,
            "locale": visitor.country.locale,
            "timezone": visitor.country.zone,
            "device": {"type": visitor.device.type},
            "location": {"country": visitor.country.code},
            "page": {"path": path, "url": self._url(path), "title": title(path), "referrer": self.referrer},
        }
        if self.campaign:
            context["campaign"] = dict(zip(("source", "medium", "name"), self.campaign, strict=True))
        return context


def service(rng: random.Random, at: float, event: str, ids: dict[str, str], **properties: Any) -> Call:
    """Something a service of the company reports about a person: a score, a sync, a mail."""
    context = {"library": {"name": "analytics-python", "version": "2.3.3"}}
    return _call("track", at, rng) | ids | {"event": event, "properties": properties, "context": context}


def alias(rng: random.Random, at: float, previous: str, user_id: str) -> Call:
    """States that two ids are one person, as the older sign-up page still does."""
    return _call("alias", at, rng) | {"previousId": previous, "userId": user_id}


def _call(kind: str, at: float, rng: random.Random) -> Call:
    return {"type": kind, "messageId": identifier(rng), "timestamp": stamp(at)}


def stamp(at: float) -> str:
    """An instant as Segment writes it: ISO 8601 with milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def title(path: str) -> str:
    """The title of a page of the site."""
    last = path.rstrip("/").rpartition("/")[2]
    return last.replace("-", " ").title() if last else "Home"
