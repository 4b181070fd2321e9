"""Who may look after the server in a browser: a user whose rights name the server itself.

The right is a scope like any other, for an audience that no resource server can
have, so no token can ever carry it. Never authenticates anybody.
"""

from holdfast_server.records import User, in_force

ADMIN_AUDIENCE = "holdfast:server"
ADMIN_SCOPE = "admin"
ADMIN_RIGHTS = {ADMIN_AUDIENCE: (ADMIN_SCOPE,)}


def is_admin(user: User | None) -> bool:
    """Whether this user exists, is not locked and has the right."""
    user = in_force(user)
    return user is not None and ADMIN_SCOPE in user.scopes.get(ADMIN_AUDIENCE, ())
