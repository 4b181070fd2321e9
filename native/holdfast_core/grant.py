"""A grant: the proof that a token was checked, and everything the RS needs of it afterwards.

Only verifier.py makes one, and only after every check; holding it says nothing about who holds the PoP key.  Never
prints key material.  Never changes: what a token means is fixed when it is accepted.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from holdfast_core.claims import Claims
    from holdfast_core.confirmation import Cnf
    from holdfast_core.scope import Permissions


class Grant:
    """An accepted token.

    iss: the AS that protected it.  sub, client_id, act: who asked for it and who acts, where the token says.
    aud: tuple of text.  scope: as received.  permissions: what it means here.  cnf: the key to prove.
    exp, nbf, iat: seconds since 1970 UTC or None.  exi: seconds from acceptance or None, exi_seq: its sequence number.
    cti, cnonce: bytes or None.  ace_profile: the profile in force.  format: `cwt-*` or `reference`.
    token_hash: SHA-256 of the token's bytes, 32 bytes.
    """

    __slots__ = (
        "ace_profile",
        "act",
        "aud",
        "client_id",
        "cnf",
        "cnonce",
        "cti",
        "exi",
        "exi_seq",
        "exp",
        "format",
        "iat",
        "iss",
        "nbf",
        "permissions",
        "scope",
        "sub",
        "token_hash",
    )

    def __init__(
        self,
        claims: "Claims",
        issuer: str,
        cnf: "Cnf",
        permissions: "Permissions",
        ace_profile: int,
        token_format: str,
        token_hash: bytes,
        exi_seq: "int | None" = None,
    ) -> None:
        self.iss = issuer
        self.sub = claims.sub
        self.client_id = claims.client_id
        self.act = claims.act
        self.aud = claims.aud
        self.scope: str | bytes | None = claims.scope
        self.permissions = permissions
        self.cnf = cnf
        self.exp = claims.exp
        self.nbf = claims.nbf
        self.iat = claims.iat
        self.exi = claims.exi
        self.exi_seq = exi_seq
        self.cti = claims.cti
        self.cnonce = claims.cnonce
        self.ace_profile = ace_profile
        self.format = token_format
        self.token_hash = token_hash

    def __repr__(self) -> str:
        return f"Grant({self.format}, aud={self.aud!r}, scope={self.scope!r}, exp={self.exp}, exi={self.exi})"
