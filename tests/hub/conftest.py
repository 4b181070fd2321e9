"""The story's authorization server, for tests of a hub in front of it."""

import pytest

from testkit.authz import build_story_as


@pytest.fixture
def story(tmp_path):
    """Return a StoryAs in a directory of its own."""
    built = build_story_as(tmp_path / "state")
    yield built
    built.store.close()
