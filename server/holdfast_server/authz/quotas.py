"""What one registered party may use of the server: requests, live tokens, rows of the audit.

The defaults are far above what an honest client needs; one that runs wild, or was taken over, gets 429 or 4.29 and
leaves room on the disk and in the processor for the others. Only who has authenticated is counted: a stranger uses up
nobody's quota. How often a refusal is written is refusals.py's.
Sans-IO. A few dictionary look-ups for each request, however many parties there are.
"""

from collections.abc import Callable
from dataclasses import dataclass

from holdfast_core.coap_admission import TokenBucket
from holdfast_server.authz.errors import TooManyRequests
from holdfast_server.authz.settings import QuotaSettings

MAX_PARTIES = 100_000
BURST_S = 10
ROWS_BURST_S = 200
"""At once a party may use what it may use in so many seconds; of rows more, as a shift begins with a rush."""
_NO_TOTAL = 1 << 40

BY_REQUESTS = "too many requests"
BY_TOKENS = "too many live tokens"
BY_ROWS = "too many tokens for the audit"


@dataclass(slots=True)
class Counts:
    """Of one client since the last time they were taken."""

    requests: int = 0
    refused: int = 0
    limited: int = 0


class Quotas:
    """The quotas of one server. monotonic_ms: milliseconds that never go back."""

    def __init__(self, settings: QuotaSettings, monotonic_ms: Callable[[], int]) -> None:
        self._live_tokens = settings.live_tokens
        self._monotonic_ms = monotonic_ms
        self._requests = _bucket(settings.requests_per_s, BURST_S)
        self._rows = _bucket(settings.audit_rows_per_s, ROWS_BURST_S)
        self._counts: dict[str, Counts] = {}

    def check_request(self, client_id: str | None, rs_id: str | None) -> None:
        """Count one request of a client, or of an RS that is none. Raises TooManyRequests."""
        if client_id is not None:
            self._counts_of(client_id).requests += 1
        party = ("rs", rs_id) if client_id is None else ("client", client_id)
        if not self._requests.admit(f"{party[0]} {party[1]}", self._monotonic_ms(), 0):
            raise TooManyRequests(BY_REQUESTS)

    def check_issuing(self, client_id: str, live_tokens: int) -> None:
        """Before a token is made. Raises TooManyRequests."""
        if live_tokens >= self._live_tokens:
            raise TooManyRequests(BY_TOKENS)
        if not self._rows.admit(client_id, self._monotonic_ms(), 0):
            raise TooManyRequests(BY_ROWS)

    def refused(self, client_id: str | None, *, limited: bool) -> None:
        """Count a refusal; limited: by a quota."""
        if client_id is not None:
            counts = self._counts_of(client_id)
            counts.refused += 1
            counts.limited += limited

    def take_counts(self) -> dict[str, Counts]:
        """What was counted for each client since the last call."""
        counts, self._counts = self._counts, {}
        return counts

    def _counts_of(self, client_id: str) -> Counts:
        return self._counts.setdefault(client_id, Counts())


def _bucket(rate: int, burst_s: int) -> TokenBucket:
    return TokenBucket(rate, rate * burst_s, total_rate=_NO_TOTAL, total_burst=_NO_TOTAL, max_addresses=MAX_PARTIES)
