"""What each option means to a proxy: what passes, what stops, what is ours (RFC 7252 5.4 and 5.7; RFC 8768)."""

from holdfast_core import labels as L

Options = list[tuple[int, bytes]]

_UNSAFE = 2  # this bit of an option's number (RFC 7252 section 5.4.6)
_NO_CACHE_KEY = 0x1C
_ANY, _UINT3, _NOT_HERE = 255, 3, -1
# Options that are unsafe to forward, and how long they may be; any other unsafe one is not recognized.
_REQUEST_UNSAFE = {
    L.OPT_URI_HOST: _ANY,
    L.OPT_OBSERVE: _UINT3,
    L.OPT_URI_PORT: 2,
    L.OPT_URI_PATH: _ANY,
    L.OPT_MAX_AGE: 4,
    L.OPT_URI_QUERY: _ANY,
    L.OPT_BLOCK2: _UINT3,
    L.OPT_BLOCK1: _UINT3,
    L.OPT_PROXY_SCHEME: _ANY,
    L.OPT_NO_RESPONSE: 1,
}
_STOPS_HERE = frozenset((L.OPT_URI_HOST, L.OPT_URI_PORT, L.OPT_MAX_AGE, L.OPT_PROXY_SCHEME, L.OPT_NO_RESPONSE))
_REPEATS = frozenset((L.OPT_URI_PATH, L.OPT_URI_QUERY))
_RESPONSE_UNSAFE = {L.OPT_OBSERVE: _UINT3, L.OPT_MAX_AGE: 4, L.OPT_BLOCK2: _UINT3, L.OPT_BLOCK1: _UINT3}
_NOT_IN_KEY = frozenset((L.OPT_ETAG, L.OPT_OBSERVE, L.OPT_HOP_LIMIT, L.OPT_BLOCK2))
_OF_THE_RESOURCE = frozenset((L.OPT_URI_PATH, L.OPT_URI_QUERY))


class Refused(Exception):
    """A request that goes no further. code: what to answer."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self.code = code


class Onward:
    """What a request is on its way: the options as the next hop gets them, the values of No-Response and Observe."""

    __slots__ = ("is_protected", "observe", "options", "silence")

    def __init__(self) -> None:
        self.options: Options = []
        self.silence: int | None = None
        self.observe: int | None = None
        self.is_protected = False


def onward(options: Options, first_hop_limit: int) -> Onward:
    """What a request for a device is to the next hop.

    Hop-Limit is one less, or first_hop_limit where there was none.  Options that address the proxy are gone.
    Raises Refused: 4.02 an unsafe option that is not recognized; 4.00 a Hop-Limit of another value than 1 to 255; 5.08
    a Hop-Limit that is used up.
    """
    found = Onward()
    kept = found.options
    hops = 0
    previous = -1
    for option in options:
        number = option[0]
        if not hops and number >= L.OPT_HOP_LIMIT:
            hops = _hops_left(option, first_hop_limit)
            kept.append((L.OPT_HOP_LIMIT, bytes((hops,))))
        if number & _UNSAFE:
            value = option[1]
            if len(value) > _REQUEST_UNSAFE.get(number, _NOT_HERE) or (number == previous and number not in _REPEATS):
                raise Refused(L.CODE_BAD_OPTION)
            if number not in _STOPS_HERE:
                kept.append(option)
                if number == L.OPT_OBSERVE:
                    found.observe = int.from_bytes(value, "big")
            elif number == L.OPT_NO_RESPONSE:
                found.silence = value[0] if value else 0
        elif number != L.OPT_HOP_LIMIT:
            kept.append(option)
            if number == L.OPT_OSCORE:
                found.is_protected = True
        previous = number
    if not hops:
        kept.append((L.OPT_HOP_LIMIT, bytes((first_hop_limit,))))
    return found


def _hops_left(option: tuple[int, bytes], first_hop_limit: int) -> int:
    number, value = option
    if number != L.OPT_HOP_LIMIT:
        return first_hop_limit
    hops = int.from_bytes(value, "big")
    if not 1 <= hops <= 255:
        raise Refused(L.CODE_BAD_REQUEST)
    if hops == 1:
        raise Refused(L.CODE_HOP_LIMIT_REACHED)
    return hops - 1


def passes_back(options: Options) -> bool:
    """Whether a response may pass: it has no unsafe option that is not recognized (RFC 7252 section 5.7.1)."""
    for number, value in options:
        if number & _UNSAFE and len(value) > _RESPONSE_UNSAFE.get(number, _NOT_HERE):
            return False
    return True


def is_suppressed(code: int, silence: int | None) -> bool:
    """Whether No-Response says that the client does not want a response of this class (RFC 7967 section 2.1)."""
    return silence is not None and bool(silence >> ((code >> 5) - 1) & 1)


def resource_key(options: Options) -> tuple[tuple[int, bytes], ...]:
    """What names a resource of a device."""
    return tuple([option for option in options if option[0] in _OF_THE_RESOURCE])


def cache_key(options: Options) -> tuple[tuple[int, bytes], ...]:
    """What two requests share that one response may answer (RFC 7252 section 5.6), without what the proxy handles."""
    return tuple(
        [
            option
            for option in options
            if option[0] not in _NOT_IN_KEY and option[0] & (_UNSAFE | _NO_CACHE_KEY) != _NO_CACHE_KEY
        ]
    )


def for_ourselves(options: Options) -> tuple[Options, int | None]:
    """The options of a request for the hub itself without those that led here, and the value of No-Response."""
    silence: int | None = None
    kept: Options = []
    for option in options:
        if option[0] == L.OPT_NO_RESPONSE:
            silence = int.from_bytes(option[1][:1], "big")
        elif option[0] not in _STOPS_HERE:
            kept.append(option)
    return kept, silence
