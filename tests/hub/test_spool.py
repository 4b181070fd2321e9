"""The spool: order, priorities, leases, tries, one id once, and bounds that are told to the producer."""

import pytest

from holdfast_hub.ports import DUPLICATE, FULL, KEPT, MAX_TRIES
from holdfast_hub.records import ANSWERS, OUT, TOKEN, Now, Parcel
from holdfast_hub.spool import bounds as limits
from holdfast_hub.spool.bounds import GONE_IN_BOX, LEASE_MS, OVERHEAD_LEN, Bounds
from holdfast_hub.spool.errors import SpoolLocked
from holdfast_hub.spool.store import MAX_WAITING, SqliteSpool
from testkit.spool import WALL_S, Played, played


@pytest.fixture
def spool(tmp_path):
    with played(tmp_path) as made:
        yield made
        assert made.recount()[0] == made.recount()[1]


def test_a_parcel_comes_out_as_it_went_in(spool):
    members = {
        "kind": TOKEN,
        "body": b"\x00\xff",
        "priority": 0,
        "about": b"\xa0",
        "ends_s": WALL_S + 9,
        "lives_ms": 70,
    }
    assert spool.put(b"id", **members) == KEPT
    assert spool.take() == [Parcel("tube", b"id", **members, number=1, tries=1)]


def test_a_box_is_emptied_in_order_within_a_priority(spool):
    for number, priority in enumerate((1, 2, 0, 1, 0, 2)):
        spool.put(bytes((number,)), priority=priority)
    assert spool.ids(3) == [b"\x02", b"\x04", b"\x00"]
    assert spool.ids(9) == [b"\x03", b"\x01", b"\x05"]
    assert spool.ids(9) == []


def test_boxes_do_not_wait_for_each_other(spool):
    spool.put(b"a")
    spool.put(b"a", box=OUT)
    assert spool.ids() == spool.ids(box=OUT) == [b"a"]


def test_what_is_lent_is_lent_to_nobody_else_until_it_comes_back_or_the_lease_ends(spool):
    spool.put(b"a")
    (first,) = spool.take()
    assert spool.take() == []
    spool.wait(LEASE_MS / 1000 - 1)
    assert spool.take() == []
    spool.wait(1)
    (again,) = spool.take()
    assert (again.number, again.tries) == (first.number, 2)
    assert spool.give_back(first)  # the first taker comes late: it has no say any more
    assert spool.take() == []
    assert spool.give_back(again)
    assert spool.ids() == [b"a"]


def test_what_comes_back_is_first_again(spool):
    for name in (b"a", b"b", b"c"):
        spool.put(name)
    a, b = spool.take(2)
    spool.delivered(b)
    spool.give_back(a)
    assert spool.ids() == [b"a", b"c"]


def test_one_id_of_a_box_is_kept_once_also_after_it_was_delivered_and_after_a_restart(spool):
    assert spool.put(b"a") == KEPT
    assert spool.put(b"a", body=b"another") == DUPLICATE
    assert spool.put(b"a", box="other") == KEPT
    (parcel,) = spool.take()
    assert parcel.body == b"body of a"
    assert spool.delivered(parcel)
    assert spool.put(b"a") == DUPLICATE
    spool.restart()
    assert spool.put(b"a") == DUPLICATE
    assert spool.take() == []
    assert spool.delivered(parcel)  # twice is once
    assert spool.spool.level.counts["delivered"] == 1


def test_so_many_ids_of_a_box_are_remembered_and_for_so_long(spool, monkeypatch):
    monkeypatch.setattr("holdfast_hub.spool.rows.GONE_IN_BOX", 3)
    monkeypatch.setattr("holdfast_hub.spool.rows.GONE_WHOLE", 5)
    for name in (b"a", b"b", b"c", b"d"):
        spool.put(name)
        spool.wait(1)
        spool.delivered(*spool.take())
    assert (spool.put(b"b"), spool.put(b"a")) == (DUPLICATE, KEPT)
    spool.delivered(*spool.take())  # now c, d, a
    for name in (b"e", b"f", b"g"):
        spool.wait(1)
        spool.put(name, box="other")
        spool.delivered(*spool.take(box="other"))
    assert spool.one("SELECT count(*) FROM gone") == 5
    assert spool.put(b"c") == KEPT  # the oldest of all went, of whichever box
    assert spool.put(b"d") == DUPLICATE
    spool.wait(limits.GONE_MS / 1000)
    spool.tick()
    assert spool.put(b"e", box="other") == KEPT
    assert GONE_IN_BOX >= 1000


def test_a_poison_parcel_is_set_aside_and_stops_no_other(spool):
    spool.put(b"poison")
    spool.put(b"a")
    for number in range(1, MAX_TRIES + 1):
        parcels = spool.take()
        assert parcels[0].tries == number
        spool.give_back(parcels[0], why="no answer")
        spool.give_back(*parcels[1:], blame=False)
    assert spool.spool.level.aside == 1
    assert spool.spool.level.counts["set_aside"] == 1
    assert spool.ids() == [b"a"]
    assert spool.put(b"poison") == DUPLICATE
    assert spool.find(b"poison").tries == MAX_TRIES


def test_a_parcel_that_kills_the_hub_is_lent_alone_and_then_set_aside_with_no_other(spool):
    for name in (b"a", b"poison", b"b"):
        spool.put(name)
    lent = []
    for _ in range(20):
        parcels = spool.take()
        lent.append([parcel.id for parcel in parcels])
        if any(parcel.id == b"poison" for parcel in parcels):
            spool.crash()
        else:
            spool.delivered(*parcels)
    assert lent[:2] == [[b"a", b"poison", b"b"]] * 2  # a crash may be nobody's fault
    assert lent[2:7] == [[b"a"], [b"poison"], [b"poison"], [b"poison"], [b"b"]]
    assert lent[7:] == [[]] * 13
    assert spool.spool.level.aside == 1


def test_what_is_before_and_behind_a_parcel_that_is_lent_alone_goes_without_it(spool):
    spool.put(b"twice")
    for _ in range(2):
        spool.give_back(*spool.take())
    spool.put(b"a", priority=0)
    spool.put(b"b", priority=0)
    spool.put(b"c")
    assert [spool.ids(), spool.ids(), spool.ids()] == [[b"a", b"b"], [b"twice"], [b"c"]]


def test_a_stop_of_the_hub_is_no_fault_of_a_parcel_and_a_crash_may_be(spool):
    spool.put(b"a")
    for _ in range(3 * MAX_TRIES):
        assert [parcel.tries for parcel in spool.take()] == [1]
        spool.restart()
    spool.take()
    spool.crash()
    assert [parcel.tries for parcel in spool.take()] == [2]


def test_a_link_that_goes_down_is_no_fault_of_a_parcel(spool):
    spool.put(b"a")
    for _ in range(3 * MAX_TRIES):
        (parcel,) = spool.take()
        assert parcel.tries == 1
        spool.give_back(parcel, blame=False)
    assert spool.spool.level.aside == 0


def test_a_parcel_can_be_found_by_its_id_and_forgotten_without_being_lent(spool):
    spool.put(b"secret place", box=ANSWERS, ends_s=WALL_S + 5)
    found = spool.find(b"secret place", box=ANSWERS)
    assert (found.body, found.tries) == (b"body of secret place", 0)
    assert spool.find(b"secret place") is None
    assert spool.find(b"other", box=ANSWERS) is None
    spool.wait(5)
    assert spool.find(b"secret place", box=ANSWERS) is None
    spool.wait(-5)
    assert spool.delivered(found)
    assert spool.find(b"secret place", box=ANSWERS) is None


@pytest.mark.parametrize("bound", ["whole_count", "box_count", "whole_len", "box_len"])
def test_a_bound_is_told_to_the_producer_the_least_important_first(tmp_path, bound):
    of_one = OVERHEAD_LEN + 10 if bound.endswith("len") else 1
    with played(tmp_path, Bounds(**{bound: 100 * of_one}, keep_free_len=0)) as spool:
        priority, kept = 9, {}
        for number in range(120):
            while (answer := spool.put(b"%03d" % number, body=b"1234567", priority=priority)) == FULL and priority:
                kept[priority] = spool.spool.level.count
                priority -= 1
            if answer == FULL:
                break
        assert kept == {9: 80, 8: 80, 7: 80, 6: 80, 5: 80, 4: 80, 3: 80, 2: 90, 1: 95}
        assert spool.spool.level.count == 100
        assert spool.put(b"000", body=b"", priority=9) == DUPLICATE  # it is there, however full
        if bound.startswith("box"):
            assert spool.put(b"x", box="other", priority=9) == KEPT
        spool.delivered(*spool.take(25))
        assert spool.put(b"y", body=b"1234567", priority=9) == KEPT
        assert spool.recount()[0] == spool.recount()[1]


def test_where_it_is_configured_the_oldest_of_the_least_important_gives_way_and_is_counted(tmp_path):
    with played(tmp_path, Bounds(box_count=4, keep_free_len=0, drop_oldest=frozenset([OUT]))) as spool:
        for name, priority in ((b"a", 0), (b"b", 0), (b"c", 0), (b"d", 0)):
            assert spool.put(name, box=OUT, priority=priority) == KEPT
        assert spool.put(b"e", box=OUT, priority=1) == FULL  # not for something less important
        assert spool.put(b"f", box=OUT, priority=0) == KEPT
        assert spool.put(b"a", box=OUT, priority=0) == DUPLICATE
        lent = spool.take(4, box=OUT)
        assert [parcel.id for parcel in lent] == [b"b", b"c", b"d", b"f"]
        assert spool.put(b"g", box=OUT, priority=0) == FULL  # what is lent does not give way
        assert spool.spool.level.counts["dropped"] == 1
        for name in (b"a", b"b", b"c", b"d"):
            assert spool.put(name, priority=0) == KEPT
        assert spool.put(b"e", priority=0) == FULL


def test_on_a_disk_without_room_the_oldest_give_way_too_where_that_is_configured(tmp_path):
    with played(tmp_path, Bounds(keep_free_len=0, drop_oldest=frozenset([OUT]))) as spool:
        for name in (b"a", b"b", b"c", b"d"):
            spool.put(name, box=OUT, body=bytes(100))
            spool.put(name)
        spool.spool._has_room = lambda: False
        assert spool.put(b"e") == FULL
        assert spool.put(b"e", box=OUT, body=bytes(200)) == KEPT
        assert spool.ids(box=OUT) == [b"c", b"d", b"e"]


def test_a_parcel_that_could_never_fit_drops_nothing(tmp_path):
    with played(tmp_path, Bounds(box_len=1000, keep_free_len=0, drop_oldest=frozenset(["tube"]))) as spool:
        spool.put(b"a", priority=0)
        assert spool.put(b"b", body=bytes(1000), priority=0) == FULL
        assert spool.ids() == [b"a"]


def test_what_is_asked_for_faster_than_the_disk_writes_is_refused_and_not_remembered(tmp_path):
    with played(tmp_path) as spool:
        answers = []
        for number in range(MAX_WAITING + 5):
            spool.spool.put(Parcel("tube", b"%d" % number, TOKEN, b""), spool.now, answers.append)
        spool._turn()
        assert (answers.count(FULL), answers.count(KEPT)) == (5, MAX_WAITING)
        for number in range(20):
            spool.spool.put(Parcel("big", b"%d" % number, TOKEN, bytes(1 << 20)), spool.now, answers.append)
        spool._turn()
        assert answers.count(FULL) == 5 + 5
        assert spool.put(b"b", box="big") == KEPT


@pytest.mark.parametrize(
    "wrong",
    [
        {"box": "a/b"},
        {"box": ""},
        {"box": "@"},
        {"id": b""},
        {"id": bytes(65)},
        {"priority": -1},
        {"priority": 10},
        {"ends_s": -1},
        {"lives_ms": 2**60},
    ],
)
def test_what_a_room_should_not_have_let_in_is_its_mistake(spool, wrong):
    parcel = Parcel(**{"box": "tube", "id": b"a", "kind": TOKEN, "body": b"", **wrong})
    with pytest.raises(ValueError, match=r"box|id|priority|time"):
        spool.spool.put(parcel, spool.now, print)


def test_one_hub_has_it_at_a_time(spool):
    with pytest.raises(SpoolLocked, match="Another hub runs"):
        Played(spool.directory)
    spool.restart()


def test_numbers_only_grow(spool):
    spool.put(b"a")
    first = spool.take()
    spool.delivered(*first)
    spool.wait(limits.GONE_MS / 1000)
    spool.tick()
    assert spool.one("SELECT count(*) FROM gone") == 0
    spool.restart()
    spool.put(b"b")
    assert spool.take()[0].number > first[0].number


def test_a_mistake_of_one_that_asked_is_not_kept_from_the_loop_nor_are_answers_from_others(spool):
    answers = []

    def wrong(_):
        raise RuntimeError("of a room")

    for done in (answers.append, wrong, answers.append, wrong, answers.append):
        spool.spool.put(Parcel("tube", b"%d" % id(done), TOKEN, b""), spool.now, done)
    spool.spool.turn()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="of a room"):
            spool.later.pop(0)()
    spool._turn()
    assert len(answers) == 3


def test_with_its_thread_answers_come_after_the_commit_in_the_order_of_asking(tmp_path):
    answers = []
    spool = SqliteSpool(tmp_path, Now(0, None), lambda report: report(), Bounds(keep_free_len=0), gather_s=0.001)
    for number in range(1000):
        spool.put(
            Parcel("tube", b"%d" % number, TOKEN, b""), Now(0, None), lambda a, number=number: answers.append(number)
        )
    spool.close()
    assert answers == list(range(1000))
