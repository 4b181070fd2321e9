"""Whatever a hub does: no answer is believed that the device did not give to that request, nothing runs twice or
without right, and what is lost is seen by the client.
"""

from collections import Counter

import pytest

from holdfast_core.replay_window import ReplayWindow
from testkit.hostile_story import HostileStory
from testkit.hostile_tricks import TRICKS
from testkit.link import Random

SEEDS = range(1, 61)


def tricks_of(seed):
    """Four of them, so that something also arrives; over all seeds each has its turn."""
    names, random = list(TRICKS), Random(seed)
    return [names.pop(random.below(len(names))) for _ in range(4)]


def test_an_honest_hub_is_no_hindrance():
    story = HostileStory(1, ()).play()
    assert story.violations() == []
    losses = story.losses()
    assert losses["success"] + losses["refused"] == 16
    assert losses["success"] > 8
    assert b"12" in [value for _, _, value in story.watched["doctor"]]


def test_a_hostile_hub_gains_nothing_and_each_loss_is_seen():
    total, used = Counter(), Counter()
    for seed in SEEDS:
        story = HostileStory(seed, tricks_of(seed)).play()
        assert story.violations() == [], (seed, tricks_of(seed))
        total += story.losses()
        used += story.hub.used
    assert min(used[name] for name in TRICKS) >= 3, used
    assert total["success"] > 20
    assert total["refused"] > 5
    assert total["request"] > 20
    assert total["answer"] > 5


@pytest.mark.parametrize("trick", sorted(TRICKS))
def test_each_trick_alone_gains_nothing(trick):
    story = HostileStory(7, [trick], 50).play()
    assert story.violations() == []
    if trick != "renumber":
        assert story.hub.used[trick]


# --- planted mistakes, which the same properties find ---


def planted(**mistake):
    for seed in SEEDS:
        found = HostileStory(seed, tricks_of(seed), **mistake).play().violations()
        if found:
            return found
    return []


def test_a_client_that_believes_an_unprotected_success_is_found():
    def believes(failed):
        forged = failed.message
        return forged if forged is not None and forged.code >> 5 == 2 else failed

    assert any("believes" in sentence for sentence in planted(believes=believes))


def test_a_device_that_asks_for_no_token_is_found():
    assert any("had no right" in sentence for sentence in planted(public=True))


def test_a_device_that_takes_a_number_twice_is_found(monkeypatch):
    monkeypatch.setattr(ReplayWindow, "check", lambda *_: None)
    assert any("times for" in sentence for sentence in planted())
