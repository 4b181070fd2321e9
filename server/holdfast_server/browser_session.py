"""The browser's session: a signed cookie, and a form token that only it can have.

A session is stateless: `user|issued|credential|nonce|MAC`, so nothing grows with
visitors. Before login the user part is empty; login makes a new nonce (no fixation).
Only the nonces of those who have logged out are remembered, up to MAX_ENDED; then everybody is asked to log in again.
It is tied to what the login was checked against, so that a new password ends it. A form's
token is a MAC over the session and what the form is about, so it fits no other
browser, step or request. The server makes the key anew at each start: nothing on
disk can forge a login, and a restart asks people to log in again.
Never holds a password or a code.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from holdfast_core.secret import Secret

LOGIN_LIFETIME_S = 30 * 60
"""A shared ward computer is left unattended: half an hour, then log in again."""

MAX_ENDED = 65_536
"""A hospital's logouts of months; a login for each of them takes hours at the rate at which logins may be tried."""

_NONCE_LEN = 16
_CREDENTIAL_LEN = 16
_MAC_LEN = 32
_KEY_LEN = 32


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """Who is at the browser ("" before login), since when, by which credential, and the nonce of this one."""

    user_id: str
    issued_s: int
    credential: bytes
    nonce: bytes

    @property
    def logged_in(self) -> bool:
        """True after a login."""
        return self.user_id != ""


class BrowserSessions:
    """Makes and reads session cookies and form tokens with one server key, which is made by rng."""

    def __init__(self, rng: Callable[[int], bytes]) -> None:
        self._rng = rng
        self._key = Secret(rng(_KEY_LEN))
        self._ended: set[bytes] = set()

    def start(self, user_id: str, now_s: int, credential: str = "") -> BrowserSession:
        """A fresh session for this user ("" for a visitor); credential: the hash that the login was checked by."""
        return BrowserSession(user_id, now_s, self._credential(credential), self._rng(_NONCE_LEN))

    def end(self, session: BrowserSession) -> None:
        """Take this session back: its cookie and its forms are worth nothing from now on, wherever they are kept."""
        if len(self._ended) >= MAX_ENDED:
            # No clock is asked which of them are over: one that jumps would bring some of them back.
            self._key = Secret(self._rng(_KEY_LEN))
            self._ended.clear()
        self._ended.add(session.nonce)

    def is_by(self, session: BrowserSession, credential: str) -> bool:
        """Whether the login was checked by this credential."""
        return hmac.compare_digest(session.credential, self._credential(credential))

    def cookie(self, session: BrowserSession) -> str:
        """The cookie's value: base64url, no padding."""
        known = session.credential.hex().encode()
        body = b"|".join((session.user_id.encode(), b"%d" % session.issued_s, known, session.nonce.hex().encode()))
        return base64.urlsafe_b64encode(body + self._mac(b"session", body)).rstrip(b"=").decode()

    def read(self, cookie: str | None, now_s: int) -> BrowserSession | None:
        """The session of a cookie value, or None: absent, forged, ended, or older than LOGIN_LIFETIME_S."""
        try:
            signed = base64.urlsafe_b64decode((cookie or "").encode() + b"===")
        except (binascii.Error, UnicodeEncodeError):
            return None
        body, mac = signed[:-_MAC_LEN], signed[-_MAC_LEN:]
        if not hmac.compare_digest(mac, self._mac(b"session", body)):
            return None
        user, issued, *octets = body.rsplit(b"|", 3)
        session = BrowserSession(user.decode(), int(issued), *(bytes.fromhex(part.decode()) for part in octets))
        if session.nonce in self._ended or not 0 <= now_s - session.issued_s < LOGIN_LIFETIME_S:
            return None
        return session

    def form_token(self, session: BrowserSession, step: str, about: str) -> str:
        """A token for the form of this step about this request, for this session only."""
        digest = hashlib.sha256(about.encode()).digest()
        body = b"|".join((session.user_id.encode(), session.nonce, step.encode(), digest))
        return self._mac(b"form", body).hex()

    def form_token_fits(self, token: str, session: BrowserSession, step: str, about: str) -> bool:
        """Whether this token was made by form_token for the same things."""
        expected = self.form_token(session, step, about)
        return hmac.compare_digest(token.encode(), expected.encode())

    def _credential(self, credential: str) -> bytes:
        return self._mac(b"credential", credential.encode())[:_CREDENTIAL_LEN]

    def _mac(self, purpose: bytes, body: bytes) -> bytes:
        return hmac.digest(self._key.reveal(), purpose + b"\x00" + body, "sha256")
