"""Who is the person at the browser? Asked behind one small interface.

An authenticator looks at the form that the person sent and answers with the
user's id, or raises LoginRefused with nothing more to learn from it. Passwords
come first; passkeys and others are further classes of the same shape.
It never sets a cookie, writes a page or decides what the person may grant.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import argon2

from holdfast_server.records import MAX_USERNAME_LEN, RegistryError

MIN_PASSWORD_LEN = 12
MAX_PASSWORD_LEN = 512
"""argon2 reads the whole password: a bound keeps a megabyte of it out."""


class LoginRefused(Exception):
    """The person is not who the form says, or may not log in. One reason for all."""


@dataclass(frozen=True, slots=True)
class Field:
    """One input of the login form: its name, its label, and what browsers should know of it."""

    name: str
    label: str
    kind: str
    autocomplete: str
    max_len: int


class Authenticator(Protocol):
    """What a login page needs of any way to tell who a person is."""

    fields: tuple[Field, ...]

    def begin(self, form: Mapping[str, str]) -> Callable[[], str]:
        """Look up what the form needs and return the check, which is slow and touches nothing shared.

        The caller runs the check in a worker thread; it returns the user's id or raises LoginRefused.
        """


PasswordHashOf = Callable[[str], str | None]
"""Port to the registry: username to argon2id hash; None when there is no such active user."""


class PasswordAuthenticator:
    """Username and password, argon2id (RFC 9106) with the library's defaults."""

    fields: tuple[Field, ...] = (
        Field("username", "Username", "text", "username", MAX_USERNAME_LEN),
        Field("password", "Password", "password", "current-password", MAX_PASSWORD_LEN),
    )

    def __init__(self, password_hash_of: PasswordHashOf, hasher: argon2.PasswordHasher | None = None) -> None:
        self._password_hash_of = password_hash_of
        self._hasher = hasher or argon2.PasswordHasher()
        # An unknown user costs as much as a known one: there is always a hash to check.
        self._nobody = self._hasher.hash("nobody")

    def begin(self, form: Mapping[str, str]) -> Callable[[], str]:
        """See Authenticator. Same work and same answer for a wrong name and a wrong password."""
        username = form.get("username", "")
        password = form.get("password", "")
        if len(username) > MAX_USERNAME_LEN or len(password) > MAX_PASSWORD_LEN:
            raise LoginRefused
        known = self._password_hash_of(username)

        def check() -> str:
            try:
                self._hasher.verify(known or self._nobody, password)
            except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
                raise LoginRefused from None
            if known is None:
                raise LoginRefused
            return username

        return check


def hash_password(password: str) -> str:
    """Return the argon2id string of a new password, which the registry stores. Takes about 0.2 s and 64 MiB.

    Raises RegistryError for a password that is too short or too long.
    """
    if not MIN_PASSWORD_LEN <= len(password) <= MAX_PASSWORD_LEN:
        raise RegistryError(
            f"A password has {MIN_PASSWORD_LEN} to {MAX_PASSWORD_LEN} characters; --generate makes one."
        )
    return argon2.PasswordHasher().hash(password)
