"""Options that are tables are rows of fields in a form, and JSON in an address."""

from urllib.parse import parse_qsl

from trackway.web.builder import form
from trackway.web.nested import gathered

HTML = {"accept": "text/html"}
METRICS = '{"name": "Ordered", "when": "event = \'Signed Up\'", "guardrail": true}'


def rows(type_, name, items):
    found = form(type_, items)
    fields = [one for line in found["rows"] for one in line] + found["more"]
    (field,) = (one for one in fields if one.name == name)
    assert field.kind == "rows"
    return [{one.name: one.value for one in row if one.value} for row in field.value]


def test_a_table_is_a_row_of_fields_and_an_empty_row_waits_below_it():
    assert rows("experiment", "metrics", [("metrics", METRICS)]) == [
        {"metrics.0.name": "Ordered", "metrics.0.when": "event = 'Signed Up'", "metrics.0.guardrail": "true"}, {},
    ]  # fmt: skip


def test_what_rows_say_is_gathered_as_json_and_empty_rows_are_none():
    items = [
        ("every", "1d"), ("metrics.0.name", "Ordered"), ("metrics.0.when", "event = 'Signed Up'"),
        ("metrics.0.guardrail", "true"), ("metrics.1.name", ""), ("metrics.1.when", " "),
    ]  # fmt: skip
    assert gathered("experiment", items) == [("every", "1d"), ("metrics", METRICS)]


def test_names_of_a_pattern_are_rows_of_two_fields():
    let = '{"V": "path = \'/\'", "S": "event = \'Signed Up\'"}'
    filled = rows("patterns", "let", [("let", let)])
    assert filled[0] == {"let.0.key": "V", "let.0.value": "path = '/'"}
    assert len(filled) == 3
    pairs = [(key, value) for row in filled for key, value in row.items()]
    assert gathered("patterns", pairs) == [("let", let)]


def test_what_is_no_json_stays_as_it_was_written():
    found = form("funnel", [("exclude", "{not json")])
    (field,) = (one for one in found["more"] if one.name == "exclude")
    assert (field.kind, field.value) == ("tables", ["{not json"])


def test_a_form_with_rows_leads_to_the_address_of_the_question(client):
    asked = {"step": "path = '/'", "exclude.0.when": "event = 'Ping'", "exclude.0.after": "1", "within": "1d"}
    answer = client.get("/ask/funnel", params=asked, headers=HTML)
    assert answer.status_code == 303
    path, _, query = answer.headers["location"].partition("?")
    assert (path, dict(parse_qsl(query))) == (
        "/ask/funnel",
        {"step": "path = '/'", "within": "1d", "exclude": '{"when": "event = \'Ping\'", "after": 1}'},
    )
    again = client.get(answer.headers["location"], headers=HTML, timeout=60)
    assert 'name="exclude.1.when"' in again.text


def test_a_second_column_to_split_by_always_has_a_field(client):
    page = client.get("/ask/trend?by=country&every=1d", headers=HTML).text
    form, _, _ = page.partition('class="explain"')
    assert form.count('name="by"') == 2
