"""Opens a lock, and ends.  Run: holdfast device run opener.context --app opener.py --port 0 --peer lock=HOST:PORT."""

import sys

from holdfast_core import labels as L
from holdfast_core.coap_message import request
from holdfast_core.errors import PeerError


def setup(device, options):
    """Ask the AS for a token of this client's own, show it to the lock, and draw the bolt back."""
    device.spawn(_open(device.client, options.peer("lock")))


def _open(client, lock):
    asked = {L.ACE_GRANT_TYPE: L.GRANT_CLIENT_CREDENTIALS, L.ACE_AUDIENCE: "lock", L.ACE_SCOPE: "open"}
    try:
        token = yield client.get_token(asked)
        session = yield client.open_session(lock, token)
        answer = yield session.request(request(L.CODE_PUT, "/lock", b"1"))
    except PeerError as error:
        code = getattr(error, "code", error.coap_code)  # of the lock's answer, where it was that
        sys.stderr.write(f"The lock stays shut: {error} {code >> 5}.{code & 31:02d}\n")
        sys.exit(4)
    done = answer.code == L.CODE_CHANGED
    sys.stdout.write("The lock is open.\n" if done else "The lock stays shut.\n")
    sys.exit(0 if done else 4)


if __name__ == "__main__":
    from holdfast_deploy.run_shell import main

    main(setup)
