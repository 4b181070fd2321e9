"""The AS's keys: the ES256 key that signs tokens, and for each RS the AES-CCM key that encrypts them or the HMAC key.

Every role has a current key and a next one; devices are provisioned with both, so that a rotation reaches no device too
late.  A retired key is still given to devices until its tokens are gone.  Never lets a private signing key out: callers
sign through SigningKey, and devices get the public half.  RFC 9200 section 6.1: each RS has its own encryption key.
"""

from collections.abc import Callable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from holdfast_core import crypto
from holdfast_core import labels as L
from holdfast_core.errors import LocalError
from holdfast_core.kinds import COORDINATE_LEN, ROLE_ENCRYPT, ROLE_MAC, ROLE_SIGN
from holdfast_core.secret import Secret
from holdfast_core.trust import Trust, TrustedKey
from holdfast_server.authz.ports import KeyStore
from holdfast_server.records import STATE_CURRENT, STATE_NEXT, STATE_RETIRED, KeyRecord, RegistryError

KID_LEN = 4  # chosen at random and unique in the table; it travels in every token
_SHARED_KEYS = {ROLE_ENCRYPT: (L.ALG_AES_CCM_16_64_128, 16), ROLE_MAC: (L.ALG_HMAC_256_256, 32)}
"""Algorithm and key length of what an RS shares with the server."""
_ES256 = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)  # RFC 6979: a weak RNG cannot leak the key
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # n of P-256


class SigningKey:
    """An ES256 key pair by its kid.  x, y: the public point, 32 bytes each."""

    def __init__(self, kid: bytes, scalar: Secret) -> None:
        self.kid = kid
        self._private = ec.derive_private_key(int.from_bytes(scalar.reveal(), "big"), ec.SECP256R1())
        point = self._private.public_key().public_numbers()
        self.x = point.x.to_bytes(COORDINATE_LEN, "big")
        self.y = point.y.to_bytes(COORDINATE_LEN, "big")

    def sign(self, message: bytes) -> bytes:
        """Return r || s, 64 bytes (RFC 9053 section 2.1)."""
        r, s = decode_dss_signature(self._private.sign(message, _ES256))
        return r.to_bytes(COORDINATE_LEN, "big") + s.to_bytes(COORDINATE_LEN, "big")

    def __repr__(self) -> str:
        return f"SigningKey(kid={self.kid.hex()})"


class Keyring:
    """The keys in the store.  rng: n -> n random bytes."""

    def __init__(self, store: KeyStore, rng: Callable[[int], bytes]) -> None:
        self._store = store
        self._rng = rng
        self._signers: dict[bytes, SigningKey] = {}

    def make_keys(self, role: str, rs_id: str | None, now_s: int) -> None:
        """Make what is missing of a role's current and next key; rs_id: for the roles that an RS shares."""
        with self._store.transaction():
            present = {key.state for key in self._store.keys(role, rs_id)}
            for state in (STATE_CURRENT, STATE_NEXT):
                if state not in present:
                    self._add(role, rs_id, state, now_s)

    def rotate(self, role: str, rs_id: str | None, now_s: int, overlap_s: int) -> None:
        """Make the next key current and a new one next; the old one stays with devices for overlap_s more."""
        with self._store.transaction():
            self.make_keys(role, rs_id, now_s)
            current = self._current(role, rs_id)
            upcoming = next(key for key in self._store.keys(role, rs_id) if key.state == STATE_NEXT)
            self._store.set_key_state(current.kid, STATE_RETIRED, now_s + overlap_s)
            self._store.set_key_state(upcoming.kid, STATE_CURRENT)
            self._add(role, rs_id, STATE_NEXT, now_s)
            self._store.audit(now_s, "key-rotated", rs_id=rs_id, reason=role)

    def take_in(self, role: str, rs_id: str, kid: bytes, secret: Secret, now_s: int, overlap_s: int) -> None:
        """Make a key that was made elsewhere the current one of an RS; the former one stays for overlap_s more.

        Raises RegistryError: its length is wrong, or this key or its kid is here already, as anybody's.
        """
        alg, length = _SHARED_KEYS[role]
        if len(secret.reveal()) != length:
            raise RegistryError(f"the key must have {length} bytes, to {role} tokens")
        with self._store.transaction():
            known = self._store.all_keys()
            if any(key.kid == kid or key.secret == secret for key in known):
                raise RegistryError("this key or its kid is here already: a key is for one RS, and is imported once")
            for key in self._store.keys(role, rs_id):
                if key.state == STATE_CURRENT:
                    self._store.set_key_state(key.kid, STATE_RETIRED, now_s + overlap_s)
            self._store.add_key(KeyRecord(kid, role, rs_id, alg, secret, STATE_CURRENT, now_s))
            self._store.audit(now_s, "key-imported", rs_id=rs_id, reason=role)

    def next_kid(self, role: str, rs_id: str | None) -> bytes | None:
        """Return the id of the key that a rotation makes current; None when it has yet to be made."""
        return next((key.kid for key in self._store.keys(role, rs_id) if key.state == STATE_NEXT), None)

    def signing_key(self) -> SigningKey:
        """Return the key that signs tokens now; LocalError when none was ever made."""
        return self._signer(self._current(ROLE_SIGN, None))

    def encryption_key(self, rs_id: str) -> KeyRecord:
        """Return the key that encrypts tokens for an RS now; LocalError when none was ever made."""
        return self._current(ROLE_ENCRYPT, rs_id)

    def mac_key(self, rs_id: str) -> KeyRecord:
        """Return the key that MACs tokens for an RS now; LocalError when none was ever made."""
        return self._current(ROLE_MAC, rs_id)

    def shared_keys(self, rs_id: str) -> list[KeyRecord]:
        """Return the keys that an RS shares with this server, of every role."""
        return [key for role in _SHARED_KEYS for key in self.held_keys(role, rs_id)]

    def held_keys(self, role: str, rs_id: str | None = None) -> list[KeyRecord]:
        """Return the keys of a role that devices hold: current, next, and retired ones until the sweep takes them."""
        return self._store.keys(role, rs_id)

    def public_keys(self) -> list[SigningKey]:
        """Return the signing keys whose public halves devices hold."""
        return [self._signer(key) for key in self.held_keys(ROLE_SIGN)]

    def trust_for(self, rs_id: str, issuer: str) -> Trust:
        """Return what an RS trusts: the AS's public keys and the keys that it shares."""
        public = [
            TrustedKey(ROLE_SIGN, key.kid, L.ALG_ES256, issuer, crypto.Es256Key(key.x, key.y))
            for key in self.public_keys()
        ]
        shared = [TrustedKey(key.role, key.kid, key.alg, issuer, key.secret) for key in self.shared_keys(rs_id)]
        return Trust(public + shared)

    def _current(self, role: str, rs_id: str | None) -> KeyRecord:
        for key in self._store.keys(role, rs_id):
            if key.state == STATE_CURRENT:
                return key
        raise LocalError("no-key")

    def _signer(self, key: KeyRecord) -> SigningKey:
        if key.kid not in self._signers:
            self._signers[key.kid] = SigningKey(key.kid, key.secret)
        return self._signers[key.kid]

    def _add(self, role: str, rs_id: str | None, state: str, now_s: int) -> None:
        if role == ROLE_SIGN:
            alg, secret = L.ALG_ES256, self._scalar()
        else:
            alg, length = _SHARED_KEYS[role]
            secret = Secret(self._rng(length))
        self._store.add_key(KeyRecord(self._free_kid(), role, rs_id, alg, secret, state, now_s))

    def _scalar(self) -> Secret:
        """Draw a private scalar: rejection sampling, 1..n-1 (FIPS 186-5 A.2.2)."""
        while True:
            candidate = self._rng(COORDINATE_LEN)
            if 0 < int.from_bytes(candidate, "big") < _ORDER:
                return Secret(candidate)

    def _free_kid(self) -> bytes:
        while True:
            kid = self._rng(KID_LEN)
            if self._store.key(kid) is None:
                return kid
