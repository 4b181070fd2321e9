"""What one RS accepts of a token, as its owner says: formats, keys, audiences, scopes, profiles.

Never looks at a token: verifier.py does, or the C core, by the same rules.
"""

from holdfast_core import labels as L
from holdfast_core.errors import LocalError
from holdfast_core.kinds import FORMATS, STRICT, TOKEN_SHAPES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from holdfast_core.scope import ScopeMap
    from holdfast_core.trust import Trust


PROFILES = (L.PROFILE_COAP_OSCORE, L.PROFILE_COAP_DTLS)


class Rules:
    """What one RS accepts.

    audiences: its own names.  trust: the keys of its ASes.  scope_map: what scopes mean.  formats: those of
    FORMATS it takes, REFERENCE when it introspects.  profiles: ACE profiles it speaks, the first being
    in force when a token names none.
    rs_id: its identifier in the cti of exi tokens.  leeway_s: how far the AS's clock may be off, for exp and nbf.
    require_cnonce: whether every token must carry a fresh client-nonce (an RS without a clock may want that).
    token_shape: of TOKEN_SHAPES; an RS with a list of revoked tokens must stay with STRICT (RFC 9770 section 3).
    LocalError with detail: formats, profiles, leeway, token-shape.
    """

    __slots__ = (
        "audiences",
        "formats",
        "leeway_s",
        "prepared",
        "profiles",
        "require_cnonce",
        "rs_id",
        "scope_map",
        "token_shape",
        "trust",
    )

    def __init__(
        self,
        audiences: "Sequence[str]",
        trust: "Trust",
        scope_map: "ScopeMap",
        formats: "Sequence[str]",
        profiles: "Sequence[int]" = (L.PROFILE_COAP_OSCORE,),
        rs_id: bytes = b"",
        leeway_s: int = 0,
        require_cnonce: bool = False,
        token_shape: str = STRICT,
    ) -> None:
        for token_format in formats:
            if token_format not in FORMATS:
                raise LocalError("formats")
        if not profiles:
            raise LocalError("profiles")
        for profile in profiles:
            if profile not in PROFILES:
                raise LocalError("profiles")
        if leeway_s < 0:
            raise LocalError("leeway")
        if token_shape not in TOKEN_SHAPES:
            raise LocalError("token-shape")
        self.prepared: Any = None  # what a verifier made of these rules, for itself
        self.audiences = tuple(audiences)
        self.trust = trust
        self.scope_map = scope_map
        self.formats = tuple(formats)
        self.profiles = tuple(profiles)
        self.rs_id = rs_id
        self.leeway_s = leeway_s
        self.require_cnonce = require_cnonce
        self.token_shape = token_shape
