"""A doctor, a nurse and a tube, with a hostile hub between them: what each did, heard and may believe, for properties.

Every request of a client has a marker, which only its own answer bears. What a client is told is one of: an answer that
opened in its session, or an error.
"""

from collections import Counter

from holdfast_core import labels as L
from holdfast_core.coap_message import decode, is_request, request, response
from holdfast_core.errors import PeerError
from holdfast_device.endpoint import RequestFailed
from holdfast_device.later import ask_later
from testkit import mint
from testkit.hostile_hub import HostileHub
from testkit.link import Random
from testkit.story import AS_URI, NOW_S, TUBE, World, held

SCOPES = {"doctor": "read_result calibrate", "nurse": "read_result"}
MAY = {"doctor": {"result", "calibration"}, "nurse": {"result"}}
LIFE_S = 3600
ROUNDS = 8
CHANGES = 12
LARGE = 1500


class HostileStory:
    """believes: how a client takes what its session says; None: as it is.  public: the device's planted mistake."""

    def __init__(self, seed, tricks, percent=30, believes=None, public=False):
        self.world = World(seed)
        self.random = Random(seed + 1000)
        self.believes = believes
        scopes = self.world.provisionings["tube"].rs.scopes
        scopes["read_result"] = [("/result", L.METHOD_GET), ("/state", L.METHOD_GET)]
        self.tube = self.world.boot("tube")
        self.runs = Counter()  # of handlers, by path and marker
        self.late = []  # what ran after every token was over
        self.state = 0
        self.told = {}  # (client, path, marker): Message or error
        self.watched = {name: [] for name in SCOPES}
        self.hints = {}
        self.opened = Counter()
        self._serial = 0
        rs = self.tube.rs
        rs.resource("/result", get=lambda asked: self._run("result", asked.message.queries()), public=public)
        rs.resource("/calibration", put=lambda asked: self._run("calibration", [asked.message.payload]), public=public)
        rs.resource("/state", get=lambda _asked: response(L.CODE_CONTENT, b"%d" % self.state), observable=True)
        self.clients = {name: self.world.client(name, 3 + at) for at, name in enumerate(SCOPES)}
        self.hub = HostileHub(self.world.link, SCOPES, seed, tricks, percent)
        self.ended = {}

    def _run(self, path, texts):
        marker = (
            b"".join(text.encode() if isinstance(text, str) else bytes(text) for text in texts).decode().rstrip(".")
        )
        self.runs[(path, marker)] += 1
        if self.world.now_ms > 1000 * LIFE_S:
            self.late.append((path, marker))
        return response(L.CODE_CONTENT if path == "result" else L.CODE_CHANGED, self._body(f"{path} for {marker}"))

    def _body(self, text):
        """What ends in 0 or 5 takes several blocks, which end in dots."""
        return text.ljust(LARGE if text.endswith(("0", "5")) else 0, ".").encode()

    # --- what clients do ---

    def play(self):
        """All that happens; then a year, in which the hub sends what it has kept."""
        for name in SCOPES:
            self._start(name, self._visit(name))
        for _ in range(CHANGES):
            self.world.link.run(for_ms=25_000)
            self.state += 1
            self.tube.rs.changed("/state")
        self.world.link.run(for_ms=3_000_000)
        self.world.link.run(for_ms=2 * 365 * 86_400_000, max_steps=2_000_000)
        return self

    def _start(self, name, steps):
        endpoint = self.clients[name].endpoint
        endpoint.now_ms = self.world.now_ms
        self.ended[name] = None

        def ended(_value, error):
            self.ended[name] = error or "done"

        endpoint.spawn(steps).when_ended(ended)

    def _visit(self, name):
        session, watch = None, None
        try:
            self.hints[name] = yield from self.clients[name].ask_hints("hub", "/result")
        except PeerError as error:
            self.hints[name] = error
        for number in range(ROUNDS):
            if session is None or not session.is_open:
                session = yield from self._open(name)
                if session is None:
                    continue
                if watch is None:
                    watch = session.observe(request(L.CODE_GET, "/state"))
                    self.clients[name].endpoint.spawn(self._watch(name, watch))
            path = "calibration" if self.random.below(2) else "result"
            yield from self._ask(session, name, path, f"{name}-{number}")

    def _open(self, name):
        self._serial += 1
        key = b"%s-%d" % (name.encode(), self._serial)
        claims = mint.claims(TUBE, SCOPES[name], NOW_S, key=key, life_s=LIFE_S)
        token = held(mint.encrypted(claims), key, self.world.now_ms, LIFE_S - self.world.now_ms // 1000)
        for _ in range(3):
            try:
                session = yield from self.clients[name].open_session("hub", token)
            except PeerError as error:
                self.told[(name, "authz-info", f"{name}-{self._serial}")] = error
            else:
                self.opened[name] += 1
                return session
        return None

    def _ask(self, session, name, path, marker):
        if path == "result":
            message = request(L.CODE_GET, "/result").add(L.OPT_URI_QUERY, marker)
        else:
            message = request(L.CODE_PUT, "/calibration", self._body(marker))
        key = (name, path, marker)
        self.told[key] = None
        try:
            if self.random.below(3) or len(message.payload) == LARGE:
                answer = yield from session.request(message)
            else:
                answer = yield from self._later(session, message)
        except RequestFailed as failed:
            answer = self.believes(failed) if self.believes else failed
        except PeerError as error:
            answer = error
        self.told[key] = answer

    def _later(self, session, message):
        ticket = yield from ask_later(session, message)
        for _ in range(4):
            answer = yield from ticket.collect()
            if answer is not None:
                return answer
        raise RequestFailed("not-yet")

    def _watch(self, name, watch):
        while True:
            try:
                message = yield watch.next()
            except PeerError:
                return
            self.watched[name].append((self.state, message.code, bytes(message.payload)))

    # --- what must hold ---

    def violations(self):
        """Sentences; none when the ends were safe whatever the hub did."""
        found = []
        for name, ended in self.ended.items():
            if ended != "done":
                found.append(f"{name} was never told: {ended!r}")
        for (name, path, marker), answer in self.told.items():
            if path != "authz-info":
                found += self._of_answer(name, path, marker, answer)
        for (path, marker), times in self.runs.items():
            name = marker.partition("-")[0]
            is_blocks = path == "result" and marker.endswith(("0", "5"))  # a GET each, which may be rendered anew
            if times > 1 and not is_blocks:
                found.append(f"{path} ran {times} times for {marker}")
            if path not in MAY.get(name, ()) or (name, path, marker) not in self.told:
                found.append(f"{path} ran for {marker}, which had no right")
        found += [f"{path} ran for {marker} after its token was over" for path, marker in self.late]
        found += self._of_the_wire()
        for name, hints in self.hints.items():
            if not isinstance(hints, PeerError) and hints.as_uri not in (None, AS_URI):
                found.append(f"{name} would ask {hints.as_uri} for a token")
        for name, seen in self.watched.items():
            found += self._of_watch(name, seen)
        return found

    def _of_answer(self, name, path, marker, answer):
        ran = self.runs[(path, marker)]
        if answer is None:
            yield f"{name} never heard of {marker}"
        elif isinstance(answer, PeerError) or answer.code >> 5 != 2:
            return
        elif answer.payload != self._body(f"{path} for {marker}") or not ran:
            yield f"{name} believes {bytes(answer.payload)!r} for {marker}"

    def _of_the_wire(self):
        """The hub has read nothing of what is protected, and no client has fallen back to asking in the clear."""
        for _, sender, _, datagram in self.world.link.log:
            if any(f"{name}-".encode() in datagram for name in SCOPES):
                yield f"what {sender} sent can be read"
            if sender in SCOPES:
                message = decode(datagram)
                path = message.path() if is_request(message.code) else ""
                if message.get(L.OPT_OSCORE) is None and (path == "/calibration" or message.queries()):
                    yield f"{sender} asks for {path} in the clear"

    def _of_watch(self, name, seen):
        newest = -1
        for state, code, payload in seen:
            if code != L.CODE_CONTENT:
                continue
            value = int(payload) if payload.isdigit() else None
            if value is None or value > state:
                yield f"{name} believes a state of {payload!r}"
            elif value < newest:
                yield f"{name} takes state {value} after {newest}"
            else:
                newest = value

    def losses(self):
        """What was lost and at which end it is seen: "request": it never ran, "answer": it ran, and the client was
        told of a failure. Both are seen by the client; the device sees of neither more than a gap in the numbers.
        """
        counts = Counter()
        for (_, path, marker), answer in self.told.items():
            if isinstance(answer, PeerError) and path != "authz-info":
                counts["answer" if self.runs[(path, marker)] else "request"] += 1
            elif answer is not None and not isinstance(answer, PeerError):
                counts["success" if answer.code >> 5 == 2 else "refused"] += 1
        return counts
