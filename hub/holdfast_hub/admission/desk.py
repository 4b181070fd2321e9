"""The desk that refuses early: too many requests of a client, too many to a device, a token that is over or foreign.

It is asked first and only ever says no; whoever passes has been allowed nothing, because the device decides for itself.
A host that the hub has no device for has been refused by then (proxy/targets.py: 4.04, or 5.05 to a forward proxy).

    4.29 + Max-Age   a client asks too fast, or has used up its quota (RFC 8516)
    5.03 + Max-Age   a device has been asked as often as its operator allows (RFC 7252 section 5.9.3.4)
    4.01             a token is over, or of an issuer that no device here knows (RFC 9200 section 5.10.1.1)
    4.03             a token is for somebody else (the same)
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from holdfast_core import labels as L
from holdfast_core.coap_admission import TokenBucket
from holdfast_core.coap_message import Message
from holdfast_core.errors import TokenExpired, WrongAudience, WrongIssuer
from holdfast_hub.admission.tokens import readable_claims
from holdfast_hub.ports import Gateway
from holdfast_hub.records import Asked, Device, Now

TOO_FAST, CLIENT_QUOTA, DEVICE_QUOTA = "too-fast", "client-quota", "device-quota"
OVER, FOREIGN, NOT_FOR_IT = "token-over", "token-foreign", "token-not-for-it"
_TEXTS = {
    TOO_FAST: b"too many requests at once",
    CLIENT_QUOTA: b"the quota of this client is used up",
    DEVICE_QUOTA: b"the quota of this device is used up",
    OVER: b"the token is over",
    FOREIGN: b"the token is of another issuer",
    NOT_FOR_IT: b"the token is for another audience",
}
_AUTHZ_INFO = [b"authz-info"]
_FRESH_S = 1


@dataclass(frozen=True, slots=True)
class Limits:
    """What an operator may set; 0, and no issuers: no limit of that kind.

    per_s, at_once: requests of one network address, in a row and at once. all_per_s, all_at_once: of all together.
    client_quota, device_quota: requests of one address, and to one device, in quota_s seconds. issuers: what `iss` may
    say, where a token says it. check_audience: refuse a token whose `aud` does not name the device, for devices that
    have an audience in their entry. grace_s: a token is over so long after its `exp`, for clocks differ.
    clients, devices: how many of them are counted; the one that has been quiet for longest is forgotten.
    """

    per_s: float = 0
    at_once: int = 20
    all_per_s: float = 0
    all_at_once: int = 1000
    client_quota: int = 0
    device_quota: int = 0
    quota_s: int = 3600
    issuers: tuple[str, ...] = ()
    check_audience: bool = False
    grace_s: int = 300
    clients: int = 4096
    devices: int = 20_000


class Quotas:
    """How much is left of a quota, for each key; a bounded table. A window begins with the first that is counted."""

    __slots__ = ("_kept", "_most", "_quota", "_window_ms")

    def __init__(self, quota: int, window_s: int, most: int) -> None:
        self._quota = quota
        self._window_ms = window_s * 1000
        self._most = most
        self._kept: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()  # key: (when the window ends, how many)

    def __len__(self) -> int:
        return len(self._kept)

    def wait_s(self, key: Hashable, now_ms: int) -> int:
        """Seconds until one more would be in the quota, 0 for now."""
        ends_ms, count = self._kept.get(key, (0, 0))
        if now_ms >= ends_ms or count < self._quota:
            return 0
        return -((now_ms - ends_ms) // 1000)

    def count(self, key: Hashable, now_ms: int) -> None:
        """Count one."""
        ends_ms, count = self._kept.pop(key, (0, 0))
        if now_ms >= ends_ms:
            ends_ms, count = now_ms + self._window_ms, 0
        if len(self._kept) >= self._most:
            self._kept.popitem(last=False)
        self._kept[key] = ends_ms, count + 1


class AdmissionDesk:
    """A Desk of ports.py, to be asked first. counts: how often each reason was given, for an operator."""

    __slots__ = ("_bucket", "_clients", "_devices", "_gateway", "_limits", "counts")

    def __init__(self, gateway: Gateway, limits: Limits | None = None) -> None:
        self._gateway = gateway
        self._limits = limits = limits or Limits()
        self.counts = dict.fromkeys(_TEXTS, 0)
        self._bucket: TokenBucket | None = None
        if limits.per_s or limits.all_per_s:
            self._bucket = TokenBucket(*_endless(limits), max_addresses=limits.clients)
        self._clients = Quotas(limits.client_quota, limits.quota_s, limits.clients)
        self._devices = Quotas(limits.device_quota, limits.quota_s, limits.devices)

    def serve(self, asked: Asked, now: Now) -> bool:
        """Refuse a request, or leave it to the next desk."""
        wait_s = 0
        if self._bucket is not None and not self._bucket.admit(asked.client, now.ms, 0):
            why, wait_s = TOO_FAST, self._bucket_wait_s()
        else:
            why = self._token_fault(asked.message, asked.device, now)
            if not why:
                why, wait_s = self._over_quota(asked.client[0], asked.device, now.ms)
        if not why:
            return False
        self.counts[why] += 1
        self._gateway.respond(asked, refusal(why, wait_s), now.ms)
        return True

    def _over_quota(self, address: object, device: Device | None, now_ms: int) -> tuple[str, int]:
        """Count a request that is within the quotas; else say which it is over, and for how long. Neither counts then.

        address is what clients have in their first item, or a device's name; requests for the hub count for the
        client alone.
        """
        limits = self._limits
        if limits.client_quota and (wait_s := self._clients.wait_s(address, now_ms)):  # type: ignore[arg-type]
            return CLIENT_QUOTA, wait_s
        if limits.device_quota and device is not None:
            if wait_s := self._devices.wait_s(device.name, now_ms):
                return DEVICE_QUOTA, wait_s
            self._devices.count(device.name, now_ms)
        if limits.client_quota:
            self._clients.count(address, now_ms)  # type: ignore[arg-type]
        return "", 0

    def _token_fault(self, message: Message, device: Device | None, now: Now) -> str:
        """Why the device would refuse the token that is posted, as far as its claims can be read; "" when it may not.

        An update of rights comes under OSCORE and is never read.
        """
        if (
            device is None
            or message.code != L.CODE_POST
            or message.get(L.OPT_OSCORE) is not None
            or message.get_all(L.OPT_URI_PATH) != _AUTHZ_INFO
        ):
            return ""
        limits = self._limits
        claims = readable_claims(message.payload)
        if claims is None:
            return ""
        if now.wall_s is not None and claims.exp is not None and claims.exp + limits.grace_s <= now.wall_s:
            return OVER
        if limits.issuers and claims.iss is not None and claims.iss not in limits.issuers:
            return FOREIGN
        if limits.check_audience and device.audience and claims.aud and device.audience not in claims.aud:
            return NOT_FOR_IT
        return ""

    def _bucket_wait_s(self) -> int:
        rates = [rate for rate in (self._limits.per_s, self._limits.all_per_s) if rate]
        return max(_FRESH_S, int(1 / min(rates) + 0.999))


def refusal(why: str, wait_s: int) -> Message:
    """Return the answer: a code, Max-Age when coming again helps, and constant text (RFC 7252 section 5.5.2)."""
    if why in (TOO_FAST, CLIENT_QUOTA):
        return Message(L.CODE_TOO_MANY_REQUESTS, _TEXTS[why]).add(L.OPT_MAX_AGE, wait_s)
    if why == DEVICE_QUOTA:
        return Message(L.CODE_SERVICE_UNAVAILABLE, _TEXTS[why]).add(L.OPT_MAX_AGE, wait_s)
    fault = {OVER: TokenExpired, FOREIGN: WrongIssuer, NOT_FOR_IT: WrongAudience}[why]
    return Message(fault.coap_code, _TEXTS[why])


def _endless(limits: Limits) -> tuple[float, int, float, int]:
    """Rates for a TokenBucket, which knows no "no limit"."""
    most = 1 << 30
    own = (limits.per_s, limits.at_once) if limits.per_s else (most, most)
    return (*own, *((limits.all_per_s, limits.all_at_once) if limits.all_per_s else (most, most)))
