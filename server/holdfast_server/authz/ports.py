"""What each decision asks of the store: one Protocol for each consumer, which store.sqlite.Store implements.

Never a statement, never a database.  Every method may raise StoreBusy or StoreFailed (errors.py); a method that changes
something is called inside transaction(), or is one transaction by itself.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from holdfast_server.records import (
    Client,
    CodeRecord,
    ExportRecord,
    KeyRecord,
    OscoreParty,
    ResourceServer,
    TokenRecord,
    Unfinished,
    User,
)


class AuditLog(Protocol):
    """Of refusals.py, and of everybody who writes down what they did."""

    def transaction(self) -> AbstractContextManager[None]:
        """Everything inside is committed, or on an exception undone; a nested call is undone alone."""

    def audit(
        self,
        now_s: int,
        event: str,
        *,
        client_id: str | None = None,
        rs_id: str | None = None,
        user_id: str | None = None,
        token_id: int | None = None,
        reason: str = "",
        address: str = "",
    ) -> None:
        """Add one row.  reason: constant text; address: where the request came from."""


class Records(Protocol):
    """Of standing.py: the parties that a token speaks for, as they are today."""

    def client(self, client_id: str) -> Client | None:
        """Return the client of this id, or None."""

    def user(self, user_id: str) -> User | None:
        """Return the person of this id, or None."""

    def members_of(self, audience: str) -> Sequence[ResourceServer]:
        """Return the resource servers that answer to an audience."""

    def token_by_id(self, token_id: int) -> TokenRecord | None:
        """Return the token of this number, whatever its state, or None."""


class KeyStore(AuditLog, Protocol):
    """Of keyring.py."""

    def add_key(self, key: KeyRecord) -> None:
        """Insert a key.  Raises StoreFailed when its kid or its state is taken."""

    def key(self, kid: bytes) -> KeyRecord | None:
        """Return the key with this kid, or None."""

    def keys(self, role: str, rs_id: str | None = None) -> list[KeyRecord]:
        """Return the keys of a role, those of one RS when rs_id is told, oldest first."""

    def all_keys(self) -> list[KeyRecord]:
        """Return every key, oldest first."""

    def set_key_state(self, kid: bytes, state: str, retired_until: int | None = None) -> None:
        """Move a key along next -> current -> retired."""


class GrantStore(Records, Protocol):
    """Of grants.py, policy.py and introspection.py: what a request shows, looked up."""

    def resource_server(self, rs_id: str) -> ResourceServer | None:
        """Return the RS of this id, or None."""

    def token(self, token: bytes) -> TokenRecord | None:
        """Return the record of a token, whatever its state, or None."""

    def code(self, code_hash: bytes) -> CodeRecord | None:
        """Return a code, consumed or not, or None."""

    def consume_code(self, code_hash: bytes, now_s: int) -> bool:
        """Use a code up; True for exactly one caller ever."""

    def pop_key_issued(self, client_id: str, audience: str, pop_kid: bytes, now_s: int) -> bool:
        """Tell whether a token that is still good binds this key to this client and audience (RFC 9203 section 3.1)."""


class SealingStore(Records, Protocol):
    """Of sealing.py: what a hub shows."""

    def token(self, token: bytes) -> TokenRecord | None:
        """Return the record of a token, whatever its state, or None."""

    def split_token(self, handle: bytes) -> tuple[TokenRecord, bytes] | None:
        """Return the record of a split token, whatever its state, and the rest of it, or None."""


class CodeStore(Records, AuditLog, Protocol):
    """Of authorization.py."""

    def add_code(self, code: CodeRecord) -> None:
        """Insert a code."""

    def put_consent(self, user_id: str, client_id: str, audience: str, scope: str, now_s: int) -> None:
        """Remember what a person has allowed a client, instead of what they allowed before."""


class IssueStore(AuditLog, Protocol):
    """Of issue.py."""

    def add_token(self, token: TokenRecord) -> int:
        """Insert a token; returns its token_id, which no other token ever had or gets."""

    def put_rest(self, token_id: int, handle: bytes, rest: bytes) -> None:
        """Keep what a hub gets for the handle of a split token."""

    def next_exi_sequence(self, rs_id: str) -> int:
        """Return a sequence number for exi that no token of this RS ever had (RFC 9200 section 5.10.3)."""

    def remember_code(self, code_hash: bytes, until_s: int) -> None:
        """Keep a consumed code as long as what it gave: its replay revokes that (RFC 6749 section 4.1.2)."""


class RevocationStore(AuditLog, Protocol):
    """Of revocation.py."""

    def revoke_tokens(self, token_ids: Sequence[int], now_s: int) -> list[int]:
        """Revoke these tokens and no others; returns the ids newly revoked."""

    def live_children(self, token_id: int, after: int, limit: int) -> list[int]:
        """Return at most `limit` numbers above `after` of live tokens that were exchanged for this one, in order."""

    def with_live_children(self, token_ids: Sequence[int]) -> list[int]:
        """Return those of these tokens for which one was exchanged that is not revoked."""

    def unfinished_revocations(self, limit: int) -> list[Unfinished]:
        """Return at most `limit` of them."""

    def put_unfinished_revocation(self, unfinished: Unfinished) -> None:
        """Add one, or count what was revoked."""

    def finish_revocation(self, token_id: int) -> None:
        """Forget one."""


class AuthorizationStore(SealingStore, GrantStore, CodeStore, IssueStore, RevocationStore, Protocol):
    """Of authorization_server.py, which hands it on to the others."""

    def live_tokens_of(self, client_id: str) -> int:
        """How many tokens of a client are not revoked and not deleted yet, by one look-up."""

    def oscore_party(self, *, client_id: str | None = None, rs_id: str | None = None) -> OscoreParty | None:
        """Return the context of a client or of an RS, or None."""

    def tokens_of_code(self, code_hash: bytes) -> list[int]:
        """Return the numbers of the tokens that were issued for an authorization code."""


class ExportStore(AuditLog, Protocol):
    """Of exports.py."""

    def put_device_keys(self, rs_id: str, kids: list[bytes]) -> None:
        """Remember which keys the device of an RS holds now, instead of those before."""

    def key(self, kid: bytes) -> KeyRecord | None:
        """Return the key with this kid, or None."""

    def resource_server(self, rs_id: str) -> ResourceServer | None:
        """Return the RS of this id, or None."""

    def oscore_party(self, *, client_id: str | None = None, rs_id: str | None = None) -> OscoreParty | None:
        """Return the context of a client or of an RS, or None."""

    def exi_sequence(self, rs_id: str) -> int:
        """Return the last sequence number for exi that a token of this RS had."""

    def next_edition(self) -> int:
        """Return a number for a provisioning file that none ever had."""

    def put_export(self, rs_id: str, parts: dict[str, Any], now_s: int) -> None:
        """Remember what a device is told now, instead of what it was told before."""

    def export(self, rs_id: str) -> ExportRecord | None:
        """Return what a device was told last, or None when it never was."""


class RegistryStore(RevocationStore, Records, Protocol):
    """Of registry.py and parties.py."""

    def put_client(self, client: Client, now_s: int) -> None:
        """Insert a client, or replace the one of its id."""

    def delete_client(self, client_id: str) -> bool:
        """Remove a client with its consents and its context; False when there was none."""

    def resource_server(self, rs_id: str) -> ResourceServer | None:
        """Return the RS of this id, or None."""

    def resource_servers(self, limit: int = -1) -> list[ResourceServer]:
        """Return them by id."""

    def put_resource_server(self, rs: ResourceServer, now_s: int) -> None:
        """Insert an RS, or replace the one of its id, with its audiences."""

    def delete_resource_server(self, rs_id: str) -> bool:
        """Remove an RS with its keys and its context; False when there was none."""

    def put_user(self, user: User, now_s: int) -> None:
        """Insert a person, or replace the one of this id."""

    def delete_user(self, user_id: str) -> bool:
        """Remove a person with their consents; False when there was none."""

    def oscore_party(self, *, client_id: str | None = None, rs_id: str | None = None) -> OscoreParty | None:
        """Return the context of a client or of an RS, or None."""

    def delete_oscore_party(self, recipient_id: bytes) -> None:
        """Forget a context."""

    def add_oscore_party(self, party: OscoreParty, now_s: int) -> None:
        """Insert a context.  Raises StoreFailed when its recipient_id, client or RS has one."""

    def oscore_parties(self) -> list[OscoreParty]:
        """Return every context, by recipient_id."""

    def add_device_key(self, rs_id: str, kid: bytes) -> None:
        """Remember that the device of an RS holds this key too."""

    def devices_without(self, kid: bytes | None) -> list[str]:
        """Return the RSs whose devices were given keys, and not this one, by id; None: no key."""

    def live_tokens(
        self, now_s: int, *, client_id: str | None = None, user_id: str | None = None, audiences: Sequence[str] = ()
    ) -> list[TokenRecord]:
        """Return the live tokens of a client, a person or audiences, with what was exchanged for them."""

    def tokens_after(
        self,
        after: int,
        limit: int,
        *,
        client_id: str | None = None,
        user_id: str | None = None,
        audiences: Sequence[str] = (),
        revoked: bool = False,
    ) -> list[int]:
        """Return at most `limit` numbers above `after` of tokens of a client, a person or audiences, in order."""

    def exchanged_for(self, token_ids: Sequence[int], limit: int) -> list[int]:
        """Return at most `limit` tokens, revoked or not, that were exchanged for these."""

    def delete_tokens(self, token_ids: Sequence[int]) -> None:
        """Forget these tokens and all that was exchanged for them."""


class ChangeStore(RegistryStore, Protocol):
    """Of changes.py."""

    def narrow_token(self, token_id: int, scope: str | bytes, expires_at: int) -> None:
        """Leave a token less than it had; for reference tokens, since no other can be called back in part."""

    def strange_audiences(self) -> list[str]:
        """Return the audiences of tokens that are not revoked to which no resource server answers any more."""
