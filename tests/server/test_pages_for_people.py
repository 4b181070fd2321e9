"""What a person can see and read: edges with enough contrast, names instead of ids, a page where there was none."""

import dataclasses
import re
from importlib import resources

import pytest

from holdfast_server.records import ResourceServer
from holdfast_server.web.pages import choices_of, name_of_audience
from testkit.authz import DOCTOR_APP, EKG, NOW_S, change_client, change_rs
from testkit.web import opened_web

STYLE = (resources.files("holdfast_server.web") / "static/style.css").read_text()
THEMES = [dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{[^}]*\}", STYLE)]


def luminance(color):
    """WCAG 2.2, relative luminance."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_measure_is_that_of_wcag():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", THEMES, ids=["light", "dark"])
def test_what_is_typed_into_and_pressed_has_an_edge_of_3_to_1(theme):
    """WCAG 2.2, 1.4.11."""
    assert contrast(theme["edge"], theme["paper"]) >= 3
    assert contrast(theme["edge"], theme["ground"]) >= 3
    for rule in ("input[type=text], input[type=password]", "button"):
        (found,) = re.findall(re.escape(rule) + r" \{[^}]*border: 1px solid var\(--([a-z]+)\)", STYLE)
        assert found == "edge"


@pytest.mark.parametrize("theme", THEMES, ids=["light", "dark"])
def test_text_has_a_contrast_of_4_5_to_1(theme):
    """WCAG 2.2, 1.4.3."""
    for ink in ("ink", "soft", "accent", "bad"):
        assert contrast(theme[ink], theme["paper"]) >= 4.5, ink
    assert contrast(theme["accent-ink"], theme["accent"]) >= 4.5


@pytest.fixture
def web(tmp_path):
    with opened_web(tmp_path) as made:
        yield made


def test_the_address_of_the_server_is_a_page(web):
    page = web.browser().get("/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert 'href="/admin"' in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert web.browser().send("GET", "/", headers={"accept": "*/*"}).status_code == 200
    assert web.browser().get("/nothing").status_code == 404


def test_consent_names_app_device_and_scopes_as_people_do(web):
    before = web.browser().consent_page().text
    assert DOCTOR_APP in before
    assert EKG in before
    change_client(web.story, DOCTOR_APP, title="Doctor's <app>")
    change_rs(web.story, EKG, title="ECG machine, ward 7", scope_titles={"read_ekg": "See the heart's curve"})
    browser = web.browser()
    login = browser.authorize().text
    page = browser.consent_page().text
    for text in (login, page):
        assert "Doctor&#39;s &lt;app&gt;" in text
        assert "ECG machine, ward 7" in text
    assert "See the heart&#39;s curve" in page
    assert 'value="read_ekg"' in page
    assert "read /ekg" in page  # and what the device would allow, whatever the title says


def test_a_group_is_called_by_its_audience():
    one = ResourceServer("a", ("group",), {"s": (("/s", 1),)}, title="A", scope_titles={"s": "S"})
    other = dataclasses.replace(one, rs_id="b", title="B", scope_titles={})
    assert name_of_audience("group", [one, other]) == "group"
    assert name_of_audience("group", [one]) == "A"
    assert name_of_audience("group", [dataclasses.replace(one, title="")]) == "group"
    assert [choice.title for choice in choices_of(["s"], [other, one])] == ["S"]
    assert [choice.title for choice in choices_of(["s"], [other])] == ["s"]


def test_the_words_of_the_audit_are_those_of_people(web):
    web.story.registry.replace_password("doctor", "$argon2id$x", NOW_S)
    events = {row.event for row in web.story.store.audit_rows(1000)}
    assert {"user-added", "password-replaced"} <= events
    assert "user-put" not in events
