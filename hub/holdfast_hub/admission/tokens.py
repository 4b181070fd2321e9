"""What can be read of a token without a key: the claims of one that is signed or MACed and not encrypted (RFC 8392).

Nothing here is authenticated. Claims that anybody may have written are good for one thing: not to trouble a device
with a token that it would refuse on its own word. A token that cannot be read is the device's to judge.
"""

from holdfast_core import cbor, cose
from holdfast_core import labels as L
from holdfast_core.ace_oscore import decode_authz_info
from holdfast_core.claims import Claims, decode_claims
from holdfast_core.errors import PeerError

_READABLE = (L.TAG_COSE_SIGN1, L.TAG_COSE_MAC0)
_TAGS = (L.TAG_CWT, *_READABLE, L.TAG_COSE_ENCRYPT0)


def readable_claims(posted: bytes) -> Claims | None:
    """Return the claims in the body of a POST to authz-info, None when there are none that can be read."""
    try:
        item = cbor.decode(decode_authz_info(posted).access_token, _TAGS)
        if isinstance(item, cbor.Tag) and item.number == L.TAG_CWT:
            item = item.value
        if not isinstance(item, cbor.Tag) or item.number not in _READABLE:
            return None
        return decode_claims(cose.message_from(item.number, item.value).content)
    except PeerError:
        return None
