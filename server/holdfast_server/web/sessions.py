"""The browser's session: a signed cookie, and a form token that only it can have.

A session is stateless: `user|issued|credential|nonce|MAC`, so nothing grows with
visitors. Before login the user part is empty; login makes a new nonce (no fixation).
Only the nonces of those who have logged out are remembered, up to MAX_ENDED; then everybody is asked to log in again.
It is tied to what the login was checked against, so that a new password ends it. A form's
token is a MAC over the session and what the form is about, so it fits no other
browser, step or request. The keys are kept with the server's other keys, and so are the nonces: a restart logs nobody
out, and brings no ended login back. A second cookie says that somebody has logged in on this browser before; it lets in
nobody, and gives a login there tries of its own (login_limits.py).
Never holds a password or a code.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from holdfast_core.secret import Secret
from holdfast_server.authz.clock_guard import STEP_S
from holdfast_server.base64url import b64
from holdfast_server.web.login_limits import KnownBrowser

LOGIN_LIFETIME_S = 30 * 60
"""A shared ward computer is left unattended: half an hour, then log in again."""

MAX_ENDED = 65_536
"""A hospital's logouts of months; a login for each of them takes hours at the rate at which logins may be tried."""

KNOWN_LIFETIME_S = 365 * 24 * 3600

_NONCE_LEN = 16
_CREDENTIAL_LEN = 16
_MAC_LEN = 32
_KEY_LEN = 32
_SESSIONS = "browser-sessions"
_KNOWN_BROWSERS = "known-browsers"


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


class SessionStore(Protocol):
    """Port to what outlives the process."""

    def server_secret(self, name: str, new: bytes) -> Secret:
        """The secret of this name; `new` becomes it when there is none."""

    def ended_sessions(self) -> set[bytes]:
        """The nonces of the sessions that were ended."""

    def end_session(self, nonce: bytes) -> None:
        """Remember it as ended."""

    def forget_sessions(self, name: str) -> None:
        """Drop the secret of this name and all ended sessions."""


class BrowserSessions:
    """Makes and reads cookies and form tokens with two server keys, which are made by rng and kept in the store."""

    def __init__(self, rng: Callable[[int], bytes], store: SessionStore) -> None:
        self._rng = rng
        self._store = store
        self._key = store.server_secret(_SESSIONS, rng(_KEY_LEN))
        self._known_key = store.server_secret(_KNOWN_BROWSERS, rng(_KEY_LEN))
        self._ended = store.ended_sessions()

    def start(self, user_id: str, now_s: int, credential: str = "") -> BrowserSession:
        """A fresh session for this user ("" for a visitor); credential: the hash that the login was checked by."""
        return BrowserSession(user_id, now_s, self._credential(credential), self._rng(_NONCE_LEN))

    def end(self, session: BrowserSession) -> None:
        """Take this session back: its cookie and its forms are worth nothing from now on, wherever they are kept."""
        if len(self._ended) >= MAX_ENDED:
            # No clock is asked which of them are over: one that jumps would bring some of them back.
            self._store.forget_sessions(_SESSIONS)
            self._key = self._store.server_secret(_SESSIONS, self._rng(_KEY_LEN))
            self._ended.clear()
        self._store.end_session(session.nonce)
        self._ended.add(session.nonce)

    def is_by(self, session: BrowserSession, credential: str) -> bool:
        """Whether the login was checked by this credential."""
        return hmac.compare_digest(session.credential, self._credential(credential))

    def cookie(self, session: BrowserSession) -> str:
        """The cookie's value: base64url, no padding."""
        known = session.credential.hex().encode()
        body = b"|".join((session.user_id.encode(), b"%d" % session.issued_s, known, session.nonce.hex().encode()))
        return _sealed(body, self._mac(b"session", body))

    def read(self, cookie: str | None, now_s: int) -> BrowserSession | None:
        """The session of a cookie value, or None: absent, forged, ended, of the future, or over."""
        body, mac = _unsealed(cookie)
        if not hmac.compare_digest(mac, self._mac(b"session", body)):
            return None
        user, issued, *octets = body.rsplit(b"|", 3)
        session = BrowserSession(user.decode(), int(issued), *(bytes.fromhex(part.decode()) for part in octets))
        if session.nonce in self._ended or not _is_young(session.issued_s, now_s, LOGIN_LIFETIME_S):
            return None
        return session

    def known_cookie(self, user_id: str, now_s: int) -> str:
        """The value of the cookie that a browser keeps on which this user has just logged in."""
        body = b"|".join((user_id.encode(), b"%d" % now_s, self._rng(_NONCE_LEN).hex().encode()))
        return _sealed(body, self._known_mac(body))

    def known_browser(self, cookie: str | None, now_s: int) -> KnownBrowser | None:
        """Whose browser it is, or None: absent, forged, or older than KNOWN_LIFETIME_S. It is no login."""
        body, mac = _unsealed(cookie)
        if not hmac.compare_digest(mac, self._known_mac(body)):
            return None
        user, issued, nonce = body.rsplit(b"|", 2)
        if not _is_young(int(issued), now_s, KNOWN_LIFETIME_S):
            return None
        return KnownBrowser(user.decode(), bytes.fromhex(nonce.decode()))

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

    def _known_mac(self, body: bytes) -> bytes:
        return hmac.digest(self._known_key.reveal(), body, "sha256")


def _is_young(issued_s: int, now_s: int, lifetime_s: int) -> bool:
    """Whether it is not over; a clock that was set back by as little as time daemons do ends no login."""
    return -STEP_S <= now_s - issued_s < lifetime_s


def _sealed(body: bytes, mac: bytes) -> str:
    return b64(body + mac)


def _unsealed(cookie: str | None) -> tuple[bytes, bytes]:
    """Body and MAC of a cookie's value; both empty when it is none."""
    try:
        signed = base64.urlsafe_b64decode((cookie or "").encode() + b"===")
    except (binascii.Error, UnicodeEncodeError):
        return b"", b""
    return signed[:-_MAC_LEN], signed[-_MAC_LEN:]
