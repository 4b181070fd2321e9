"""Who is calling: what a shell has established about the peer before it asks the authorization server anything.

Never authenticates anybody itself: the HTTPS shell makes one after checking a client secret, the CoAP site from the
owner of the OSCORE context that opened the request.  RFC 9200 sections 5.8 and 5.9: the AS's channels are mutually
authenticated.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Caller:
    """A party, which may be a client, a resource server or both (the EKG is both).

    public: a client that has nothing to authenticate with (RFC 6749 section 2.1), by its own word.  address: where the
    request came from, for the audit.
    """

    client_id: str | None = None
    rs_id: str | None = None
    authenticated: bool = False
    public: bool = False
    address: str = field(default="", compare=False)


NOBODY = Caller()
