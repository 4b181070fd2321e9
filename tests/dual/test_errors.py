"""The tree of exceptions: every leaf answers with the code that the RFCs name, and says nothing of the peer's."""

from minitest import TestCase

from holdfast_core import errors

# Typed from RFC 9200 5.10.1.1 and 5.10.2, RFC 8613 8.2, RFC 7252 12.1.2, RFC 7959 2.9, RFC 8516 3.
CODES = {
    "PeerError": 0x80,
    "Malformed": 0x80,
    "MalformedCbor": 0x80,
    "MalformedCose": 0x80,
    "MalformedClaims": 0x80,
    "MalformedScope": 0x80,
    "MalformedKey": 0x80,
    "MalformedCoap": 0x80,
    "MalformedOscore": 0x82,
    "MalformedRequest": 0x80,
    "MalformedProvisioning": 0x80,
    "TokenRejected": 0x81,
    "BadSignature": 0x81,
    "UnknownKey": 0x81,
    "UnsupportedAlg": 0x81,
    "CritUnknown": 0x81,
    "HeaderUnprotected": 0x81,
    "WrongIssuer": 0x81,
    "TokenExpired": 0x81,
    "NotYetValid": 0x81,
    "WrongAudience": 0x83,
    "ScopeUnknown": 0x80,
    "CnonceStale": 0x81,
    "Replayed": 0x81,
    "Revoked": 0x81,
    "KeyUnsuitable": 0x80,
    "ProfileUnsupported": 0x81,
    "AccessDenied": 0x81,
    "ResourceForbidden": 0x83,
    "MethodForbidden": 0x85,
    "OscoreRejected": 0x81,
    "UnknownContext": 0x81,
    "ReplayDetected": 0x81,
    "DecryptionFailed": 0x80,
    "NotAuthentic": 0x80,
    "TooLarge": 0x8D,
    "Incomplete": 0x88,
    "Overloaded": 0x9D,
}
PARENTS = {
    "Malformed": errors.PeerError,
    "TokenRejected": errors.PeerError,
    "AccessDenied": errors.PeerError,
    "OscoreRejected": errors.PeerError,
    "MalformedCbor": errors.Malformed,
    "MalformedOscore": errors.Malformed,
    "WrongAudience": errors.TokenRejected,
    "ScopeUnknown": errors.TokenRejected,
    "MethodForbidden": errors.AccessDenied,
    "DecryptionFailed": errors.OscoreRejected,
}


def peer_errors():
    for name in CODES:
        getattr(errors, name)  # a board makes a leaf when it is asked for (scripts/bundle/leaves.py)
    for name in dir(errors):
        kind = getattr(errors, name)
        if isinstance(kind, type) and issubclass(kind, errors.PeerError):
            yield name, kind


class TestErrors(TestCase):
    def test_every_peer_error_has_its_code(self):
        found = {name: kind.coap_code for name, kind in peer_errors()}
        self.assertEqual(found, CODES)

    def test_reasons_are_distinct_short_ids(self):
        reasons = [kind.reason for _, kind in peer_errors()]
        self.assertEqual(len(set(reasons)), len(reasons))
        for reason in reasons:
            self.assertEqual(reason, reason.lower())
            self.assertNotIn(" ", reason)

    def test_ace_errors_are_registered_or_none(self):
        for name, kind in peer_errors():
            self.assertIn(kind.ace_error, (None, 1, 2, 3, 4, 5, 6, 7, 8), name)
        self.assertEqual(errors.MalformedRequest.ace_error, 1)
        self.assertEqual(errors.TokenExpired.ace_error, 3)
        self.assertEqual(errors.ScopeUnknown.ace_error, 6)
        self.assertIsNone(errors.ResourceForbidden.ace_error)

    def test_the_tree(self):
        for name, parent in PARENTS.items():
            self.assertTrue(issubclass(getattr(errors, name), parent), name)
        self.assertTrue(issubclass(errors.PeerError, errors.HoldfastError))
        self.assertTrue(issubclass(errors.LocalError, errors.HoldfastError))
        self.assertFalse(issubclass(errors.LocalError, errors.PeerError))
        self.assertFalse(issubclass(errors.NotAuthentic, errors.TokenRejected))

    def test_an_instance_carries_reason_and_detail(self):
        with self.assertRaises(errors.Malformed) as caught:
            raise errors.MalformedCbor("depth")
        self.assertEqual(caught.exception.reason, "malformed-cbor")
        self.assertEqual(caught.exception.detail, "depth")
        self.assertEqual(str(caught.exception), "malformed-cbor: depth")
        bare = errors.TokenExpired()
        self.assertEqual(bare.detail, "")
        self.assertEqual(str(bare), "token-expired")
        self.assertEqual(str(errors.LocalError("type")), "local: type")
