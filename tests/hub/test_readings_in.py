"""What devices may leave, whose it is, where it goes; and what no name and no rule can bring into a topic."""

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_message import Message, request
from holdfast_hub.readings.intake import MAX_READING_LEN, Intake
from holdfast_hub.readings.publication import Health, publication_of
from holdfast_hub.readings.reading import parcel_of, reading_of
from holdfast_hub.readings.routes import BadRule, Rule, Sensor, check_topic, routes_of
from holdfast_hub.readings.rules import rules_of
from holdfast_hub.records import OUT, Asked, Device, Now, Parcel
from testkit.fake_spool import FakeSpool

TUBE, OTHER = Device("tube-1", "line"), Device("tube-2", "line")
RULES = [
    Rule("*", "level", "ward/{device}/{resource}"),
    Rule("tube-1", "alarm", "ward/alarm", event=True, retain=True, keep_s=60),
]
AT = {"10.0.0.1": TUBE, "10.0.0.2": OTHER}
NOW = Now(5000, 1_800_000_000)


class Desk:
    """An Intake whose spool is moved by hand. said: what was answered."""

    def __init__(self):
        self.said, self.news = [], []
        self.spool = FakeSpool()
        routes = routes_of(RULES, ["tube-1", "tube-2"])
        self.intake = Intake(
            self, self.spool, routes, lambda client: AT.get(client[0]), lambda: self.news.append(1), lambda: 6000
        )

    def respond(self, asked, message, now_ms):
        self.said.append((asked.client, message))

    def leave(self, message, host="10.0.0.1", device=None):
        """Returns whether the desk serves it, and what it has answered when the spool has done its work."""
        self.said = []
        served = self.intake.serve(Asked(1, (host, 5683), message, device), NOW)
        self.spool.run()
        return served, [answer for _, answer in self.said]

    def code(self, message, host="10.0.0.1"):
        served, (answer,) = self.leave(message, host)
        assert served
        return answer.code

    @property
    def bodies(self):
        return [self.spool.rows[(OUT, id_)]["parcel"].body for id_ in self.spool.ids(OUT)]


@pytest.fixture
def desk():
    return Desk()


def reading(resource="level", id_="7", payload=b"42", method=L.CODE_POST):
    message = request(method, f"/readings/{resource}", payload)
    return message if id_ is None else message.add(L.OPT_URI_QUERY, f"id={id_}")


def test_a_reading_is_answered_after_it_is_kept_and_not_before(desk):
    desk.intake.serve(Asked(1, ("10.0.0.1", 5683), reading(), None), NOW)
    assert desk.said == []
    desk.spool.step()  # written
    assert desk.said == []
    desk.spool.step()  # told
    ((_, answer),) = desk.said
    assert answer.code == L.CODE_CHANGED
    assert desk.news == [1]
    assert desk.bodies == [b"42"]


def test_a_repeat_is_one_reading_and_an_id_is_the_resources_own(desk):
    for _ in range(3):
        assert desk.code(reading()) == L.CODE_CHANGED
    assert desk.news == [1]
    desk.leave(reading(payload=b"other"))
    assert desk.bodies == [b"42"]
    desk.leave(reading(id_="8"))
    desk.leave(reading(resource="alarm"))
    desk.leave(reading(), host="10.0.0.2")
    assert len(desk.bodies) == 4


def test_a_repeat_after_the_hub_was_killed_is_one_reading(desk):
    desk.intake.serve(Asked(1, ("10.0.0.1", 5683), reading(), None), NOW)
    desk.spool.step()  # written, and the hub is killed before it answers
    again = Desk()
    again.spool = desk.spool.kill()
    again.intake._spool = again.spool
    assert again.code(reading()) == L.CODE_CHANGED
    assert again.bodies == [b"42"]


def test_a_reading_is_the_devices_whose_address_it_came_from_whatever_it_says(desk):
    message = reading(payload=b'{"device":"tube-1"}').add(L.OPT_URI_HOST, "tube-1")
    assert desk.code(message, host="10.0.0.2") == L.CODE_CHANGED
    (id_,) = desk.spool.ids(OUT)
    assert reading_of(desk.spool.rows[(OUT, id_)]["parcel"]).device == "tube-2"
    assert desk.code(reading(), host="10.0.0.9") == L.CODE_FORBIDDEN


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (reading(method=L.CODE_GET), L.CODE_METHOD_NOT_ALLOWED),
        (reading(method=L.CODE_PUT), L.CODE_METHOD_NOT_ALLOWED),
        (reading("nothing"), L.CODE_NOT_FOUND),
        (reading("level/more"), L.CODE_NOT_FOUND),
        (request(L.CODE_POST, "/readings"), L.CODE_NOT_FOUND),
        (reading("le\u0301vel"), L.CODE_NOT_FOUND),
        (reading("#"), L.CODE_NOT_FOUND),
        (reading("+"), L.CODE_NOT_FOUND),
        (reading("a%2Fb"), L.CODE_NOT_FOUND),
        (request(L.CODE_POST, "/readings").add(L.OPT_URI_PATH, b"\xff\x00"), L.CODE_NOT_FOUND),
        (reading(id_=None), L.CODE_BAD_REQUEST),
        (reading(id_=""), L.CODE_BAD_REQUEST),
        (reading(id_="x" * 33), L.CODE_BAD_REQUEST),
        (reading(id_="a/b"), L.CODE_BAD_REQUEST),
        (reading(id_="a\0b"), L.CODE_BAD_REQUEST),
        (reading().add(L.OPT_URI_QUERY, "id=8"), L.CODE_BAD_REQUEST),
        (reading(payload=b"x" * (MAX_READING_LEN + 1)), L.CODE_REQUEST_ENTITY_TOO_LARGE),
        (reading().add(L.OPT_BLOCK1, 0x0E), L.CODE_REQUEST_ENTITY_TOO_LARGE),
        (reading().add(L.OPT_BLOCK1, 0x16), L.CODE_REQUEST_ENTITY_TOO_LARGE),
        (reading().add(L.OPT_OSCORE, b""), L.CODE_BAD_OPTION),
        (reading().add(L.OPT_IF_NONE_MATCH), L.CODE_BAD_OPTION),
        (reading().add(65001, b""), L.CODE_BAD_OPTION),
    ],
)
def test_what_is_no_reading_is_refused_with_its_code_and_keeps_nothing(desk, message, code):
    served, (answer,) = desk.leave(message)
    assert served
    assert answer.code == code
    assert answer.payload == b""
    assert desk.bodies == []
    if code == L.CODE_REQUEST_ENTITY_TOO_LARGE:
        assert answer.uint(L.OPT_SIZE1) == MAX_READING_LEN


def test_what_may_be_a_reading_is_taken(desk):
    for number, message in enumerate(
        (
            reading(id_="a", payload=b""),
            reading(id_="b", payload=b"x" * MAX_READING_LEN),
            reading(id_="c").add(L.OPT_BLOCK1, 0x06),
            reading(id_="d").add(L.OPT_CONTENT_FORMAT, L.CF_COSE_ENCRYPT0),
            reading(id_="e").add(65000, b"elective"),
        )
    ):
        assert desk.code(message) == L.CODE_CHANGED
        assert len(desk.bodies) == number + 1


def test_other_requests_are_other_desks(desk):
    assert desk.leave(request(L.CODE_POST, "/reading/level")) == (False, [])
    assert desk.leave(Message(L.CODE_POST)) == (False, [])
    assert desk.leave(reading(), device=TUBE) == (False, [])


def test_a_full_or_broken_disk_is_said_and_the_device_may_come_again(desk):
    desk.spool.room = 1
    assert desk.code(reading(id_="1")) == L.CODE_CHANGED
    _, (answer,) = desk.leave(reading(id_="2"))
    assert (answer.code, answer.uint(L.OPT_MAX_AGE)) == (L.CODE_SERVICE_UNAVAILABLE, 60)
    desk.spool.room, desk.spool.broken = None, True
    _, (answer,) = desk.leave(reading(id_="2"))
    assert (answer.code, answer.uint(L.OPT_MAX_AGE)) == (L.CODE_SERVICE_UNAVAILABLE, 10)
    desk.spool.broken = False
    assert desk.code(reading(id_="2")) == L.CODE_CHANGED
    assert desk.news == [1, 1]


def test_events_go_first_and_what_is_old_is_over():
    routes = routes_of(RULES, ["tube-1", "tube-2"])
    event = parcel_of(routes[("tube-1", "alarm")], b"1", b"!", L.CF_JSON, NOW)
    level = parcel_of(routes[("tube-1", "level")], b"1", b"2", None, NOW)
    assert event.priority < level.priority
    assert (event.ends_s, event.lives_ms) == (NOW.wall_s + 60, 60_000)
    assert (level.ends_s, level.lives_ms) == (None, None)
    unsure = parcel_of(routes[("tube-1", "alarm")], b"1", b"!", None, Now(1, None))
    assert (unsure.ends_s, unsure.lives_ms) == (None, 60_000)
    said = publication_of(routes[("tube-1", "alarm")], reading_of(event), event)
    assert (said.topic, said.retain, said.expires_s, said.content_type) == ("ward/alarm", True, 60, "application/json")
    assert "taken" not in dict(publication_of(routes[("tube-1", "alarm")], reading_of(unsure), unsure).properties)


@pytest.mark.parametrize("about", [b"", b"\xff", b"\x80", b"\x84\x01\x61a\xf6\xf6", b"\x83\x61a\x61b\xf6", b"\xa0"])
def test_a_parcel_that_says_rubbish_of_itself_is_none_of_ours(about):
    assert reading_of(Parcel(OUT, b"1", "reading", b"", about=about)) is None


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        "#",
        "a/#",
        "+",
        "a/+/b",
        "$SYS/a",
        "$share/g/a",
        "a\0b",
        "a b",
        "\u00e4",
        "a\ud800",
        "{x}",
        "x" * 65,
        "/".join(["x" * 60] * 5),
        "{device}x",
        "a\nb",
        "\uff0b",
    ],
)
def test_a_topic_that_cannot_be_is_refused_before_the_hub_starts(topic):
    with pytest.raises(BadRule, match="cannot be: write levels"):
        routes_of([Rule("*", "level", topic)], ["tube-1"])


def test_topics_are_looked_up_and_two_never_meet():
    routes = routes_of([*RULES, Rule("tube-2", "level", "own")], ["tube-1", "tube-2"])
    assert {key: route.topic for key, route in routes.items()} == {
        ("tube-1", "level"): "ward/tube-1/level",
        ("tube-2", "level"): "own",
        ("tube-1", "alarm"): "ward/alarm",
    }
    assert check_topic("a/b.c-d_e") == "a/b.c-d_e"


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        ([Rule("tube-9", "level", "a")], "which this hub does not have"),
        ([Rule("*", "le vel", "a")], "use 1 to 64 letters"),
        ([Rule("*", "{device}", "a")], "use 1 to 64 letters"),
        ([Rule("tube-1", "level", "a"), Rule("tube-1", "level", "b")], "two rules"),
        ([Rule("*", "level", "same")], "would share the topic 'same'"),
        ([Rule("tube-1", "level", "hub/health")], "'level' of 'tube-1' and the hub itself would share"),
        ([Rule("*", "level", "a", keep_s=0)], "give seconds from 1"),
        ([Rule("*", "level", "a", sensor=Sensor(component="switch"))], "'sensor' or a 'binary_sensor'"),
    ],
)
def test_rules_that_cannot_be_are_one_sentence(rules, sentence):
    with pytest.raises(BadRule, match=sentence):
        routes_of(rules, ["tube-1", "tube-2"], taken=["hub/health"])


def test_an_operator_writes_a_section_for_each_kind_of_reading():
    rules = rules_of(
        {
            "level": {"sensor": {"unit_of_measurement": "mL"}},
            "alarm": {"devices": ["tube-1"], "topic": "ward/alarm", "event": True, "keep_s": 5, "retain": True},
            "second": {"resource": "level", "devices": ["tube-2"], "topic": "b"},
        },
        "holdfast",
    )
    assert rules == [
        Rule("*", "level", "holdfast/{device}/{resource}", sensor=Sensor(unit_of_measurement="mL")),
        Rule("tube-1", "alarm", "ward/alarm", event=True, retain=True, keep_s=5),
        Rule("tube-2", "level", "b"),
    ]


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        (3, "must be a section"),
        ({"topics": "a"}, "has no key 'topics': it may have resource, topic"),
        ({"topic": 3}, "topic must be text"),
        ({"devices": "tube-1"}, "devices must be a list of names"),
        ({"devices": [3]}, "devices must be a list of names"),
        ({"event": 1}, "event must be true or false"),
        ({"keep_s": True}, "keep_s must be a whole number"),
        ({"sensor": {"unit": "mL"}}, "a sensor has no 'unit': it may have component"),
        ({"sensor": {"expire_after": "5"}}, "expire_after of a sensor must be a whole number"),
        ({"sensor": {"name": 5}}, "name of a sensor must be text"),
    ],
)
def test_a_section_that_cannot_be_read_is_one_sentence(section, sentence):
    with pytest.raises(BadRule, match=sentence):
        rules_of({"level": section}, "holdfast")


def test_health_is_asked_for_each_time():
    counts = iter(range(5))
    health = Health("hub/health", lambda: {"count": next(counts)})
    assert health.now().payload == b'{"state":"online","count":0}'
    assert health.now().payload == b'{"state":"online","count":1}'
