"""OSCORE contexts that leave to, and come from, parties that are not Holdfast's: each is used from one place only.

An export makes a new context and ends the one before, so that nobody else has used it.  An import may have been used
elsewhere, and the operator says how it starts here.  A digest of each key is remembered, so that none of them ever
starts twice.  Sans-IO.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.secret import Secret
from holdfast_server.authz.registry import MASTER_SALT_LEN, Registry
from holdfast_server.records import AS_SENDER_ID, OscoreParty, RegistryError
from holdfast_server.store.home import EPOCH_JUMP
from holdfast_server.store.sqlite import Store
from holdfast_server.wire.context_forms import ContextParameters, check_context

JUMP, UNUSED, REDERIVE = "jump", "unused", "b2"
STARTS = (JUMP, UNUSED, REDERIVE)
MAX_REMEMBERED = 200_000
"""Digests of keys, two for each context that was exported or imported; a server with more is several servers."""
SECRET_LEN = 32
JUMP_LEN = 4
_DIGEST_OF = b"holdfast-oscore-context"


class ContextExchange:
    """Makes, ends and remembers such contexts.  rng: n -> n random bytes."""

    def __init__(self, store: Store, registry: Registry, rng: Callable[[int], bytes]) -> None:
        self._store = store
        self._registry = registry
        self._rng = rng

    def export(
        self, given: ContextParameters, now_s: int, *, client_id: str | None, rs_id: str | None
    ) -> ContextParameters:
        """Make a context for a registered party, with a new Master Secret; the party's former one ends.

        given: what the operator chose; an ID or a salt that is not given is made here.  Raises RegistryError.
        """
        made = replace(
            given,
            master_secret=Secret(self._rng(SECRET_LEN)),
            master_salt=given.master_salt or self._rng(MASTER_SALT_LEN),
            sender_id=self._registry.free_recipient_id() if given.sender_id is None else given.sender_id,
            recipient_id=AS_SENDER_ID if given.recipient_id is None else given.recipient_id,
        )
        with self._store.transaction():
            self._put(made, UNUSED, now_s, client_id, rs_id)
            self._store.audit(now_s, "oscore-context-exported", client_id=client_id, rs_id=rs_id)
        return made

    def take_in(
        self, parameters: ContextParameters, start: str, now_s: int, *, client_id: str | None, rs_id: str | None
    ) -> None:
        """Use a context that was made elsewhere with a registered party; the party's former one ends.

        start: JUMP, the server's numbers start at a random one above 2^32, and the first request is challenged with
        Echo; UNUSED, nobody has ever used it; REDERIVE, the party starts with RFC 8613 appendix B.2.
        Raises RegistryError, also for material that was here before.
        """
        if start == REDERIVE and (parameters.id_context is not None or parameters.alg != L.ALG_AES_CCM_16_64_128):
            raise RegistryError("appendix B.2 makes the ID Context itself, and starts with AES-CCM-16-64-128 here")
        with self._store.transaction():
            self._put(parameters, start, now_s, client_id, rs_id)
            self._store.audit(now_s, "oscore-context-imported", client_id=client_id, rs_id=rs_id, reason=start)

    def _put(
        self, parameters: ContextParameters, start: str, now_s: int, client_id: str | None, rs_id: str | None
    ) -> None:
        if (client_id is None) == (rs_id is None):
            raise RegistryError("Say either --client or --rs.")
        if client_id is not None:
            self._registry.client(client_id)
        if rs_id is not None:
            self._registry.resource_server(rs_id)
        sender_id, recipient_id = check_context(parameters)
        if not all(self._store.remember_context(digest, MAX_REMEMBERED) for digest in _digests_of(parameters)):
            raise RegistryError(
                "a key of this context was exported or imported here before, and must not start again: take another "
                "Master Secret"
            )
        before = self._store.oscore_party(client_id=client_id, rs_id=rs_id)
        if before is not None:
            self._store.delete_oscore_party(before.recipient_id)
        if self._store.oscore_party_by_kid(sender_id) is not None:
            raise RegistryError("another party has this Sender ID: choose another --sender-id")
        party = OscoreParty(
            sender_id,
            parameters.master_secret,
            parameters.master_salt,
            client_id if before is None else before.client_id,
            rs_id if before is None else before.rs_id,
            recipient_id,
            EPOCH_JUMP + int.from_bytes(self._rng(JUMP_LEN), "big") if start == JUMP else 0,
            None if start == JUMP else (-1, 0),
            start == REDERIVE,
            parameters.id_context,
            parameters.alg,
        )
        self._registry.put_oscore_party(party, now_s)


def _digests_of(parameters: ContextParameters) -> list[bytes]:
    """Of all that makes each of the two keys and its nonces; the Master Secret is too long to be guessed.

    A context that shares one ID with an earlier one of the same Master Secret shares that ID's key and nonces.
    """
    secret, salt = parameters.master_secret.reveal(), parameters.master_salt
    return [
        hashlib.sha256(_DIGEST_OF + cbor.encode([secret, salt, sender, parameters.id_context, parameters.alg])).digest()
        for sender in (parameters.sender_id or b"", parameters.recipient_id or b"")
    ]
