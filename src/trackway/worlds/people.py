"""Who visits the simulated company: where they come from, with what in their hands, and how willing they are.

Shares and rates are made up, but shaped like those of a small software company: paid traffic signs up
and leaves, partners send few who stay, phones read and desktops buy. A question broken down by channel,
country or device therefore has something to find.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar


@dataclass(frozen=True, slots=True)
class Channel:
    """A way visitors arrive. `signs_up` and `stays` multiply the chances of the company as a whole."""

    name: str
    share: float
    medium: str
    source: str
    campaign: str
    referrer: str
    landing: tuple[str, ...]
    signs_up: float
    stays: float


@dataclass(frozen=True, slots=True)
class Country:
    """Where a visitor sits; `offset` is the hours of its clock ahead of UTC."""

    code: str
    share: float
    offset: int
    zone: str
    locale: str
    signs_up: float


@dataclass(frozen=True, slots=True)
class Device:
    """What a visitor holds."""

    type: str
    share: float
    agent: str
    signs_up: float


CHANNELS = (
    Channel("organic", 0.34, "organic", "google", "", "https://www.google.com/", ("/", "/blog/clean-events",
            "/blog/utm-guide", "/docs", "/pricing"), 1.0, 1.0),
    Channel("paid", 0.22, "cpc", "google", "spring-trial", "https://www.google.com/", ("/trial", "/pricing"),
            1.3, 0.55),
    Channel("social", 0.16, "social", "linkedin", "stories", "https://www.linkedin.com/", ("/blog/clean-events", "/"),
            0.45, 0.6),
    Channel("direct", 0.14, "", "", "", "", ("/", "/pricing", "/docs"), 1.5, 1.25),
    Channel("partner", 0.08, "referral", "agency-network", "partners", "https://partners.example/", ("/trial", "/demo"),
            1.9, 1.5),
    Channel("newsletter", 0.06, "email", "newsletter", "weekly", "", ("/blog/utm-guide", "/trial"), 1.4, 1.1),
)  # fmt: skip

COUNTRIES = (
    Country("US", 0.33, -5, "America/New_York", "en-US", 1.0),
    Country("DE", 0.18, 1, "Europe/Berlin", "de-DE", 1.25),
    Country("GB", 0.13, 0, "Europe/London", "en-GB", 1.05),
    Country("FR", 0.10, 1, "Europe/Paris", "fr-FR", 0.8),
    Country("IN", 0.12, 5, "Asia/Kolkata", "en-IN", 0.55),
    Country("BR", 0.08, -3, "America/Sao_Paulo", "pt-BR", 0.6),
    Country("JP", 0.06, 9, "Asia/Tokyo", "ja-JP", 0.75),
)

DEVICES = (
    Device("desktop", 0.40, "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
           "Chrome/131.0.0.0 Safari/537.36", 1.35),
    Device("desktop", 0.19, "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
           "Version/18.1 Safari/605.1.15", 1.3),
    Device("desktop", 0.06, "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", 1.1),
    Device("mobile", 0.19, "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 "
           "(KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1", 0.5),
    Device("mobile", 0.13, "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) "
           "Chrome/131.0.0.0 Mobile Safari/537.36", 0.4),
    Device("tablet", 0.03, "Mozilla/5.0 (iPad; CPU OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
           "Version/17.6 Mobile/15E148 Safari/604.1", 0.7),
)  # fmt: skip

Drawn = TypeVar("Drawn", Channel, Country, Device)

SIZES = ((5, 0.42), (20, 0.27), (80, 0.17), (250, 0.09), (1_200, 0.05))
"""Employees of a visitor's company, and how often."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """One visitor, as drawn; what it does is `worlds.story`."""

    number: int
    anonymous_id: str
    channel: Channel
    country: Country
    device: Device
    company_size: int

    @property
    def user_id(self) -> str:
        """The id it gets when it signs up."""
        return f"user-{self.number:06d}"

    @property
    def traits(self) -> dict[str, object]:
        """What it says about itself in a form."""
        company = f"company-{self.number % 4_096:04d}"
        return {
            "email": f"{self.user_id}@{company}.example",
            "company": company,
            "company_size": self.company_size,
            "country": self.country.code,
            "channel": self.channel.name,
        }


def visitor(rng: random.Random, number: int) -> Visitor:
    """A visitor drawn by the shares above."""
    return Visitor(
        number=number,
        anonymous_id=identifier(rng),
        channel=pick(rng, CHANNELS),
        country=pick(rng, COUNTRIES),
        device=pick(rng, DEVICES),
        company_size=rng.choices([size for size, _ in SIZES], [share for _, share in SIZES])[0],
    )


def pick(rng: random.Random, among: Sequence[Drawn]) -> Drawn:
    """One of them, by share."""
    return rng.choices(among, [one.share for one in among])[0]


def identifier(rng: random.Random) -> str:
    """An id in the form of a UUID."""
    text = f"{rng.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"
