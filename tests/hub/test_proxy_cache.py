"""What a proxy keeps for other clients, and what never (RFC 7252 5.6 to 5.9, RFC 7959, RFC 8132)."""

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_message import request, response
from testkit.coap import block
from testkit.hub_proxy import CLIENT, Bench, named

OTHER = ("198.51.100.2", ("198.51.100.2", 40000), 0)


def get(path="/a", code=L.CODE_GET, payload=b"", **options):
    message = named("tube-7", request(code, path, payload))
    for name, value in options.items():
        message.add(getattr(L, "OPT_" + name), value)
    return message


def content(payload=b"22.5", **options):
    message = response(L.CODE_CONTENT, payload)
    for name, value in options.items():
        message.add(getattr(L, "OPT_" + name), value)
    return message


def filled(answer=None, ask=None, **bounds):
    """A bench whose device has answered one client."""
    bench = Bench(**bounds)
    bench.ask(get() if ask is None else ask)
    bench.answer(bench.at_device(), content() if answer is None else answer)
    bench.at_client()
    return bench


def is_kept(bench, message):
    """Whether a request of another client is answered without the device."""
    bench.ask(message, OTHER)
    sent, told = bench.at_devices(), bench.at_clients()
    assert len(sent) + len(told) == 1
    return bool(told)


def test_a_fresh_response_answers_others_and_grows_old():
    bench = filled()
    bench.pass_ms(20_000)
    bench.ask(get(), OTHER)
    assert not bench.at_devices()
    told = bench.at_client()
    assert (told.payload, told.uint(L.OPT_MAX_AGE), told.token) == (b"22.5", 40, b"tk")
    bench.pass_ms(40_000)
    assert not is_kept(bench, get())


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        (content(), True),
        (content(MAX_AGE=5), True),
        (content(MAX_AGE=0), False),
        (response(L.CODE_NOT_FOUND), False),
        (response(L.CODE_VALID), False),
        (content(b"\x01" * 20, OSCORE=b""), False),
        (content(b"x" * 64, BLOCK2=block(0, True, 2)), False),  # without an ETag blocks of two bodies could be mixed
        (content(b"x" * 64, BLOCK2=block(0, True, 2), ETAG=b"1"), True),
        (content(b"x" * 200), False),  # longer than the bound below
    ],
)
def test_what_is_kept(answer, kept):
    assert is_kept(filled(answer, cached_body=100), get()) is kept


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (get(), get("/b"), False),
        (get(), get(URI_QUERY="x"), False),
        (get(), get(ACCEPT=60), False),
        (get(), get(HOP_LIMIT=9), True),
        (get(), get(ECHO=b"12345678"), True),  # NoCacheKey
        (get(), get(SIZE1=7), True),
        (get(), get(code=L.CODE_FETCH), False),
        (get(code=L.CODE_FETCH, payload=b"a"), get(code=L.CODE_FETCH, payload=b"a"), True),
        (get(code=L.CODE_FETCH, payload=b"a"), get(code=L.CODE_FETCH, payload=b"b"), False),
        (get(code=L.CODE_POST), get(code=L.CODE_POST), False),
        (get(code=L.CODE_PUT), get(code=L.CODE_PUT), False),
        (get(code=L.CODE_FETCH, BLOCK1=b""), get(code=L.CODE_FETCH, BLOCK1=b""), False),
    ],
)
def test_whom_it_answers(first, second, kept):
    assert is_kept(filled(ask=first), second) is kept


@pytest.mark.parametrize("code", [L.CODE_GET, L.CODE_FETCH, L.CODE_POST])
def test_protected_answers_are_never_shared(code):
    bench = Bench()
    protected = named("tube-7", request(code, "/", b"cipher")).add(L.OPT_OSCORE, b"\x09\x01\x02")
    bench.ask(protected.copy())
    bench.ask(protected.copy(), OTHER)
    first = bench.at_device()
    bench.answer(first, content(b"for the first", OSCORE=b""))
    ((told, client),) = bench.at_clients()
    assert (client, told.payload) == (CLIENT, b"for the first")
    second = bench.at_device()  # not joined, not answered from memory
    assert second.get(L.OPT_OSCORE) == b"\x09\x01\x02"
    bench.answer(second, content(b"for the second", OSCORE=b""))
    ((told, client),) = bench.at_clients()
    assert (client, told.payload) == (OTHER, b"for the second")
    assert bench.proxy.counts()["cache_bytes"] == 0
    assert not is_kept(bench, protected.copy())


def test_a_client_that_has_it_gets_2_03_from_the_hub():
    bench = filled(content(ETAG=b"v1"))
    bench.ask(get(ETAG=b"v1"), OTHER)
    told = bench.at_client()
    assert (told.code, told.get(L.OPT_ETAG), told.payload) == (L.CODE_VALID, b"v1", b"")
    bench.ask(get(ETAG=b"v0"), OTHER)
    assert bench.at_client().code == L.CODE_CONTENT


def test_what_is_old_is_validated_and_fresh_again():
    bench = filled(content(ETAG=b"v1"))
    bench.pass_ms(61_000)
    bench.ask(get(), OTHER)
    asked = bench.at_device()
    assert asked.get_all(L.OPT_ETAG) == [b"v1"]
    bench.answer(asked, response(L.CODE_VALID).add(L.OPT_ETAG, b"v1").add(L.OPT_MAX_AGE, 30))
    told = bench.at_client()
    assert (told.code, told.payload, told.uint(L.OPT_MAX_AGE)) == (L.CODE_CONTENT, b"22.5", 30)
    assert is_kept(bench, get())


def test_a_2_03_that_nobody_asked_for_is_a_bad_gateway_and_one_for_the_client_passes():
    bench = Bench()
    bench.ask(get())
    bench.answer(bench.at_device(), response(L.CODE_VALID).add(L.OPT_ETAG, b"v9"))
    assert bench.at_client().code == L.CODE_BAD_GATEWAY
    bench.ask(get(ETAG=b"v9"))
    bench.answer(bench.at_device(), response(L.CODE_VALID).add(L.OPT_ETAG, b"v9"))
    assert bench.at_client().code == L.CODE_VALID


@pytest.mark.parametrize("code", [L.CODE_PUT, L.CODE_POST, L.CODE_DELETE, L.CODE_PATCH, L.CODE_IPATCH])
def test_an_unsafe_method_drops_the_resource_and_no_other(code):
    bench = filled()
    bench.ask(get("/b"))
    bench.answer(bench.at_device(), content(b"b"))
    bench.at_client()
    bench.ask(get(code=code))
    bench.answer(bench.at_device(), response(L.CODE_CHANGED))
    bench.at_client()
    assert is_kept(bench, get("/b"))
    assert not is_kept(bench, get())


def test_what_was_under_way_while_it_changed_is_not_kept():
    bench = Bench(type(Bench().devices[0])("tube-7", "udp", nstart=2))
    bench.ask(get())
    old = bench.at_device()
    bench.ask(get(code=L.CODE_PUT))
    bench.answer(bench.at_device(), response(L.CODE_CHANGED))
    bench.answer(old, content(b"before"))
    bench.at_clients()
    assert not is_kept(bench, get())


def test_what_a_post_has_created_is_dropped():
    bench = filled(ask=get("/x/1"))
    bench.ask(get("/x", code=L.CODE_POST))
    created = response(L.CODE_CREATED).add(L.OPT_LOCATION_PATH, "x").add(L.OPT_LOCATION_PATH, "1")
    bench.answer(bench.at_device(), created)
    bench.at_client()
    assert not is_kept(bench, get("/x/1"))


def test_blocks_of_a_kept_body_come_from_the_hub_and_make_the_body():
    body = bytes(range(100)) * 3
    bench = filled(content(body))
    got, number, more = b"", 0, True
    while more:
        bench.ask(get(BLOCK2=block(number, False, 2)), OTHER)
        told = bench.at_client()
        value = told.uint(L.OPT_BLOCK2)
        assert value >> 4 == number
        got, number, more = got + told.payload, number + 1, bool(value & 8)
        assert told.get(L.OPT_ETAG) is not None
    assert got == body
    bench.ask(get(BLOCK2=block(number, False, 2)), OTHER)
    assert bench.at_client().code == L.CODE_BAD_REQUEST
    assert not bench.at_devices()


def test_blocks_that_a_device_made_pass_and_are_kept_one_by_one():
    bench = Bench()
    for number, more in ((0, True), (1, False)):
        bench.ask(get(BLOCK2=block(number, False, 2)))
        bench.answer(bench.at_device(), content(b"%d" % number * 64, BLOCK2=block(number, more, 2), ETAG=b"e"))
        assert bench.at_client().uint(L.OPT_BLOCK2) >> 4 == number
    for number in (0, 1):
        bench.ask(get(BLOCK2=block(number, False, 2)), OTHER)
        assert bench.at_client().payload == b"%d" % number * 64
    assert not is_kept(bench, get(BLOCK2=block(1, False, 3)))


def test_requests_at_the_same_time_share_one_answer_when_it_may_be_kept():
    bench = Bench()
    for client in (CLIENT, OTHER, OTHER):
        bench.ask(get(), client)
    bench.answer(bench.at_device(), content())
    assert [(m.payload, c) for m, c in bench.at_clients()] == [(b"22.5", c) for c in (CLIENT, OTHER, OTHER)]
    assert bench.proxy.counts()["requests"] == 0


def test_requests_at_the_same_time_each_have_an_answer_when_it_may_not_be_kept():
    bench = Bench()
    for client in (CLIENT, OTHER):
        bench.ask(get(), client)
    for payload in (b"1", b"2"):
        bench.answer(bench.at_device(), content(payload, MAX_AGE=0))
        assert bench.at_clients()[0][0].payload == payload
    assert bench.proxy.counts()["requests"] == 0


def test_a_failure_answers_all_that_waited_for_it():
    bench = Bench()
    for client in (CLIENT, OTHER):
        bench.ask(get(), client)
    bench.empty_from_device(L.TYPE_RST, bench.at_device().mid)
    assert [m.code for m, _ in bench.at_clients()] == [L.CODE_BAD_GATEWAY] * 2


def test_the_cache_is_bounded_and_what_is_used_stays():
    bench = Bench(cache_bytes=5000)
    for number in range(50):
        bench.ask(get(f"/{number}"))
        bench.answer(bench.at_device(), content(b"x" * 500))
        bench.at_client()
        bench.ask(get("/0"))
        assert not bench.at_devices()
        bench.at_client()
        assert bench.proxy.counts()["cache_bytes"] <= 5000
    assert is_kept(bench, get("/49"))
    assert not is_kept(bench, get("/3"))


def test_variants_of_one_resource_are_bounded():
    bench = Bench()
    for number in range(40):
        bench.ask(get(ACCEPT=number))
        bench.answer(bench.at_device(), content(b"x"))
        bench.at_client()
    assert is_kept(bench, get(ACCEPT=39))
    assert not is_kept(bench, get(ACCEPT=0))
