"""Revoking tokens and all that was exchanged for them, however many these are.

The tokens themselves are revoked at once, and with them what was exchanged for them is worth nothing (standing.py); the
rows of these follow, a bounded number at a time.  The store remembers what is left to do, and a server that was started
again goes on with it.  Every token leaves a row in the audit.  RFC 7009 section 2.1; RFC 6749 section 4.1.2.
"""

from collections.abc import Sequence
from dataclasses import replace

from holdfast_server.authz.ports import RevocationStore
from holdfast_server.records import Unfinished

STEP = 1000
"""Tokens revoked or deleted in one transaction: some 50 ms, in which others wait."""
REQUEST_STEP = 100
"""Of those that were exchanged for it, so many are revoked within the request that revokes a token."""


class Revocations:
    """Revokes tokens in one store; every method is one transaction."""

    def __init__(self, store: RevocationStore) -> None:
        self._store = store

    def revoke(
        self, token_ids: Sequence[int], now_s: int, reason: str, address: str = "", limit: int = REQUEST_STEP
    ) -> list[int]:
        """Revoke these tokens, and at most `limit` of those that were exchanged for them; the rest is for go_on.

        reason, address: for the audit.  Returns the ids newly revoked.
        """
        with self._store.transaction():
            revoked = self._revoke(token_ids, now_s, reason, address)
            families = [Unfinished(one, reason, address) for one in self._store.with_live_children(token_ids)]
            for family in families:
                self._store.put_unfinished_revocation(family)
            return revoked + self._revoke_children(families, now_s, limit)

    def go_on(self, now_s: int, limit: int = STEP) -> list[int]:
        """Revoke at most `limit` of what is left; returns the ids newly revoked: none when all is done."""
        with self._store.transaction():
            return self._revoke_children(self._store.unfinished_revocations(limit), now_s, limit)

    def _revoke_children(self, families: list[Unfinished], now_s: int, limit: int) -> list[int]:
        revoked: list[int] = []
        while families and (room := limit - len(revoked)) > 0:
            family = families.pop()
            children = self._store.live_children(family.token_id, 0, room)
            revoked += self._revoke(children, now_s, family.reason, family.address)
            deeper = [replace(family, token_id=one, revoked=0) for one in self._store.with_live_children(children)]
            for one in deeper:
                self._store.put_unfinished_revocation(one)
            families += deeper
            total = family.revoked + len(children)
            if len(children) == room:
                self._store.put_unfinished_revocation(replace(family, revoked=total))
                continue
            self._store.finish_revocation(family.token_id)
            if family.revoked:
                what = f"{total} that were exchanged for it"
                self._store.audit(
                    now_s, "tokens-revoked", token_id=family.token_id, reason=what, address=family.address
                )
        return revoked

    def _revoke(self, token_ids: Sequence[int], now_s: int, reason: str, address: str) -> list[int]:
        revoked = self._store.revoke_tokens(token_ids, now_s)
        for token_id in revoked:
            self._store.audit(now_s, "token-revoked", token_id=token_id, reason=reason, address=address)
        return revoked
