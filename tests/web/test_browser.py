"""The pages in a real browser: nothing is blocked or missing, and what people do works."""

import pytest
from browser import CHROMIUM, Browser

import shop

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

ADDRESSES = [
    "/ask/trend?measure=actors&every=1d", "/ask/funnel", "/ask/paths?steps=3", "/ask/lifecycle?every=1d",
    "/ask/experiment", "/events", "/ledger", "/refused", "/trace/e2", "/inspect",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture
def page(browser, client):
    """Goes to a path of the workspace at a size; the browser afterwards."""

    def go(path, width=1400, height=1000, *, dark=False):
        browser.resize(width, height, dark=dark)
        browser.go(str(client.base_url).rstrip("/") + path)
        return browser

    return go


@pytest.mark.parametrize("path", ADDRESSES)
def test_nothing_is_blocked_or_missing_and_nothing_sticks_out_on_a_phone(page, path):
    assert page(path).said == []
    assert page(path, 390, 844, dark=True).said == []
    assert page(path, 390, 844).run("document.documentElement.scrollWidth <= innerWidth")


def test_steps_are_built_from_what_is_typed_and_the_answer_has_an_address(page):
    browser = page("/ask/funnel")
    browser.type("[data-step]:nth-child(1) [name=step]", "path = '/")
    browser.until("[...document.querySelectorAll('.offers li span')].some((s) => s.textContent === '/pricing')")
    browser.press("ArrowDown")
    browser.press("Enter")
    assert browser.run("document.querySelector('[name=step]').value") == "path = '/'"
    browser.run("document.querySelector('[data-event=\"Signed Up\"]').click()")
    assert browser.run("document.querySelectorAll('[name=step]')[1].value") == "event = 'Signed Up'"
    browser.run("document.querySelector('.go').click()")
    browser.until("document.querySelector('.numbers') !== null")
    assert "step=path" in browser.run("location.search")
    assert browser.run("document.querySelector('.numbers dd').textContent") == "66.7 %"


def test_steps_are_added_moved_and_removed(page):
    browser = page("/ask/funnel?name=A&step=path%20%3D%20%27/%27&name=B&step=event%20%3D%20%27Signed%20Up%27")
    steps = "[...document.querySelectorAll('[data-step] [name=name]')].map((i) => i.value).join()"
    browser.run("document.querySelector('[data-add]').click()")
    assert browser.run(steps) == "A,B,"
    browser.run("document.querySelectorAll('[data-up]')[1].click()")
    assert browser.run(steps) == "B,A,"
    browser.run("document.querySelectorAll('[data-remove]')[2].click()")
    browser.run("document.querySelectorAll('[data-remove]')[0].click()")
    assert browser.run(steps) == "A"


def test_a_wrong_condition_is_told_beside_its_field_while_typing(page):
    browser = page("/ask/trend")
    browser.type("[name=where]", "contry = 'DE'")
    browser.until("document.querySelector('.wrong').textContent.includes(\"did you mean 'country'?\")")
    assert browser.run("document.querySelector('[name=where]').classList.contains('invalid')")


def test_the_pointer_and_the_arrow_keys_show_the_numbers_of_an_interval(page):
    browser = page("/ask/trend?measure=actors&every=1d&from=2026-11-02&to=2026-11-05")
    box = browser.run(
        "(() => { const b = document.querySelectorAll('.chart.wide .slot')[1].getBoundingClientRect();"
        " return [b.left + b.width / 2, b.top + b.height / 2]; })()"
    )
    browser.move(*box)
    browser.until("!document.querySelector('.tip').hidden")
    assert browser.run("document.querySelector('.tip').textContent") == "3 Nov 2026value2"
    browser.run("document.querySelector('.chart.wide').focus()")
    browser.press("ArrowRight")
    browser.until("document.querySelector('.tip').textContent === '4 Nov 2026value1'")


def test_the_theme_is_changed_and_remembered(page):
    browser = page("/ledger")
    light = browser.run("getComputedStyle(document.body).backgroundColor")
    browser.run("document.querySelector('[data-theme-toggle]').click()")
    assert browser.run("getComputedStyle(document.body).backgroundColor") != light
    assert page("/events").run("document.documentElement.dataset.theme") == "dark"
    browser.run("document.querySelector('[data-theme-toggle]').click()")


def test_on_a_phone_the_answer_comes_first_and_the_question_is_a_touch_away(page):
    browser = page("/ask/trend?measure=actors&every=1d", 390, 844)
    assert browser.run("getComputedStyle(document.querySelector('.chart.narrow')).display") == "block"
    assert browser.run("getComputedStyle(document.querySelector('.chart.wide')).display") == "none"
    assert browser.run("document.querySelector('.go').offsetParent") is None
    browser.run("document.querySelector('.change').click()")
    assert browser.run("document.querySelector('.go').getBoundingClientRect().height > 0")


def test_the_empty_page_turns_into_the_first_chart_when_an_event_comes(browser, tmp_path):
    root = shop.write_config(tmp_path / "empty")
    with shop.served(root) as client:
        browser.resize(1400, 1000)
        browser.go(f"{client.base_url}")
        assert "No events yet" in browser.run("document.body.innerText")
        shop.fill(root)
        browser.until("location.pathname === '/ask/trend' && document.querySelector('.numbers') !== null")


CHOOSE = """(() => {
  const rows = Array.from({length: %d}, (_, i) => `c-${i %% 9},lead,2025-11-0${1 + i %% 9} 10:00:00`);
  const files = new DataTransfer();
  files.items.add(new File([["Contact ID,Stage,Changed At", ...rows, ""].join("\\n")], "crm.csv"));
  const input = document.querySelector("[data-file]");
  input.files = files.files;
  input.dispatchEvent(new Event("change"));
})()"""


@pytest.mark.parametrize(("rows", "said"), [(30, "30"), (200_000, "≈ ")])
def test_a_file_that_is_chosen_is_looked_at_a_large_one_in_pieces(page, rows, said):
    browser = page("/inspect")
    browser.run(CHOOSE % rows)
    browser.until("document.querySelector('h1').textContent === 'crm.csv'")
    assert browser.run("document.querySelectorAll('.numbers dd')[2].textContent").startswith(said)
    assert browser.run("document.querySelector('.code code').textContent").startswith("[sources.crm]")
    assert browser.run("[...document.querySelectorAll('.tag')].map((tag) => tag.textContent).join()") == "who,when"
    assert browser.said == []
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")
