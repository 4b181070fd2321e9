"""The pages: what they promise is what the token would allow, and nothing in them is code."""

import pytest

from holdfast_core import labels as L
from holdfast_server.records import ResourceServer
from holdfast_server.web.pages import Pages, choices_of, form_target, origin, words_of_duration

EKG = ResourceServer(
    "ekg",
    ("ekg_device_ABC",),
    {
        "read_ekg": (("/ekg", L.METHOD_GET | L.METHOD_FETCH),),
        "care": (("/ekg", L.METHOD_GET), ("/alarm", L.METHOD_PUT | L.METHOD_DELETE)),
    },
)
HOSTILE = '"><script>alert(1)</script>{{ 7*7 }}'


def test_a_scope_is_told_in_the_words_of_what_it_allows() -> None:
    choices = choices_of(["read_ekg", "care"], [EKG])
    assert [(choice.name, choice.lines) for choice in choices] == [
        ("read_ekg", ("read /ekg",)),
        ("care", ("read /ekg", "change and delete /alarm")),
    ]


def test_a_group_says_what_all_its_members_allow_once() -> None:
    other = ResourceServer("other", ("group",), {"read_ekg": (("/ekg", L.METHOD_GET), ("/more", L.METHOD_POST))})
    assert choices_of(["read_ekg"], [EKG, other])[0].lines == ("read /ekg", "use /more")


@pytest.mark.parametrize(
    ("duration_s", "words"),
    [(1, "1 second"), (90, "90 seconds"), (600, "10 minutes"), (3600, "1 hour"), (86400, "1 day"), (0, "0 seconds")],
)
def test_a_duration_is_told_exactly(duration_s: int, words: str) -> None:
    assert words_of_duration(duration_s) == words


def test_the_origin_of_a_redirect_is_what_a_person_can_check() -> None:
    assert origin("https://app.example:8443/cb?x=1") == "https://app.example:8443"
    assert origin("https://bank.example@evil.example/cb") == "https://evil.example"
    assert origin("org.example.app:/cb") == "org.example.app:"


@pytest.mark.parametrize(
    ("uri", "source"),
    [
        ("https://app.example:8443/cb", "https://app.example:8443"),
        ("http://127.0.0.1:8765/callback", "http://127.0.0.1:8765"),
        ("http://[::1]:8765/callback", "http:"),
        ("https://a;script-src *", "https:"),
        ("org.example.app:/cb", "org.example.app:"),
    ],
)
def test_the_policy_lets_the_form_end_at_the_redirect_and_gains_no_directive(uri: str, source: str) -> None:
    assert form_target(uri) == source


def hostile_consent() -> str:
    pages = Pages("https://as.example", HOSTILE)
    return pages.consent(
        client_name=HOSTILE,
        audience=HOSTILE,
        scopes=choices_of(["read_ekg"], [EKG]),
        withheld=[HOSTILE],
        lifetime_s=3600,
        user_id=HOSTILE,
        redirect_uri="https://app.example/cb",
        request=HOSTILE,
        form_token="t",
        logout_token="l",
    )


def test_nothing_that_a_page_shows_becomes_markup_or_template() -> None:
    page = hostile_consent()
    assert "<script" not in page
    assert "49" not in page
    assert page.count("&lt;script&gt;alert(1)") == page.count("alert(1)") > 5


def test_the_consent_page_says_who_what_how_long_and_where() -> None:
    page = hostile_consent()
    for told in ("read_ekg", "read /ekg", "1 hour", "https://app.example", "https://as.example", "Do not allow"):
        assert told in page, told
