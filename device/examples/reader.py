"""Reads a tube, and ends.  Run: holdfast device run reader.context --app reader.py --port 0 --peer tube=HOST:PORT."""

import sys

from holdfast_core import labels as L
from holdfast_core.coap_message import request
from holdfast_core.errors import PeerError


def setup(device, options):
    """Ask the AS for a token of this client's own, show it to the tube, and print the tube's result."""
    device.spawn(_read(device.client, options.peer("tube")))


def _read(client, tube):
    asked = {L.ACE_GRANT_TYPE: L.GRANT_CLIENT_CREDENTIALS, L.ACE_AUDIENCE: "tube", L.ACE_SCOPE: "read_result"}
    try:
        token = yield client.get_token(asked)
        session = yield client.open_session(tube, token)
        answer = yield session.request(request(L.CODE_GET, "/result"))
    except PeerError as error:
        sys.stderr.write(f"The tube says nothing: {error}\n")
        sys.exit(4)
    sys.stdout.write(f"The tube says: {answer.payload.decode()}\n")
    sys.exit(0 if answer.code == L.CODE_CONTENT else 4)


if __name__ == "__main__":
    from holdfast_deploy.run_shell import main

    main(setup)
