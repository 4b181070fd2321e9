"""What is asked of a device that sleeps is kept, delivered in order, and answered at a place that cannot be guessed."""

from dataclasses import replace

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_message import Message, request, response
from holdfast_hub.later.delivery import RETRY_MS
from holdfast_hub.later.desk import RECENT, REPEATS_MS, Limits
from holdfast_hub.later.places import ID_LEN, pack
from holdfast_hub.ports import MAX_TRIES
from holdfast_hub.records import ANSWERS
from testkit.hub_later import MAINS, TUBE, Bench, location, oscore, protected, token


@pytest.fixture
def bench():
    return Bench()


def said(message):
    return message.code, message.options, message.payload


def kept(bench, *arguments, **more):
    """Ask the tube something while it sleeps; returns the location."""
    answer = bench.serve(*arguments, **more)
    assert answer.code == L.CODE_SERVICE_UNAVAILABLE
    assert answer.uint(L.OPT_MAX_AGE) == 3001
    assert location(answer)
    return location(answer)


def test_the_answer_comes_later_and_as_it_was(bench):
    place = kept(bench, oscore())
    assert bench.visit(place).code == L.CODE_SERVICE_UNAVAILABLE
    assert bench.visit(place).uint(L.OPT_MAX_AGE) == 3001
    bench.wait(3000)
    bench.wake()
    assert bench.visit(place).uint(L.OPT_MAX_AGE) == 1
    name, message = bench.hand.asked.pop()
    assert (name, said(message)) == ("tube-1", said(oscore()))
    bench.answer(protected().add(L.OPT_MAX_AGE, 7))
    for _ in range(2):
        assert said(bench.visit(place)) == said(protected().add(L.OPT_MAX_AGE, 7))
    assert bench.spool.ids("tube-1") == []
    assert bench.desk.counts == {"kept": 1, "repeated": 0, "full": 0, "refused": 0, "answered": 2}


def test_the_client_hears_of_a_place_only_when_the_request_is_on_disk(bench):
    assert bench.serve(oscore(), run=False) is None
    bench.spool.step()
    assert not bench.hand.said
    bench.spool.step()
    assert len(bench.hand.said) == 1


def test_a_place_has_more_bits_than_can_be_guessed_and_is_constant_4_04_for_others(bench):
    place = kept(bench, oscore())
    assert ID_LEN * 8 >= 128
    unknown = said(bench.visit([place[0], place[1], b"A" * len(place[2])]))
    assert unknown == (L.CODE_NOT_FOUND, [], b"")
    for path in (
        place[:2],
        [*place, b""],
        [place[0], b"mains", place[2]],
        [place[0], b"nobody", place[2]],
        [place[0], b"../etc", place[2]],
        [place[0], place[1], b"\xff"],
        [place[0], place[1], place[2][:-1]],
        [place[0], place[1], b"+" + place[2][1:]],
    ):
        assert said(bench.visit(path)) == unknown
    assert said(bench.visit(place, device=MAINS)) == unknown
    assert bench.visit(place, device=None).code == L.CODE_SERVICE_UNAVAILABLE
    for code in (L.CODE_POST, L.CODE_PUT, L.CODE_DELETE):
        assert bench.serve(Message(code, b"", [(L.OPT_URI_PATH, part) for part in place])).code == (
            L.CODE_METHOD_NOT_ALLOWED
        )


def test_a_repeat_gets_the_same_place_and_another_client_another(bench):
    place = kept(bench, oscore())
    assert kept(bench, oscore()) == place
    assert kept(bench, oscore().add(L.OPT_HOP_LIMIT, 3)) == place
    others = [kept(bench, oscore(), "thief"), kept(bench, oscore(2)), kept(bench, oscore(payload=b"else"))]
    assert len({place[2], *(other[2] for other in others)}) == 4
    assert len(bench.spool.ids("tube-1")) == 4
    assert bench.desk.counts["repeated"] == 2


def test_tokens_go_first_and_the_rest_in_order_one_at_a_time(bench):
    for message in (oscore(1), oscore(2), token(), oscore(3)):
        kept(bench, message)
    bench.wake()
    for message in (token(), oscore(1), oscore(2), oscore(3)):
        assert len(bench.hand.open) == 1
        assert said(bench.hand.asked[-1][1]) == said(message)
        bench.answer(protected())
    assert not bench.hand.open


def test_what_comes_while_others_are_delivered_waits_behind_them(bench):
    kept(bench, oscore(1))
    bench.wake()
    answer = bench.serve(oscore(2))
    assert answer.uint(L.OPT_MAX_AGE) == 1
    bench.answer(protected())
    assert said(bench.hand.asked[-1][1]) == said(oscore(2))
    bench.answer(protected())
    assert bench.serve(oscore(3)) is False


def test_what_has_no_proof_of_its_own_does_not_wait(bench):
    for message in (
        request(L.CODE_GET, "/result"),
        request(L.CODE_POST, "/authz-info/more"),
        request(L.CODE_GET, "/authz-info"),
        oscore(code=L.CODE_FETCH).add(L.OPT_OBSERVE, 0),
    ):
        answer = bench.serve(message)
        assert said(answer) == (L.CODE_SERVICE_UNAVAILABLE, [(L.OPT_MAX_AGE, b"\x0b\xb9")], b"")
    assert bench.spool.ids("tube-1") == []
    bench.wake()
    assert bench.serve(request(L.CODE_GET, "/result")) is False


def test_a_device_that_is_there_is_asked_at_once(bench):
    bench.wake()
    bench.wake(MAINS)
    assert bench.serve(oscore()) is False
    assert bench.serve(oscore(), device=MAINS) is False
    assert bench.serve(oscore(), device=None) is False
    bench.sleep(MAINS)
    assert location(bench.serve(oscore(), device=MAINS))


def test_a_repeat_after_the_answer_goes_to_its_place_and_not_to_the_device(bench):
    place = kept(bench, oscore())
    bench.wake()
    bench.answer(protected())
    assert location(bench.serve(oscore())) == place
    assert len(bench.hand.asked) == 1


def test_a_failed_delivery_gives_the_parcel_back_and_after_some_it_is_set_aside_and_says_so(bench):
    place = kept(bench, oscore(1))
    behind = kept(bench, oscore(2))
    for _ in range(MAX_TRIES):
        assert bench.visit(place).code == L.CODE_SERVICE_UNAVAILABLE
        bench.wake()
        assert said(bench.hand.asked[-1][1]) == said(oscore(1))
        assert bench.visit(place).code == L.CODE_SERVICE_UNAVAILABLE
        bench.answer(None)
        bench.sleep()
    assert bench.visit(place).code == L.CODE_GATEWAY_TIMEOUT
    bench.wake()
    bench.answer(protected())
    assert bench.visit(behind).code == L.CODE_CHANGED


def test_a_device_that_asks_whether_the_hub_is_at_its_address_is_told_at_once_and_once(bench):
    challenge = response(L.CODE_UNAUTHORIZED).add(L.OPT_ECHO, b"echo")
    place = kept(bench, token())
    bench.wake()
    bench.answer(challenge)
    assert said(bench.hand.asked[-1][1]) == said(token().add(L.OPT_ECHO, b"echo"))
    bench.answer(challenge)
    assert not bench.hand.open
    assert said(bench.visit(place)) == said(challenge)


def test_a_device_that_stays_is_tried_again_after_a_while(bench):
    kept(bench, oscore())
    bench.wake()
    bench.answer(None)
    assert not bench.hand.open
    assert bench.desk.next_deadline_ms() == bench.now.ms + RETRY_MS
    bench.wait(RETRY_MS // 1000 - 1)
    assert not bench.hand.open
    bench.wait(1)
    assert len(bench.hand.open) == 1


@pytest.mark.parametrize("trouble", ["full", "broken"])
def test_no_place_is_told_when_the_disk_keeps_nothing(bench, trouble):
    bench.spool.room, bench.spool.broken = (0, False) if trouble == "full" else (None, True)
    answer = bench.serve(oscore())
    assert said(answer) == (L.CODE_SERVICE_UNAVAILABLE, [(L.OPT_MAX_AGE, b"\x0b\xb9")], b"")
    bench.spool.room, bench.spool.broken = None, False
    kept(bench, oscore())


def test_nothing_more_is_asked_of_a_device_while_its_answer_cannot_be_written(bench):
    place = kept(bench, oscore(1))
    kept(bench, oscore(2))
    bench.wake()
    bench.spool.room = 2
    bench.answer(protected())
    assert not bench.hand.open
    assert bench.visit(place).code == L.CODE_SERVICE_UNAVAILABLE
    bench.wait(RETRY_MS // 1000)
    assert not bench.hand.open
    bench.spool.room = None
    bench.wait(RETRY_MS // 1000)
    assert bench.visit(place).code == L.CODE_CHANGED
    assert said(bench.hand.asked[-1][1]) == said(oscore(2))


def test_a_client_and_a_device_have_bounds_and_so_has_the_whole():
    bench = Bench(Limits(per_client=2, per_device=3, waiting=4))
    for number in range(2):
        kept(bench, oscore(number))
    answer = bench.serve(oscore(9))
    assert (answer.code, answer.uint(L.OPT_MAX_AGE), location(answer)) == (L.CODE_TOO_MANY_REQUESTS, 3001, [])
    kept(bench, oscore(1))  # a repeat takes no more room
    kept(bench, oscore(3), "second")
    answer = bench.serve(oscore(4), "third")
    assert (answer.code, location(answer)) == (L.CODE_SERVICE_UNAVAILABLE, [])
    assert location(bench.serve(oscore(4), "third", device=MAINS))
    assert not location(bench.serve(oscore(5), "fourth", device=MAINS))
    bench.wake()
    bench.answer(protected())
    kept_now = bench.serve(oscore(9))
    assert location(kept_now)


def test_waiting_ends_and_so_does_reading(bench):
    limits = Limits(request_s=100, answer_s=50)
    for wall in (True, False):
        bench = Bench(limits)
        place = kept(bench, oscore())
        bench.wait(99, wall=wall)
        assert bench.visit(place).code == L.CODE_SERVICE_UNAVAILABLE
        bench.wait(1, wall=wall)
        assert bench.visit(place).code == L.CODE_NOT_FOUND
        bench.wake()
        assert not bench.hand.open
        bench.sleep()
        second = kept(bench, oscore(2))
        bench.wake()
        bench.answer(protected())
        bench.wait(49, wall=wall)
        assert bench.visit(second).code == L.CODE_CHANGED
        bench.wait(1, wall=wall)
        assert bench.visit(second).code == L.CODE_NOT_FOUND
        assert bench.desk._of == {}


def test_a_clock_that_jumps_ahead_ends_what_waits_and_one_that_is_not_believed_does_not(bench):
    place = kept(bench, oscore())
    bench.now = type(bench.now)(bench.now.ms + 1, None)
    assert bench.visit(place).code == L.CODE_SERVICE_UNAVAILABLE
    bench.now = type(bench.now)(bench.now.ms + 1, 2_000_000_000)
    assert bench.visit(place).code == L.CODE_NOT_FOUND


def test_an_observer_hears_that_something_is_there_and_fetches_it(bench):
    place = kept(bench, oscore())
    assert bench.visit(place, observe=0).get(L.OPT_OBSERVE) == b""
    assert bench.visit(place, "second", observe=0).get(L.OPT_OBSERVE) == b""
    before = len(bench.hand.said)
    bench.wake()
    bench.answer(protected())
    news = bench.hand.said[before:]
    assert [asked.client[0] for asked, _ in news] == ["app", "second"]
    for _, message in news:
        assert said(message) == said(response(L.CODE_CONTENT).add(L.OPT_MAX_AGE, 0))
    assert bench.visit(place, observe=0).get(L.OPT_OBSERVE) is None
    assert bench.visit(place).code == L.CODE_CHANGED
    assert bench.visit([*place[:2], b"A" * 24], observe=0).code == L.CODE_NOT_FOUND


def test_an_observer_that_leaves_is_told_nothing(bench):
    place = kept(bench, oscore())
    for client in ("app", "second"):
        bench.visit(place, client, observe=0)
    assert bench.visit(place, observe=1).code == L.CODE_SERVICE_UNAVAILABLE
    before = len(bench.hand.said)
    bench.wake()
    bench.answer(protected())
    assert [asked.client[0] for asked, _ in bench.hand.said[before:]] == ["second"]
    assert bench.desk._watching == 0


def test_observers_are_bounded_and_forgotten_with_what_they_observe():
    bench = Bench(Limits(watchers=2, request_s=100))
    place = kept(bench, oscore())
    for number in range(3):
        answer = bench.visit(place, observe=0)
        assert (answer.get(L.OPT_OBSERVE) is None) == (number == 2)
    assert bench.desk.next_deadline_ms() <= bench.now.ms + 100_000
    bench.wait(101)
    assert [message.get(L.OPT_OBSERVE) for _, message in bench.hand.said[-2:]] == [None, None]
    assert bench.desk._watching == 0


def test_right_after_a_start_a_repeat_of_what_the_last_hub_kept_is_no_second_request(bench):
    place = kept(bench, oscore())
    bench.wake()
    bench.answer(protected())
    bench.kill()
    bench.wake()
    assert location(bench.serve(oscore())) == place
    assert bench.desk._of == {}
    assert bench.visit(place).code == L.CODE_CHANGED
    assert not bench.hand.open
    bench.wait(REPEATS_MS // 1000)
    assert bench.serve(oscore(2)) is False


def test_recent_requests_are_bounded():
    bench = Bench(Limits(per_client=10_000, per_device=10_000))
    for number in range(RECENT + 10):
        kept(bench, oscore(payload=number.to_bytes(2, "big")))
    assert len(bench.desk._recent) == RECENT


def test_a_parcel_that_is_no_request_stops_nobody(bench):
    place = kept(bench, oscore(1))
    kept(bench, oscore(2))
    for row in bench.spool.rows.values():
        if row["parcel"].body == pack(oscore(1)):
            row["parcel"] = replace(row["parcel"], body=b"\x02\xff")
    for _ in range(MAX_TRIES):
        bench.wake()
        bench.sleep()
        bench.wait(RETRY_MS // 1000)
    assert bench.visit(place).code == L.CODE_GATEWAY_TIMEOUT
    assert said(bench.hand.asked[-1][1]) == said(oscore(2))


class Fatal:
    """Runs a bench until nothing is left to do, or until so many steps, and kills its hub then.

    The device answers a repeat by refusing it, as its replay window does.
    """

    def __init__(self, fatal):
        self.bench = Bench(fresh=True)
        self.left = fatal
        self.seen = []

    def run(self):
        """Return whether the hub has lived."""
        bench = self.bench
        while bench.spool.waiting or bench.hand.open:
            self.left -= 1
            if self.left == 0:
                bench.kill()
                return False
            if bench.spool.waiting:
                bench.spool.step()
            else:
                message = said(bench.hand.asked[-1][1])
                answer = response(L.CODE_UNAUTHORIZED) if message in self.seen else protected()
                self.seen.append(message)
                bench.hand.open.pop(0)(answer)
        return True

    def wake(self):
        self.bench.hand.awake.add("tube-1")
        self.bench.desk.contact(TUBE)
        return self.run()


def test_killed_between_any_two_steps_the_client_gets_one_place_and_one_answer():
    for fatal in range(1, 60):
        play = Fatal(fatal)
        bench = play.bench
        place = None
        while place is None:  # the client repeats until it hears
            assert bench.serve(oscore(), run=False) is None
            if play.run():
                place = location(bench.hand.said[-1][1])
                bench = play.bench
        if not play.wake():
            assert play.wake()
        assert [box for box, _ in bench.spool.rows].count(ANSWERS) == 1
        assert bench.visit(place).code == (L.CODE_CHANGED if len(play.seen) == 1 else L.CODE_UNAUTHORIZED)
        assert location(bench.serve(oscore())) == place
        if play.left > 0:
            break
    else:
        raise AssertionError("more steps than were tried")
