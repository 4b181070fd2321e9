"""The authorization server's own settings, as values; config.py reads them from files.

Never holds a secret.  Lifetimes of tokens are per resource server, in its registry record.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

# 2026-01-01: before this program was written.  A clock below it was never set (a gateway that boots without NTP).
BUILD_FLOOR_S = 1_767_225_600
# 2056: no token that this program makes is for then.  A clock at 2100 or at 2^33 was never right.
CEILING_S = BUILD_FLOOR_S + 30 * 365 * 86400


@dataclass(frozen=True, slots=True)
class QuotaSettings:
    """What one client or one RS may use (quotas.py). live_tokens: of a client."""

    requests_per_s: int = 50
    live_tokens: int = 100_000
    audit_rows_per_s: int = 10


@dataclass(frozen=True, slots=True)
class Settings:
    """issuer: the iss of tokens, an absolute URI, maybe with a path.  as_uri: where clients find /token, for hints."""

    issuer: str
    as_uri: str = ""
    as_host: str = "127.0.0.1"
    as_port: int = 5683
    code_lifetime_s: int = 120  # RFC 6749 section 4.1.2: at most 600; a browser redirect needs seconds
    clock_floor_s: int = BUILD_FLOOR_S
    clock_ceiling_s: int = CEILING_S
    key_overlap_s: int = 30 * 86400  # how long a retired signing key is still given to devices

    @property
    def root(self) -> str:
        """The path that everything over HTTPS stands under: "" or "/ward7"."""
        return urlsplit(self.issuer).path.rstrip("/")
