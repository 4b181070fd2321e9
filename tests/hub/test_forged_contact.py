"""Somebody says that a device has come, and it has not: what waits for the device waits on."""

from holdfast_core import labels as L
from holdfast_hub.ports import MAX_TRIES
from testkit.hub_later import Bench, location, oscore, protected


def test_a_contact_that_somebody_has_forged_is_no_try():
    bench = Bench()
    place = location(bench.serve(oscore()))
    bench.hand.answers_ping = False
    for _ in range(3 * MAX_TRIES):
        bench.wake()
        if bench.hand.open:  # the first time nothing is known against the contact
            bench.answer(None)
        bench.sleep()
        assert bench.visit(place).code == L.CODE_SERVICE_UNAVAILABLE
    assert (len(bench.hand.asked), bench.hand.pinged) == (1, 3 * MAX_TRIES - 1)
    bench.hand.answers_ping = True
    bench.wake()
    bench.answer(protected())
    assert bench.visit(place).code == L.CODE_CHANGED
