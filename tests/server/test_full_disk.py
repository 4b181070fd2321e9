"""A disk that is full, in a real process: both transports say so, the process stays, and nothing leaves uncommitted."""

import asyncio
import json
import resource
import signal

import httpx
import pytest

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.log_shell import EVERY_MS, MAX_LINES, Seldom
from holdfast_core.provisioning import decode_provisioning
from holdfast_server.authz.errors import StoreFailed
from holdfast_server.process.clock_watch import WatchedClock
from holdfast_server.process.log import log
from holdfast_server.process.readiness import FAILED_FOR_MS, TRIED_FOR_MS, UNWRITABLE, Readiness
from holdfast_server.store.sqlite import BUSY_TIMEOUT_MS, DATABASE_NAME, IMPATIENT_MS, Store
from testkit.as_peer import Peer, context_of
from testkit.authz import NOW_S
from testkit.serve import ended, serving

WANTED = {L.ACE_GRANT_TYPE: L.GRANT_CLIENT_CREDENTIALS, L.ACE_AUDIENCE: "tube", L.ACE_SCOPE: "read"}
FORM = {"grant_type": "client_credentials", "audience": "tube", "scope": "read"}


class Served:
    """A process with a client that asks over both transports. limit: octets that a file of it may have."""

    def __init__(self, process, state, secret):
        self.process = process
        self.state = state
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{process.ready['http']}", auth=("svc", secret))

    def limit(self, octets):
        """As on a full disk, a file of this process grows no further."""
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (octets, resource.RLIM_INFINITY))

    def fill(self):
        """No file may be longer than the database's log is now."""
        self.limit((self.state / f"{DATABASE_NAME}-wal").stat().st_size + 1)

    def known(self, tokens):
        """How many of these the database knows."""
        with Store(self.state, serving=False) as store:
            return sum(store.token(token) is not None for token in tokens)


@pytest.fixture
def served(state, run, tmp_path):
    run("rs", "add", "tube", "--scope", "read=GET:/t", "--format", "cwt-encrypted")
    argv = ("client", "add", "svc", "--grant", "client_credentials", "--allow", "tube=read", "--json")
    made = json.loads(run(*argv, "--oscore", tmp_path / "svc.prov").stdout)
    with serving(state) as process:
        made = Served(process, state, made["secret"])
        with made.http:
            yield made


def test_on_a_full_disk_both_transports_say_503_and_all_is_well_when_there_is_room_again(served, tmp_path):
    context = context_of(decode_provisioning((tmp_path / "svc.prov").read_bytes()).as_context)
    given = []

    async def ask(peer):
        answer = await peer.post("/token", WANTED, context)
        if answer.code == L.CODE_CREATED:
            given.append(cbor.decode(answer.payload)[L.ACE_ACCESS_TOKEN])
        return answer

    async def play():
        async with Peer(("127.0.0.1", served.process.ready["coap"])) as peer:
            assert (await ask(peer)).code == L.CODE_CREATED
            served.fill()
            answer = await ask(peer)
            for _ in range(300):  # what room the log has is used up first
                if answer.code != L.CODE_CREATED:
                    break
                answer = await ask(peer)
            assert (answer.code, answer.payload) == (L.CODE_SERVICE_UNAVAILABLE, b"")
            assert answer.uint(L.OPT_MAX_AGE) == 5
            refused = served.http.post("/token", data=FORM)
            assert (refused.status_code, refused.content) == (503, b"")
            assert refused.headers["retry-after"] == "5"
            ready = served.http.get("/readyz")
            assert (ready.status_code, ready.text) == (503, f"not ready: {UNWRITABLE}\n")
            assert served.http.get("/healthz").status_code == 200
            served.limit(resource.RLIM_INFINITY)
            assert (await ask(peer)).code == L.CODE_CREATED
            assert served.http.post("/token", data=FORM).status_code == 200

    asyncio.run(play())
    assert len(given) == len(set(given)) >= 2
    assert served.known(given) == len(given)
    served.process.send_signal(signal.SIGTERM)
    code, _, logged = ended(served.process)
    assert code == 0
    assert 1 <= logged.count("event=database-unavailable") <= 3  # by kind of failure, not by request


class Clocks:
    wall_s = NOW_S
    ms = 50_000


@pytest.fixture
def readiness(story):
    clocks = Clocks()
    story.store.keep_clock(NOW_S, NOW_S, 0)
    clock = WatchedClock(story.store, story.settings, lambda: clocks.wall_s, lambda: clocks.ms)
    made = Readiness(story.store, clock, lambda: clocks.ms)
    made.clocks = clocks
    return made


def test_readiness_writes_seldom_however_often_somebody_asks(story, readiness, monkeypatch):
    writes = []
    real = story.store.check_writable
    monkeypatch.setattr(story.store, "check_writable", lambda: writes.append(1) or real())
    for _ in range(100):
        assert readiness.lacks() == ""
        readiness.clocks.ms += TRIED_FOR_MS // 50
    assert len(writes) == 2
    story.store._execute("PRAGMA query_only = 1")
    readiness.clocks.ms += TRIED_FOR_MS
    for _ in range(100):
        assert readiness.lacks() == UNWRITABLE
    assert len(writes) == 3
    story.store._execute("PRAGMA query_only = 0")
    readiness.clocks.ms += FAILED_FOR_MS
    assert readiness.lacks() == ""


def test_what_failed_for_a_request_makes_it_unready_for_a_while(story, readiness):
    assert readiness.lacks() == ""
    readiness.failed(StoreFailed("a commit"))
    assert readiness.lacks() == UNWRITABLE
    readiness.clocks.ms += TRIED_FOR_MS
    assert readiness.lacks() == ""


def test_who_waited_in_vain_for_the_database_waits_less_until_it_is_free(story):
    waits = lambda: story.store._one("PRAGMA busy_timeout")[0]  # noqa: E731
    assert waits() == BUSY_TIMEOUT_MS
    story.store._wait_at_most(1)
    with Store(story.store.path, serving=False) as other, other.transaction():
        with pytest.raises(Exception, match="locked"), story.store.transaction():
            pass
        assert waits() == IMPATIENT_MS
        with pytest.raises(Exception, match="locked"):
            story.store.check_writable()
        assert waits() == IMPATIENT_MS
    with story.store.transaction():
        assert waits() == BUSY_TIMEOUT_MS
    story.store.check_writable()


def test_check_says_that_the_database_cannot_be_written(run, monkeypatch):
    assert "can be written" in run("check").stdout
    real = Store.check_writable

    def read_only(store):
        store._execute("PRAGMA query_only = 1")
        real(store)

    monkeypatch.setattr(Store, "check_writable", read_only)
    assert "cannot be written: attempt to write a readonly database" in run("check", code=1).stdout


def test_the_same_line_is_said_once_a_minute_with_how_often_it_was():
    now = [0]
    seldom = Seldom(lambda: now[0])

    def said(text):
        record = log.makeRecord(log.name, 40, __file__, 1, "%s", (text,), None)
        return record.getMessage() if seldom.filter(record) else None

    assert said("a") == "a"
    assert [said("a") for _ in range(1000)] == [None] * 1000
    assert said("b") == "b"
    now[0] += EVERY_MS
    assert said("a") == "a times=1001"
    assert said("a") is None
    for number in range(3 * MAX_LINES):
        assert said(f"{number}") == f"{number}"
    assert len(seldom._lines) == MAX_LINES
