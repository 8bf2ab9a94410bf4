"""`trackway contracts` as people and builds use it."""

from __future__ import annotations

import json

import pytest

import shop

FILE = """
[sources.web]
type = "http"

# a comment that stays
[contracts.sign_ups]
event    = "Signed Up"
required = ["plan"]
[contracts.sign_ups.properties]
plan  = { kind = "string", values = ["free", "pro"], description = "What they chose.", tags = ["billing"] }
seats = "integer"
"""


@pytest.fixture
def shop_dir(tmp_path):
    (tmp_path / "trackway.toml").write_text(FILE)
    return tmp_path


def change(folder, before, after):
    path = folder / "trackway.toml"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def test_a_contract_from_its_first_version_to_a_refused_one(trackway, shop_dir):
    assert trackway("-C", shop_dir, "contracts", "publish")[1].startswith("sign_ups 1.0.0 published  sha256:")
    assert "is published already" in trackway("-C", shop_dir, "contracts", "publish")[1]
    change(shop_dir, 'seats = "integer"', 'seats = "number"')
    code, out, _ = trackway("-C", shop_dir, "contracts", "diff", "sign_ups")
    assert code == 0
    assert "major  seats integer is number now" in out
    assert "backward: the new reads the events of the old; a major version, from 1.0.0 to 2.0.0" in out
    change(shop_dir, 'event    = "Signed Up"', 'event    = "Signed Up"\nversion  = "1.1.0"')
    code, out, _ = trackway("-C", shop_dir, "contracts", "check")
    assert code == 1
    assert "1.0.0 to 1.1.0 is a minor bump, and the change is major" in out
    code, _, err = trackway("-C", shop_dir, "contracts", "publish")
    assert code == 2
    assert "Hint: make it 2.0.0: seats integer is number now" in err
    change(shop_dir, "1.1.0", "2.0.0")
    assert trackway("-C", shop_dir, "contracts", "check")[0] == 0
    assert "2.0.0 published" in trackway("-C", shop_dir, "contracts", "publish")[1]
    code, out, _ = trackway("-C", shop_dir, "contracts", "diff", "sign_ups@1.0.0", "sign_ups@2.0.0", "--json")
    assert json.loads(out)["bump"] == "major"
    found = json.loads(trackway("-C", shop_dir, "contracts", "list", "--json")[1])["contracts"]
    assert [(one["published"], one["state"], one["next"]) for one in found] == [("2.0.0", "as published", None)]


def test_a_build_checks_against_a_folder_a_workspace_and_a_server(trackway, shop_dir, tmp_path_factory):
    kept = tmp_path_factory.mktemp("kept")
    trackway("-C", shop_dir, "contracts", "publish")
    trackway("-C", shop_dir, "contracts", "publish", "--to", kept)
    other = tmp_path_factory.mktemp("other")
    (other / "trackway.toml").write_text(FILE)
    with shop.served(shop_dir) as client:
        places = (kept, shop_dir, client.base_url, f"{client.base_url}/contracts/")
        for wanted, code in (('seats = "integer"', 0), ('seats = "boolean"', 0)):
            change(other, 'seats = "integer"', wanted)
            for place in places:
                assert trackway("-C", other, "contracts", "check", "--against", place)[0] == code
        change(other, 'event    = "Signed Up"', 'event    = "Signed Up"\nversion  = "1.1.0"')
        for place in places:
            code, out, _ = trackway("-C", other, "contracts", "check", "--against", place, "--json")
            assert (code, json.loads(out)["contracts"][0]["hint"]) == (1, "make it 2.0.0: seats integer is boolean now")
    code, _, err = trackway("-C", other, "contracts", "check", "--against", "http://127.0.0.1:9")
    assert code == 2
    assert "cannot reach" in err


@pytest.mark.parametrize("form", ["json_schema", "avro", "iglu"])
def test_what_is_exported_can_be_imported_and_is_the_same(trackway, shop_dir, form):
    code, out, _ = trackway("-C", shop_dir, "contracts", "export", "sign_ups", "--as", form, "--vendor", "com.acme")
    assert code == 0
    (shop_dir / "sign_ups.json").write_text(out)
    code, out, err = trackway(
        "-C", shop_dir, "contracts", "import", shop_dir / "sign_ups.json", "--name", "again", "--apply"
    )
    assert (code, err) == (0, "")
    text = (shop_dir / "trackway.toml").read_text()
    assert text.startswith(FILE.rstrip("\n"))
    assert text.endswith(out)
    shown = [
        json.loads(trackway("-C", shop_dir, "contracts", "show", name, "--json")[1]) for name in ("sign_ups", "again")
    ]
    assert shown[0]["hash"] == shown[1]["hash"]
    code, _, err = trackway(
        "-C", shop_dir, "contracts", "import", shop_dir / "sign_ups.json", "--name", "again", "--apply"
    )
    assert code == 2
    assert "--name chooses another" in err


def test_what_an_import_cannot_keep_is_said(trackway, shop_dir):
    schema = {"type": "object", "properties": {"mail": {"type": "string", "pattern": "@"}}}
    (shop_dir / "lead.json").write_text(json.dumps(schema))
    code, out, err = trackway("-C", shop_dir, "contracts", "import", shop_dir / "lead.json")
    assert (code, err) == (0, "# mail: not kept: pattern\n")
    assert out == '[contracts.lead]\nevent = "lead"\n\n[contracts.lead.properties]\nmail = "string"\n'


@pytest.mark.parametrize(
    ("language", "part"), [("python", "SignUps = TypedDict("), ("typescript", "export interface SignUps {")]
)
def test_stubs_are_printed(trackway, shop_dir, language, part):
    code, out, _ = trackway("-C", shop_dir, "contracts", "stubs", "--language", language)
    assert (code, part in out) == (0, True)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["show", "sign_up"], "did you mean 'sign_ups'?"),
        (["show", "sign_ups@1.0.0"], "no contract 'sign_ups' is published"),
        (["diff", "sign_ups"], "no contract 'sign_ups' is published"),
        (["export", "sign_ups", "--as", "xml"], "no form 'xml'"),
        (["stubs", "--language", "cobol"], "no language 'cobol'"),
        (["check", "--against", "nowhere"], "no folder nowhere"),
        (["import", "nowhere.json"], "cannot read nowhere.json"),
    ],
)
def test_a_mistake_is_a_sentence(trackway, shop_dir, words, complaint):
    code, _, err = trackway("-C", shop_dir, "contracts", *words)
    assert code == 2
    assert complaint in err


def test_people_see_what_a_contract_promises(trackway, shop_dir):
    trackway("-C", shop_dir, "contracts", "publish")
    _, out, _ = trackway("-C", shop_dir, "contracts", "show", "sign_ups@latest")
    assert "free, pro · What they chose. · #billing" in out
    assert "published: 1.0.0" in out
    assert "as published" in trackway("-C", shop_dir, "contracts", "list")[1]
