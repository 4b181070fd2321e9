"""A device: a resource server, a client, or both, put together from its provisioning (RFC 9200).

Sans-IO: feed datagrams, tick, send what take_datagrams returns.  The random numbers of everything come from one DRBG
that is seeded with the provisioned secret, the boot counter, which is persisted before the first byte is drawn, and the
board's own generator, so that a weak generator alone can repeat nothing (RFC 9203 section 7); a broken one stops it.
"""

from holdfast_core.coap_admission import TokenBucket
from holdfast_core.coap_limits import DEVICE_LIMITS
from holdfast_core.crypto import Es256Key, hmac_sha256
from holdfast_core.drbg import HmacDrbg
from holdfast_core.kinds import REFERENCE, ROLE_SIGN
from holdfast_core.oscore_contexts import ContextTable
from holdfast_core.rules import Rules
from holdfast_core.scope import ScopeMap
from holdfast_core.sender_sequence import SenderSequence
from holdfast_core.trust import Trust, TrustedKey
from holdfast_device.answers import Answers
from holdfast_device.authz_info import AuthzInfo
from holdfast_device.cnonces import KEY_LEN, Cnonces
from holdfast_device.endpoint import Endpoint
from holdfast_device.entropy import gather
from holdfast_device.resource_server import ResourceServer
from holdfast_device.rights import Rights
from holdfast_device.sessions import MAX_PENDING, Sessions
from holdfast_device.state import State
from holdfast_device.timekeeper import Timekeeper
from holdfast_device.token_checker import TokenChecker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Any

    from holdfast_core.coap_limits import Limits
    from holdfast_core.provisioning import Provisioning, RsProvisioning
    from holdfast_core.rederive import RederivedContext
    from holdfast_device.client import AceClient
    from holdfast_device.frozen import Frozen
    from holdfast_device.introspection import Introspector
    from holdfast_device.slots import Flash
    from holdfast_device.tasks import Steps, Task

# Posts to authz-info a second and at once, by one proven address and by all: a verification may take a Cortex-M0 a
# second, and an honest client posts once per token and once per restart.
POST_RATE, POST_BURST = 1, 4
ALL_POSTS_RATE, ALL_POSTS_BURST = 2, 16
# Unprotected messages of any kind: a body of a few blocks from several clients at once passes.
PLAIN_RATE, PLAIN_BURST = 10, 40
ALL_PLAIN_RATE, ALL_PLAIN_BURST = 50, 100
MAX_ADDRESSES = 16


class Device:
    """provisioning, flash: what it was told and where it remembers.

    board_rng: n -> n bytes; NoEntropy when it is None or broken (entropy.py).
    as_peer: address of the AS for the stack, as the shell resolved it; limits, trace: of the CoAP stack.
    rs: ResourceServer, None when provisioning has none.  client: AceClient, None when it has no
    OSCORE context with an AS; a tube does not even load it.
    frozen: what it was before a sleep (hibernation.py); woke: whether that is what it goes on from.
    copied: the flash is a copy of another one, as far as the shell can tell.
    """

    __slots__ = (
        "_every",
        "as_sequence",
        "client",
        "endpoint",
        "freshness_key",
        "rng",
        "rs",
        "state",
        "times",
        "wakes",
        "woke",
    )

    def __init__(
        self,
        provisioning: "Provisioning",
        flash: "Flash",
        board_rng: "Callable[[int], bytes] | None",
        now_ms: int = 0,
        as_peer: "Hashable | None" = None,
        limits: "Limits" = DEVICE_LIMITS,
        trace: "Callable[..., None] | None" = None,
        frozen: "Frozen | None" = None,
        copied: bool = False,
    ) -> None:
        self.state = state = State(
            flash,
            provisioning.time_floor_s,
            None if frozen is None else frozen.mark,
            -1 if provisioning.rs is None else provisioning.rs.exi_floor,
            copied,
            provisioning.edition,
        )
        self.woke = state.woke
        if not state.woke:
            frozen = None
        self.wakes = 0 if frozen is None else frozen.wakes
        self.rng = _generator(provisioning, state, board_rng, frozen)
        self.freshness_key = self.rng(KEY_LEN) if frozen is None else frozen.freshness_key
        self.times = Timekeeper(state, now_ms, provisioning.time_floor_s, frozen)
        contexts = ContextTable(provisioning.max_sessions + MAX_PENDING)
        plain = TokenBucket(PLAIN_RATE, PLAIN_BURST, ALL_PLAIN_RATE, ALL_PLAIN_BURST, MAX_ADDRESSES)
        self.endpoint = Endpoint(self.rng, contexts, limits, trace, plain.admit)
        self.endpoint.now_ms = now_ms
        peer = provisioning.as_peer if as_peer is None else as_peer
        self.as_sequence = SenderSequence(
            state.as_sequence if frozen is None else frozen.as_next, state.as_sequence, state.reserve_as_sequence
        )
        as_context = self._as_context(provisioning)
        self.client = None if as_context is None else self._client(provisioning, peer, as_context)
        self._every: list[list[Any]] = []
        self.rs: ResourceServer | None = None
        if provisioning.rs is not None:
            introspector = None
            if as_context is not None and peer is not None and provisioning.rs.connected:
                from holdfast_device.introspection import Introspector

                introspector = Introspector(self.endpoint, peer, as_context)
            self.rs = self._resource_server(provisioning, provisioning.rs, contexts, introspector)
            self.endpoint.site = self.rs
            self.endpoint.before = self.rs.rights.expire

    def _as_context(self, provisioning: "Provisioning") -> "RederivedContext | None":
        """Go on in the context that the flash remembers, if it does; a first start makes another key than any other."""
        if provisioning.as_context is None:
            return None
        from holdfast_core.rederive import RederivedContext

        state = self.state
        return RederivedContext(provisioning.as_context, self.rng, state.as_id_context, self.as_sequence, state.renew)

    def _client(
        self, provisioning: "Provisioning", peer: "Hashable | None", as_context: "RederivedContext"
    ) -> "AceClient":
        from holdfast_device.client import AceClient

        return AceClient(self.endpoint, self.rng, provisioning.as_uri, peer, as_context)

    def _resource_server(
        self,
        provisioning: "Provisioning",
        own: "RsProvisioning",
        contexts: ContextTable,
        introspector: "Introspector | None",
    ) -> ResourceServer:
        times = self.times
        answers = Answers(self.endpoint, hmac_sha256(self.freshness_key, b"echo of the resource server"))
        rules = Rules(
            own.audiences,
            trust_of(provisioning),
            ScopeMap(own.scopes),  # type: ignore[arg-type]  # dict is invariant; lists are iterables
            [name for name in own.formats if introspector is not None or name != REFERENCE],
            rs_id=own.rs_id,
            require_cnonce=own.freshness,
            token_shape=own.token_shape,
        )
        checker = TokenChecker(rules, times, Cnonces(self.freshness_key), provisioning.issuer, introspector)
        sessions = Sessions(contexts, provisioning.max_sessions)
        rights = Rights(self.endpoint, times, sessions, answers, checker)
        posts = TokenBucket(POST_RATE, POST_BURST, ALL_POSTS_RATE, ALL_POSTS_BURST, MAX_ADDRESSES)
        authz_info = AuthzInfo(rights, answers, times, posts, self.rng)
        return ResourceServer(self.endpoint, answers, rights, authz_info, provisioning.as_uri, own.audiences[0])

    # --- the outside ---

    def feed(self, datagram: bytes, peer: "Hashable", now_ms: int) -> bool:
        """Take one datagram; return False when a task or handler was short of memory, and has said so (5.00).

        now_ms: monotonic milliseconds that never wrap.

        Raises MemoryError, as tick does: what was under way is lost then, as on a bad link, and no right, counter or
        countdown is; the next call makes the rest whole.
        """
        self._mend()
        return self.endpoint.feed(datagram, peer, now_ms)

    def tick(self, now_ms: int) -> None:
        """Let time pass."""
        self._mend()
        self.endpoint.tick(now_ms)
        for timer in self._every:
            if timer[0] <= now_ms:
                timer[0] = now_ms + timer[1]
                try:
                    timer[2]()
                except MemoryError:
                    raise
                except Exception as bug:  # noqa: BLE001 - a program may fail in any way, and the device goes on
                    self.endpoint.bug(bug)

    def next_deadline_ms(self) -> int | None:
        """When tick is due, None for never."""
        if self.endpoint.torn:
            return self.endpoint.now_ms
        due = [self.endpoint.next_deadline_ms(), None if self.rs is None else self.rs.rights.next_deadline_ms()]
        due.extend([timer[0] for timer in self._every])
        known = [deadline for deadline in due if deadline is not None]
        return min(known) if known else None

    def take_datagrams(self) -> "list[tuple[bytes, Hashable]]":
        """Return what is to be sent, in order: (datagram, peer)."""
        return [] if self.endpoint.torn else self.endpoint.take_datagrams()

    def _mend(self) -> None:
        if self.endpoint.torn:
            self.endpoint.whole(self._begin_anew)

    def _begin_anew(self) -> None:
        self.endpoint.begin_anew()
        if self.rs is not None:
            self.rs.answers.end_observations()

    def set_time(self, now_s: float | None, now_ms: int) -> None:
        """Take wall time, unix seconds, or None for a clock that is not set; what it ends, ends now."""
        self.times.clock.set(now_s, now_ms)
        self.tick(now_ms)

    def every(self, interval_ms: int, action: "Callable[[], object]") -> None:
        """Call action() after each interval, as near to it as ticks come."""
        self._every.append([self.endpoint.now_ms + interval_ms, interval_ms, action])

    def spawn(self, steps: "Steps") -> "Task":
        """Run a task of the application; a bug in it ends it, and no more."""
        task = self.endpoint.guarded(steps)
        task.step(None, None)
        return task


def _generator(
    provisioning: "Provisioning",
    state: State,
    board_rng: "Callable[[int], bytes] | None",
    frozen: "Frozen | None",
) -> "Callable[[int], bytes]":
    entropy = provisioning.seed.reveal() + gather(board_rng)
    nonce = state.boot.to_bytes(8, "big")
    if frozen is not None:  # the boot is the same, so what the last life drew for this one, and its number
        nonce += frozen.wakes.to_bytes(4, "big") + frozen.carried
    return HmacDrbg(entropy, nonce, b"holdfast device").generate


def trust_of(provisioning: "Provisioning") -> Trust:
    """Return the AS keys of a provisioning.  Raises MalformedKey when one is not on its curve or does not fit."""
    keys = []
    for held in provisioning.keys:
        material = held.material.reveal()
        key = Es256Key(material[:32], material[32:], held.table) if held.role == ROLE_SIGN else held.material
        keys.append(TrustedKey(held.role, held.kid, held.alg, held.issuer, key))
    return Trust(keys)
