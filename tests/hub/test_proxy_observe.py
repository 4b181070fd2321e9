"""Observe through a proxy: fifty watch one resource, losses, restarts, and what OSCORE protects (RFC 7641, 8613)."""

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_message import request, response
from holdfast_core.coap_stack import CoapStack, FailureEvent, ResponseEvent
from holdfast_hub.records import Device
from testkit.coap import contexts, table
from testkit.hub_proxy import CLIENT, TUBE, Bench, Net, Origin, named, states, watcher
from testkit.link import Link, Random


def register(bench, client=CLIENT, token=b"tk", path="/a", value=0):
    bench.ask(named("tube-7", request(L.CODE_GET, path)).add(L.OPT_OBSERVE, value), client, token=token)


def state(payload, number, **options):
    message = response(L.CODE_CONTENT, payload).add(L.OPT_OBSERVE, number)
    for name, value in options.items():
        message.add(getattr(L, "OPT_" + name), value)
    return message


def other(number):
    host = f"198.51.{number // 250}.{number % 250 + 1}"
    return (host, (host, 40000), 0)


def acknowledge(bench, told):
    for message, client in told:
        if message.mtype == L.TYPE_CON:
            bench.empty_from_client(L.TYPE_ACK, message.mid, client)


# --- by hand ---


def test_fifty_observers_are_one_upstream_and_each_has_its_own_numbers():
    bench = Bench()
    clients = [other(number) for number in range(50)]
    register(bench, clients[0])
    asked = bench.at_device()
    assert asked.uint(L.OPT_OBSERVE) == 0
    for client in clients[1:25]:
        register(bench, client)
    bench.answer(asked, state(b"0", 900))
    for client in clients[25:]:
        register(bench, client)
    assert not bench.at_devices()
    told = bench.at_clients()
    assert {client for _, client in told} == set(clients)
    assert {(m.payload, m.uint(L.OPT_OBSERVE), m.mtype) for m, _ in told} == {(b"0", 1, L.TYPE_ACK)}
    for number in range(1, 4):
        bench.answer(asked, state(b"%d" % number, 900 + number), mtype=L.TYPE_NON, mid=50 + number)
        told = bench.at_clients()
        assert {(m.payload, m.uint(L.OPT_OBSERVE), c) for m, c in told} == {
            (b"%d" % number, 1 + number, c) for c in clients
        }
        acknowledge(bench, told)
    assert bench.proxy.counts()["watches"] == 1
    assert not bench.at_devices()


def test_the_last_observer_that_leaves_ends_the_upstream_and_not_the_first():
    bench = Bench()
    register(bench)
    asked = bench.at_device()
    bench.answer(asked, state(b"0", 1))
    register(bench, other(1))
    bench.at_clients()
    register(bench, value=1)
    assert not bench.at_devices()  # answered from what is kept
    assert bench.at_client().get(L.OPT_OBSERVE) is None
    bench.answer(asked, state(b"1", 2), mtype=L.TYPE_NON, mid=51)
    ((note, client),) = bench.at_clients()
    assert client == other(1)
    bench.empty_from_client(L.TYPE_RST, note.mid, other(1))
    last = bench.at_device()
    assert (last.token, last.uint(L.OPT_OBSERVE)) == (asked.token, 1)
    assert bench.proxy.counts()["observers"] == bench.proxy.counts()["watches"] == 0
    bench.answer(last, response(L.CODE_CONTENT, b"1"))
    assert not bench.at_clients()
    bench.answer(asked, state(b"2", 3), mtype=L.TYPE_NON, mid=52)  # of a device that has not understood
    assert bench.at_device().mtype == L.TYPE_RST


def test_a_client_that_is_gone_is_forgotten_when_it_does_not_acknowledge():
    bench = Bench()
    register(bench)
    asked = bench.at_device()
    bench.answer(asked, state(b"0", 1, MAX_AGE=1000))
    bench.answer(asked, state(b"1", 2, MAX_AGE=1000), mtype=L.TYPE_NON, mid=51)
    bench.at_clients()
    bench.pass_ms(100_000)
    assert len(bench.at_clients()) == 4  # repeated, and then given up
    assert bench.proxy.counts()["observers"] == 0
    assert {m.uint(L.OPT_OBSERVE) for m, _ in bench.at_devices()} == {1}


def test_only_the_latest_state_waits_for_a_client_that_is_slow():
    bench = Bench()
    register(bench)
    asked = bench.at_device()
    bench.answer(asked, state(b"0", 1))
    bench.at_clients()
    for number in range(2, 6):
        bench.answer(asked, state(b"%d" % number, number), mtype=L.TYPE_NON, mid=50 + number)
    ((note, _),) = bench.at_clients()
    assert note.payload == b"2"
    bench.empty_from_client(L.TYPE_ACK, note.mid)
    assert bench.at_client().payload == b"5"


def test_one_notification_in_five_is_confirmable_once_a_client_has_shown_itself():
    bench = Bench()
    register(bench)
    asked = bench.at_device()
    bench.answer(asked, state(b"0", 1))
    bench.at_clients()
    types = []
    for number in range(2, 13):
        bench.answer(asked, state(b"x", number), mtype=L.TYPE_NON, mid=50 + number)
        told = bench.at_clients()
        types.append(told[0][0].mtype)
        acknowledge(bench, told)
    assert types == [L.TYPE_CON, *([L.TYPE_NON] * 4), L.TYPE_CON, *([L.TYPE_NON] * 4), L.TYPE_CON]
    bench.answer(asked, state(b"x", 20), mtype=L.TYPE_CON, mid=99)  # what the device confirms is confirmed on
    assert bench.at_client().mtype == L.TYPE_CON


def test_an_old_notification_is_not_passed_on():
    bench = Bench()
    register(bench)
    asked = bench.at_device()
    bench.answer(asked, state(b"5", 5))
    bench.answer(asked, state(b"4", 4), mtype=L.TYPE_NON, mid=51)
    assert [m.payload for m, _ in bench.at_clients()] == [b"5"]


@pytest.mark.parametrize(
    "last", [response(L.CODE_NOT_FOUND), response(L.CODE_CONTENT, b"end"), state(b"x", 9).add(2051, b"")]
)
def test_the_end_of_an_observation_is_told_to_all_of_its_observers(last):
    bench = Bench()
    register(bench)
    asked = bench.at_device()
    bench.answer(asked, state(b"0", 1))
    register(bench, other(1))
    bench.at_clients()
    expected = L.CODE_BAD_GATEWAY if last.get(2051) is not None else last.code
    bench.answer(asked, last, mtype=L.TYPE_CON, mid=60)
    told = bench.at_clients()
    assert [(m.code, m.get(L.OPT_OBSERVE), m.mtype) for m, _ in told] == [(expected, None, L.TYPE_CON)] * 2
    assert bench.proxy.counts()["watches"] == bench.proxy.counts()["observers"] == 0


def test_a_device_that_takes_no_observers_answers_once():
    bench = Bench()
    register(bench)
    register(bench, other(1))
    bench.answer(bench.at_device(), response(L.CODE_CONTENT, b"1"))
    assert [(m.payload, m.get(L.OPT_OBSERVE)) for m, _ in bench.at_clients()] == [(b"1", None)] * 2
    assert bench.proxy.counts()["watches"] == 0


def test_observers_are_bounded_and_one_too_many_gets_an_answer_without_observe():
    bench = Bench(observers=3)
    register(bench, other(0))
    bench.answer(bench.at_device(), state(b"0", 1))
    for number in range(1, 5):
        register(bench, other(number))
    told = bench.at_clients()
    assert [m.uint(L.OPT_OBSERVE) for m, _ in told] == [1, 1, 1, None, None]
    assert {m.payload for m, _ in told} == {b"0"}


def test_observations_of_one_host_are_bounded():
    bench = Bench(observers_per_client=2, waiting=9)
    for number in range(4):
        register(bench, token=b"%d" % number, path=f"/{number}")
    assert bench.proxy.counts()["observers"] == 2
    register(bench, other(1), path="/9")
    assert bench.proxy.counts()["observers"] == 3


def test_a_token_that_registers_for_something_else_leaves_the_first():
    bench = Bench()
    register(bench)
    asked = bench.at_device()
    bench.answer(asked, state(b"0", 1))
    bench.at_clients()
    register(bench, path="/b")
    assert sorted(m.uint(L.OPT_OBSERVE) for m, _ in bench.at_devices()) == [1]  # the next waits for its answer
    assert bench.proxy.counts()["watches"] == 1


def test_a_plain_observation_and_a_get_share_what_is_kept():
    bench = Bench()
    register(bench)
    asked = bench.at_device()
    bench.answer(asked, state(b"0", 1))
    bench.answer(asked, state(b"1", 2), mtype=L.TYPE_NON, mid=51)
    bench.at_clients()
    bench.ask(named("tube-7", request(L.CODE_GET, "/a")), other(1))
    assert bench.at_client().payload == b"1"
    assert not bench.at_devices()


def test_what_the_hub_itself_has_can_be_observed():
    class Desk:
        def __init__(self):
            self.asked = None

        def serve(self, asked, now):
            self.asked = asked
            return True

    desk = Desk()
    bench = Bench(desks=[desk])
    bench.ask(request(L.CODE_GET, "/own").add(L.OPT_OBSERVE, 0))
    for number in range(3):
        bench.proxy.respond(desk.asked, state(b"%d" % number, 0), bench.now_ms)
        told = bench.at_clients()
        assert [(m.payload, m.uint(L.OPT_OBSERVE)) for m, _ in told] == [(b"%d" % number, number + 1)]
        acknowledge(bench, told)
    bench.proxy.respond(desk.asked, response(L.CODE_CONTENT, b"end"), bench.now_ms)
    assert bench.at_client().get(L.OPT_OBSERVE) is None
    bench.proxy.respond(desk.asked, state(b"more", 0), bench.now_ms)
    assert not bench.at_clients()


def test_a_connection_that_is_lost_ends_its_observations():
    bench = Bench()
    client, told = ("203.0.113.5", "connection", 0), []
    message = named("tube-7", request(L.CODE_GET, "/a")).add(L.OPT_OBSERVE, 0)
    message.token = b"c"
    bench.proxy.take(message, client, bench.now_ms, told.append)
    asked = bench.at_device()
    bench.answer(asked, state(b"0", 1))
    assert not told  # never from inside of a call
    bench.answer(asked, state(b"1", 2), mtype=L.TYPE_NON, mid=51)
    bench.pass_ms(0)
    assert [(m.payload, m.uint(L.OPT_OBSERVE), m.token) for m in told] == [(b"0", 1, b"c"), (b"1", 2, b"c")]
    bench.proxy.lose(client, bench.now_ms)
    assert bench.at_device().uint(L.OPT_OBSERVE) == 1
    assert bench.proxy.counts()["observers"] == 0


# --- on a network ---


def run_states(net, origin, names, count=12, every_ms=20_000):
    for number in range(count):
        origin.change(b"state %d" % number)
        net.link.run(every_ms)
    net.link.run(300_000)
    last = b"state %d" % (count - 1)
    for name in names:
        assert states(net, name)[-1] == last, (name, net.link)
        told = [payload for payload in states(net, name) if payload.startswith(b"state")]
        assert told == sorted(told, key=lambda payload: int(payload[6:])), (name, net.link)


@pytest.mark.parametrize("seed", range(6))
def test_an_observation_survives_loss_and_disorder(seed):
    net = Net([TUBE], link=Link(seed, loss=10, dup=10, reorder=20))
    origin = Origin(net, max_age_s=30)
    names = [f"client{number}" for number in range(5)]
    for number, name in enumerate(names):
        watcher(net, name, seed=100 + number)
    net.link.run(200_000, until=lambda: all(states(net, name) for name in names))
    run_states(net, origin, names)


def test_an_observation_survives_a_restart_of_the_device():
    net = Net([TUBE])
    origin = Origin(net, max_age_s=30)
    watcher(net, "client")
    net.link.run(5_000)
    origin = Origin(net, max_age_s=30, seed=77)  # it remembers nothing
    origin.body = b"after"
    net.link.run(60_000)
    assert states(net, "client")[-1] == b"after"
    assert len(origin.watched_by()) == 1
    origin.change(b"and on")
    net.link.run(5_000)
    assert states(net, "client")[-1] == b"and on"


def test_after_a_restart_of_the_hub_a_client_that_registers_again_is_told():
    net = Net([TUBE])
    origin = Origin(net, max_age_s=30)
    watcher(net, "client")
    net.link.run(5_000)
    net.restart()
    origin.change(b"nobody knows")  # the hub resets it, so the device forgets
    net.link.run(60_000)
    assert not origin.watched_by()
    watcher(net, "client")
    net.link.run(5_000)
    origin.change(b"and on")
    net.link.run(5_000)
    assert states(net, "client")[-1] == b"and on"


def test_a_device_that_is_gone_is_told_to_its_observers():
    net = Net([TUBE])
    Origin(net, max_age_s=10)
    watcher(net, "client")
    net.link.run(5_000)
    del net.link.endpoints["tube-7"]
    net.link.run(600_000)
    last = net.link.events["client"][-1]
    assert isinstance(last, ResponseEvent)
    assert (last.message.code, last.observing) == (L.CODE_GATEWAY_TIMEOUT, False)


# --- under OSCORE ---


def protected_net(seed=1, clients=2, **link):
    net = Net([Device("tube-7", "udp", nstart=2)], link=Link(seed, **link))
    pairs = [contexts(client_id=b"c%d" % number, server_id=b"s%d" % number) for number in range(clients)]
    origin = Origin(net, held=table(*[server for _, server in pairs]))
    for number in range(clients):
        net.link.add(f"client{number}", CoapStack(Random(50 + number).octets))
    return net, origin, [client for client, _ in pairs]


@pytest.mark.parametrize("seed", range(4))
def test_protected_observations_pass_and_each_client_has_its_own(seed):
    net, origin, held = protected_net(seed, loss=10 if seed else 0, reorder=10 if seed else 0)
    for number, context in enumerate(held):
        watcher(net, f"client{number}", context=context)
    names = [f"client{number}" for number in range(len(held))]
    net.link.run(200_000, until=lambda: all(states(net, name) for name in names))
    assert len(origin.watched_by()) == 2
    assert all(incoming.context is not None for incoming in origin.watched_by())
    run_states(net, origin, names)
    assert not [event for name in names for event in net.link.events[name] if isinstance(event, FailureEvent)]
    assert net.proxy.counts()["cache_bytes"] == 0


def test_a_protected_observation_ends_when_its_client_says_so_and_the_other_goes_on():
    net, origin, held = protected_net()
    watching = [watcher(net, f"client{number}", context=context) for number, context in enumerate(held)]
    net.link.run(5_000)
    stack, request_id = watching[0]
    stack.cancel(request_id, net.link.now_ms)
    net.link.run(5_000)
    assert len(origin.watched_by()) == 1
    assert net.proxy.counts()["observers"] == 1
    origin.change(b"new")
    net.link.run(5_000)
    assert states(net, "client0")[-1] == b"ok"
    assert states(net, "client1")[-1] == b"new"


def test_a_protected_observation_whose_client_is_gone_is_reset_at_the_device():
    net, origin, held = protected_net(clients=1)
    watcher(net, "client0", context=held[0])
    net.link.run(5_000)
    del net.link.endpoints["client0"]
    for number in range(3):
        origin.change(b"%d" % number)
        net.link.run(120_000)
    assert net.proxy.counts()["observers"] == net.proxy.counts()["watches"] == 0
    assert not origin.watched_by()


def test_protected_numbers_of_the_device_are_kept():
    bench = Bench()
    asked = named("tube-7", request(L.CODE_FETCH, "/", b"cipher")).add(L.OPT_OSCORE, b"\x09\x01\x02")
    bench.ask(asked.add(L.OPT_OBSERVE, 0))
    sent = bench.at_device()
    assert (sent.code, sent.uint(L.OPT_OBSERVE), sent.get(L.OPT_OSCORE)) == (L.CODE_FETCH, 0, b"\x09\x01\x02")
    bench.answer(sent, state(b"c1", 70, OSCORE=b"\x01\x05"))
    told = bench.at_client()
    assert (told.uint(L.OPT_OBSERVE), told.get(L.OPT_OSCORE), told.payload) == (70, b"\x01\x05", b"c1")
    bench.answer(sent, state(b"c2", 71, OSCORE=b"\x01\x06"), mtype=L.TYPE_NON, mid=51)
    assert bench.at_client().uint(L.OPT_OBSERVE) == 71


def test_the_answer_to_a_protected_deregistration_has_the_clients_token():
    bench = Bench()
    asked = named("tube-7", request(L.CODE_FETCH, "/", b"cipher")).add(L.OPT_OSCORE, b"\x09\x01\x02")
    bench.ask(asked.copy().add(L.OPT_OBSERVE, 0))
    sent = bench.at_device()
    bench.answer(sent, state(b"c1", 70, OSCORE=b"\x01\x05"))
    bench.at_client()
    bench.ask(asked.copy().add(L.OPT_OBSERVE, 1))
    last = bench.at_device()
    assert (last.uint(L.OPT_OBSERVE), last.token) == (1, sent.token)
    bench.answer(last, response(L.CODE_CONTENT, b"c2").add(L.OPT_OSCORE, b"\x01\x06"))
    told = bench.at_client()
    assert (told.payload, told.token) == (b"c2", b"tk")
