"""A client with a reference, or with a part of a token, reaches a device that never meets the server."""

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_message import request
from holdfast_core.kinds import CWT_ENCRYPTED, CWT_NESTED
from testkit.hub_tokens import World
from testkit.sealing import FRIDGE, PUMP


@pytest.mark.parametrize("token_format", [CWT_NESTED, CWT_ENCRYPTED])
@pytest.mark.parametrize("audience", [FRIDGE, PUMP])
def test_a_session_is_opened_with_what_the_hub_completes(story, audience, token_format):
    world = World(story, sealed_format=token_format, split_format=token_format)
    answer, held = world.token(audience)
    assert len(answer["access_token"]) == 16
    session = world.open(held, audience)
    assert world.read(session) == b"4.5"
    assert (
        world.run(session.request(request(L.CODE_PUT, "/target", b"4"))).code == L.CODE_FORBIDDEN
    )  # the scope is the client's, not the hub's
