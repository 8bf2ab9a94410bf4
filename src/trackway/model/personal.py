"""Personal data in texts: what it looks like, how much of it there is, and how to show that without showing it.

E-mail addresses, telephone numbers, payment cards (13 to 19 digits of a known issuer whose check digit is right by
Luhn's algorithm, ISO/IEC 7812-1), addresses of IPv4 and IPv6; and columns whose names say that a name is in them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

EMAIL = re.compile(r"[A-Za-z0-9._%+'-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}")
PHONE = re.compile(
    r"(?<![\w.+-])(?:\+|00)[1-9](?:[ ./()-]{0,2}\d){6,13}(?![\w-]|\.\w)"
    r"|(?<![\w.+-])\(?0?\d{2,4}\)?[ /-]\d{3,4}[ -]\d{3,5}(?![\w-]|\.\w)"
)
CARD = re.compile(
    r"(?<![\w.-])[2-6]\d{3}(?:[ -]?\d{4}){2}[ -]?\d{1,7}(?![\w-]|\.\w)"
    r"|(?<![\w.-])3[47]\d{2}[ -]?\d{6}[ -]?\d{5}(?![\w-]|\.\w)"
)
ADDRESS = re.compile(
    r"(?<![\w.:])(?<![A-Za-z]/)(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})(?![\w:]|\.\w)"
)
OF_PEOPLE = "first|last|given|family|full|middle|sur|user|customer|contact|person"
NAMED = re.compile(
    rf"(?:^|[._ -])(?:(?:{OF_PEOPLE})[ _-]?name|vorname|nachname|prenom|nom|surname|street|"
    r"address(?:[ _-]?line)?[ _-]?\d?|birth(?:day|date)|date[ _-]of[ _-]birth|dob|ssn|iban|passport)$",
    re.IGNORECASE,
)
SHORTEST = 7
"""Digits of a telephone number."""


@dataclass(frozen=True, slots=True)
class Personal:
    """Personal data of one sort in one column."""

    column: str
    sort: str
    """`email phone card ip name`."""
    count: int
    """How many records have some."""
    examples: tuple[str, ...]
    """Masked."""


def found(column: str, values: Mapping[str, int], *, most: int = 2) -> list[Personal]:
    """The personal data of a column whose texts occur so often."""
    made = []
    left = dict(values)
    for sort, finder in FINDERS.items():
        hits = {text: hit for text in left if (hit := finder(text)) is not None}
        if hits:
            count = sum(left[text] for text in hits)
            shown = tuple(dict.fromkeys(masked(sort, hit) for hit in hits.values()))[:most]
            made.append(Personal(column, sort, count, shown))
            left = {text: number for text, number in left.items() if text not in hits}
    camel = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column)
    if NAMED.search(camel) and values and not made:
        shown = tuple(masked("name", text) for text in list(values)[:most])
        made.append(Personal(column, "name", sum(values.values()), shown))
    return made


def email(text: str) -> str | None:
    """The first e-mail address in a text."""
    hit = EMAIL.search(text) if "@" in text else None
    return hit[0] if hit else None


def card(text: str) -> str | None:
    """The first number of a payment card in a text.

    >>> card("paid with 4111 1111 1111 1111"), card("4111 1111 1111 1112")
    ('4111 1111 1111 1111', None)
    """
    return next((hit[0] for hit in CARD.finditer(text) if luhn(hit[0])), None)


def luhn(number: str) -> bool:
    """Whether the check digit of a number is right."""
    digits = [int(one) for one in number if one.isdigit()][::-1]
    doubled = (sum(divmod(2 * one, 10)) for one in digits[1::2])
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and (sum(digits[::2]) + sum(doubled)) % 10 == 0


def phone(text: str) -> str | None:
    """The first telephone number in a text: with its country, or grouped as people group them."""
    hits = (hit[0] for hit in PHONE.finditer(text))
    return next((hit for hit in hits if sum(map(str.isdigit, hit)) >= SHORTEST and not _is_date(hit)), None)


def _is_date(text: str) -> bool:
    return re.match(r"(19|20)\d{2}[-/ ](0\d|1[0-2])", text) is not None


def ip(text: str) -> str | None:
    """The first address of IPv4 or IPv6 in a text."""
    return next((hit[0] for hit in ADDRESS.finditer(text) if _is_address(hit[0])), None)


def _is_address(text: str) -> bool:
    try:
        return not ipaddress.ip_address(text).is_unspecified
    except ValueError:
        return False


FINDERS: dict[str, Callable[[str], str | None]] = {"email": email, "card": card, "ip": ip, "phone": phone}


def masked(sort: str, text: str) -> str:
    """A hint at personal data that does not give it away.

    >>> masked("email", "ann.smith@shop.example"), masked("card", "4111 1111 1111 1111"), masked("ip", "203.0.113.9")
    ('a…@s….example', '…1111', '203.0.…')
    """
    digits = [one for one in text if one.isdigit()]
    if sort == "email":
        name, _, host = text.partition("@")
        return f"{name[:1]}…@{host[:1]}….{host.rpartition('.')[2]}"
    if sort == "card":
        return "…" + "".join(digits[-4:])
    if sort == "phone":
        return ("+" if text.startswith("+") else "") + "".join(digits[:2]) + "…" + "".join(digits[-2:])
    if sort == "ip":
        return ".".join(text.split(".")[:2]) + ".…" if "." in text else ":".join(text.split(":")[:2]) + ":…"
    return text[:1] + "…"


def hidden(text: str, sorts: Iterable[str]) -> str:
    """A text in which personal data of these sorts is masked."""
    for sort in sorts:
        if sort == "name":
            return masked("name", text)
        for _ in range(20):
            hit = FINDERS[sort](text)
            if hit is None or masked(sort, hit) == hit:
                break
            text = text.replace(hit, masked(sort, hit))
    return text
