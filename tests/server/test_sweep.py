"""What the server deletes beside serving: bounded at a time, until nothing that is over is left."""

from holdfast_server.cli.serve import DAY_S, SWEEP_ROWS, sweep_some
from testkit.authz import NOW_S


def test_what_is_over_goes_a_bounded_part_at_a_time(story):
    with story.store.transaction():
        for number in range(SWEEP_ROWS * 2 + 7):
            story.store.audit(NOW_S - 10 * DAY_S - number, "old")
    rounds = 0
    while sweep_some(story.store, NOW_S, 9):
        rounds += 1
    assert rounds == 2
    assert "old" not in {row.event for row in story.store.audit_rows(10_000)}


def test_what_is_not_over_stays(story):
    story.doctor_token()
    story.store.audit(NOW_S - 9 * DAY_S, "young enough")
    before = story.store.audit_rows(10_000)
    assert not sweep_some(story.store, NOW_S, 9)
    assert story.store.audit_rows(10_000) == before
    assert len(story.store.tokens()) == 1
    assert not sweep_some(story.store, NOW_S + 3600, 9)
    assert story.store.tokens() == []
