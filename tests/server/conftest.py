"""The story's authorization server, new for every test."""

import pytest

from holdfast_core import labels as L
from holdfast_server.caller import Caller
from holdfast_server.registry import Client, ResourceServer
from testkit.authz import NOW_S, build_story_as


@pytest.fixture
def story(tmp_path):
    """Return a StoryAs in a directory of its own."""
    built = build_story_as(tmp_path / "state")
    yield built
    built.store.close()


@pytest.fixture
def sensor(story):
    """Register a client that acts for itself, and an RS for it with encrypted tokens; return the client's caller."""
    scopes = {"read": (("/temp", L.METHOD_GET),), "write": (("/led", L.METHOD_GET | L.METHOD_PUT),)}
    rs = ResourceServer("sensor", ("sensor",), scopes, "cwt-encrypted", token_lifetime_s=600)
    story.registry.add_resource_server(rs, NOW_S)
    client = Client("panel", (L.GRANT_CLIENT_CREDENTIALS,), {"sensor": ("read", "write")}, {"sensor": "read"})
    story.registry.add_client(client, NOW_S)
    return Caller("panel", authenticated=True)
