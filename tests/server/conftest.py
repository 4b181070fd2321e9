"""The story's authorization server, and one made on the command line, new for every test."""

import shutil

import pytest

from holdfast_core import labels as L
from holdfast_server.authz.caller import Caller
from holdfast_server.records import Client, ResourceServer
from holdfast_server.store.sqlite import Store
from testkit.authz import NOW_S, build_story_as
from testkit.serve import holdfast, init


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


@pytest.fixture(scope="session")
def new_state(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "state"
    init(path)
    return path


@pytest.fixture
def state(tmp_path, new_state):
    """A directory as init has just made it."""
    copy = shutil.copytree(new_state, tmp_path / "state")
    with Store(copy, create=False) as store, store.transaction():
        store._settle(clean=True)  # as if it had been made here
        store._forget_other_files()
    return copy


@pytest.fixture
def run(state):
    """Run a command on the state directory; it must succeed unless code says otherwise."""

    def command(*argv, code=0, stdin=""):
        done = holdfast(*argv, "--state", state, stdin=stdin)
        assert done.returncode == code, (argv, done.stdout, done.stderr)
        return done

    return command
