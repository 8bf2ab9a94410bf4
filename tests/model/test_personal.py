"""Personal data: what is found, what is not taken for it, and that a mask does not give it away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackway.model.personal import FINDERS, card, email, found, hidden, ip, luhn, masked, phone

MAILS = ["ann@shop.example", "write to Ann.Smith+news@mail.shop.example now", "/unsubscribe?email=ann@shop.example&x=1"]
CARDS = ["4111111111111111", "5500 0000 0000 0004", "3400-000000-00009", "card 6011000000000004."]
PHONES = ["+49 30 1234567", "+1 (212) 555-0100", "0049 30 123456", "030 1234 567", "212-555-0100"]
ADDRESSES = ["192.0.2.1", "from 203.0.113.9 to", "2001:db8::1", "http://198.51.100.7/x"]


@pytest.mark.parametrize(("finder", "texts"), [(email, MAILS), (card, CARDS), (phone, PHONES), (ip, ADDRESSES)])
def test_personal_data_is_found(finder, texts):
    assert all(finder(text) for text in texts), [text for text in texts if not finder(text)]


INNOCENT = [
    "2026-11-02 10:00:00", "2026-11-02T10:00:00Z", "4111111111111112", "1234567890123456", "0000000000000000", "1.2.3",
    "10:00:05", "Chrome/131.0.0.0", "user@localhost", "@ann", "order 2026-11-12345", "1730541600", "1730541600000",
    "99.95", "::", "a:b", "dd96595d-c908-9cdb-11aa-0242ac120002", "300.1.2.3", "v4.10.2.1-beta", "1,234,567.89",
    "-122.4194155",
]  # fmt: skip


@pytest.mark.parametrize("text", INNOCENT)
def test_what_only_looks_a_little_like_it_is_not_taken_for_it(text):
    assert {sort: finder(text) for sort, finder in FINDERS.items() if finder(text)} == {}


def test_a_column_of_names_is_known_by_its_name():
    names = ("first_name", "Last Name", "traits.fullName", "customer_name", "Nachname", "birthday")
    assert [found(name, {"x": 2})[0].sort for name in names] == ["name"] * len(names)
    assert [found(name, {"x": 2}) for name in ("name", "event_name", "product_name", "filename", "page.name")] == [
        []
    ] * 5


def test_counts_are_of_records_and_each_text_counts_once():
    (one,) = found("note", {"ann@shop.example": 3, "bob@shop.example or +49 30 1234567": 2, "nothing": 9})
    assert (one.sort, one.count, one.examples) == ("email", 5, ("a…@s….example", "b…@s….example"))


@given(st.integers(0, 10**15 - 1))
def test_exactly_one_check_digit_is_right(number):
    digits = f"4{number:015d}"
    assert sum(luhn(f"{digits[:-1]}{check}") for check in range(10)) == 1


@given(st.text(max_size=80), st.sampled_from([*MAILS, *CARDS, *PHONES, *ADDRESSES]))
def test_a_masked_text_does_not_hold_what_was_found(text, secret):
    whole = f"{text} {secret}"
    clear = hidden(whole, FINDERS)
    for sort, finder in FINDERS.items():
        hit = finder(secret)
        if hit is not None and masked(sort, hit) != hit:
            assert hit not in clear or finder(whole) is None


@given(st.text(max_size=200))
def test_no_text_is_too_strange(text):
    found("x", {text: 1})
