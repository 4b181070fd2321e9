"""What a device is told when it is exported: the content of its provisioning file.

Builds the record that core/provisioning.py encodes, and remembers what left.  Never writes a file or makes a key.
RFC 9200 section 6.3.
"""

import hashlib
from collections.abc import Callable
from typing import Any

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.kinds import ROLE_SIGN
from holdfast_core.provisioning import (
    SEED_LEN,
    AsContext,
    ProvisionedKey,
    Provisioning,
    RsProvisioning,
    encode_provisioning,
)
from holdfast_core.secret import Secret
from holdfast_server.authz.keyring import Keyring, SigningKey
from holdfast_server.authz.ports import ExportStore
from holdfast_server.authz.registry import Registry, check_address
from holdfast_server.authz.settings import Settings
from holdfast_server.records import (
    SHARED_FORMATS,
    SIGNED_FORMATS,
    STATE_CURRENT,
    STATE_NEXT,
    KeyRecord,
    OscoreParty,
    RegistryError,
    ResourceServer,
    shared_role,
)

KEYS = "keys"
NEXT_KEY = "next key"
PARTS = {
    L.PROV_ISSUER: "issuer",
    L.PROV_AS_URI: "server address",
    L.PROV_AS_PEER: "server address",
    L.PROV_CLIENT_ID: "client",
}
RS_PARTS = {
    L.PROV_RS_ID: "name",
    L.PROV_RS_AUDIENCES: "audiences",
    L.PROV_RS_SCOPES: "scopes",
    L.PROV_RS_FORMATS: "format",
    L.PROV_RS_CONNECTED: "connection",
    L.PROV_RS_FRESHNESS: "freshness",
    L.PROV_RS_TOKEN_SHAPE: "token shape",
}
"""What the parts of an export are called when they have changed; a part without a name here is a "setting"."""

TableOf = Callable[[bytes], bytes | None]


def no_table(_point: bytes) -> None:
    """Make no table: devices then verify without."""


_NOT_PARTS = (L.PROV_VERSION, L.PROV_EDITION, L.PROV_KEYS, L.PROV_RS, L.PROV_AS_CONTEXT, L.PROV_SEED, L.PROV_TIME_FLOOR)
_DIGEST_LEN = 16  # hexadecimal digits: enough to see that something is otherwise


class Exports:
    """Builds what devices are told.  settings: issuer and address; rng: n -> n random bytes.

    What export_rs, export_client and export_keys return leaves the server: whoever writes it does so inside one
    transaction with the call, so that a device whose file cannot be written keeps what it has.
    """

    def __init__(
        self,
        store: ExportStore,
        keyring: Keyring,
        registry: Registry,
        settings: Settings,
        rng: Callable[[int], bytes],
    ) -> None:
        self._store = store
        self._keyring = keyring
        self._registry = registry
        self._settings = settings
        self._rng = rng

    def export_rs(self, rs_id: str, now_s: int, table_of: TableOf = no_table) -> Provisioning:
        """Export a device: with a new OSCORE context, since one that starts again from a file would repeat its numbers.

        Its context before ends.  table_of: see for_rs.  Raises RegistryError, in doubt of the clock too.
        """
        with self._store.transaction():
            self._registry.check_clock()
            self._registry.renew_oscore_party(rs_id, now_s)
            provisioning = self.for_rs(rs_id, now_s, table_of)
            self._store.put_device_keys(rs_id, [key.kid for key in provisioning.keys])
            self._store.put_export(rs_id, parts_of(provisioning), now_s)
            self._store.audit(now_s, "rs-exported", rs_id=rs_id)
        return provisioning

    def export_client(self, client_id: str, now_s: int) -> Provisioning:
        """Make a client its first OSCORE context, and export that.  Raises RegistryError, in doubt of the clock too."""
        with self._store.transaction():
            self._registry.check_clock()
            self._registry.add_oscore_party(now_s, client_id=client_id)
            return self.for_client(client_id, now_s)

    def export_keys(self, rs_id: str | None, now_s: int) -> tuple[list[SigningKey], list[KeyRecord]]:
        """Export the public signing keys and, for an RS, the keys that its tokens need: those that it shares too."""
        with self._store.transaction():
            public, shared = self._keyring.public_keys(), []
            if rs_id is not None:
                rs = self._registry.resource_server(rs_id)
                public = public if rs.device_format in SIGNED_FORMATS else []
                shared = self._keyring.shared_keys(rs_id) if rs.device_format in SHARED_FORMATS else []
                self._store.put_device_keys(rs_id, [*(one.kid for one in public), *(one.kid for one in shared)])
            self._store.audit(now_s, "keys-exported", rs_id=rs_id)
        return public, shared

    def for_rs(self, rs_id: str, now_s: int, table_of: TableOf = no_table) -> Provisioning:
        """Build everything a device is told (core/provisioning.py), with a new seed each time; to look at it.

        A device is given what export_rs returns: here the context is the one that it may have used.
        table_of: makes the table of a public key, x || y, or None (core/p256_table.py).
        """
        provisioning = self._for_rs(rs_id, now_s, self._store.next_edition(), table_of)
        if provisioning.as_peer is not None:
            check_address(self._settings)
        return provisioning

    def for_client(self, client_id: str, now_s: int) -> Provisioning:
        """Build the same for an app or a device that is a client only: the AS and the OSCORE context with it."""
        party = self._store.oscore_party(client_id=client_id)
        if party is None:
            raise RegistryError("this client has no OSCORE context")
        check_address(self._settings)
        return self._provisioning(None, party, now_s, self._store.next_edition())

    def outdated(self, rs_id: str, now_s: int) -> list[str] | None:
        """Name the parts of a device's last export that are otherwise by now; None when it was never exported.

        KEYS: it holds no key that is used now.  NEXT_KEY: it goes on until the next rotation.
        """
        last = self._store.export(rs_id)
        if last is None:
            return None
        today = parts_of(self._for_rs(rs_id, now_s, edition=0))
        changed = [name for name in dict.fromkeys((*today, *last.parts)) if today.get(name) != last.parts.get(name)]
        missing = {kid for kid in today[KEYS] if kid not in last.parts[KEYS]}
        states = {key.state for key in map(self._store.key, map(bytes.fromhex, missing)) if key is not None}
        names = [name for name in changed if name != KEYS]
        if STATE_CURRENT in states:
            return [KEYS, *names]
        return [*names, NEXT_KEY] if STATE_NEXT in states else names

    def _for_rs(self, rs_id: str, now_s: int, edition: int, table_of: TableOf = no_table) -> Provisioning:
        rs = self._registry.resource_server(rs_id)
        return self._provisioning(rs, self._store.oscore_party(rs_id=rs_id), now_s, edition, table_of)

    def _provisioning(
        self,
        rs: ResourceServer | None,
        party: OscoreParty | None,
        now_s: int,
        edition: int,
        table_of: TableOf = no_table,
    ) -> Provisioning:
        return Provisioning(
            issuer=self._settings.issuer,
            as_uri=self._settings.as_uri,
            seed=Secret(self._rng(SEED_LEN)),
            time_floor_s=now_s,
            as_peer=(self._settings.as_host, self._settings.as_port) if party is not None else None,
            keys=() if rs is None else self._provisioned_keys(rs, table_of),
            rs=None if rs is None else _rs_provisioning(rs, self._store.exi_sequence(rs.rs_id)),
            as_context=None if party is None else _context_of(party),
            client_id=None if party is None else party.client_id,
            edition=edition,
        )

    def _provisioned_keys(self, rs: ResourceServer, table_of: TableOf) -> tuple[ProvisionedKey, ...]:
        issuer = self._settings.issuer
        keys: list[ProvisionedKey] = []
        if rs.device_format in SIGNED_FORMATS:
            for signer in self._keyring.public_keys():
                point = signer.x + signer.y
                keys.append(ProvisionedKey(ROLE_SIGN, signer.kid, L.ALG_ES256, issuer, Secret(point), table_of(point)))
        if rs.device_format in SHARED_FORMATS:
            keys += [
                ProvisionedKey(key.role, key.kid, key.alg, issuer, key.secret)
                for key in self._keyring.held_keys(shared_role(rs), rs.rs_id)
            ]
        return tuple(keys)


def parts_of(provisioning: Provisioning) -> dict[str, Any]:
    """Return what a device is told, as far as it is no secret: a digest by the name of each part, and its key ids."""
    record: Any = cbor.decode(encode_provisioning(provisioning))
    parts: dict[str, Any] = {KEYS: [key.kid.hex() for key in provisioning.keys]}
    members = [(PARTS.get(label, "setting"), value) for label, value in record.items() if label not in _NOT_PARTS]
    members += [
        (RS_PARTS.get(label, "setting"), value)
        for label, value in record.get(L.PROV_RS, {}).items()
        if label != L.PROV_RS_EXI_FLOOR
    ]
    if provisioning.as_context is not None:
        members.append(("context", provisioning.as_context.sender_id))
    for name, value in members:
        parts[name] = parts.get(name, "") + hashlib.sha256(cbor.encode(value)).hexdigest()[:_DIGEST_LEN]
    return parts


def _rs_provisioning(rs: ResourceServer, exi_floor: int) -> RsProvisioning:
    return RsProvisioning(
        rs_id=rs.rs_id.encode(),
        audiences=rs.audiences,
        scopes={name: list(permissions) for name, permissions in rs.scope_map.items()},
        formats=(rs.device_format,),
        connected=rs.connected,
        freshness=rs.freshness,
        token_shape=rs.token_shape,
        exi_floor=exi_floor,
    )


def _context_of(party: OscoreParty) -> AsContext:
    return AsContext(party.master_secret, party.master_salt, party.recipient_id, party.sender_id)
