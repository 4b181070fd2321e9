"""The throttle: a burst, then a rate; a flood of addresses cannot grow it, and it never sticks."""

from holdfast_server.throttle import Throttle


def small(**over: float) -> Throttle:
    bounds = {"burst": 3, "per_s": 1, "global_burst": 10, "global_per_s": 2, "max_sources": 4, **over}
    return Throttle(**bounds)  # type: ignore[arg-type]


def test_a_source_has_its_burst_and_then_its_rate() -> None:
    throttle = small()
    assert [throttle.take("a", 0) for _ in range(4)] == [True, True, True, False]
    assert not throttle.take("a", 0.5)
    assert throttle.take("a", 1.5)
    assert throttle.take("b", 1.5), "another source is not held up"


def test_everybody_together_has_a_bound_too() -> None:
    throttle = small(max_sources=100)
    taken = sum(throttle.take(f"source {number}", 0) for number in range(50))
    assert taken == 10


def test_a_million_refusals_later_it_works_again() -> None:
    throttle = small()
    for _ in range(100_000):
        throttle.take("a", 0)
    assert throttle.take("a", 2)


def test_the_table_of_sources_is_bounded() -> None:
    throttle = small(global_burst=10_000)
    for number in range(1000):
        throttle.take(f"source {number}", 0)
    assert len(throttle._sources) == 4


def test_a_clock_that_steps_back_earns_nothing_and_breaks_nothing() -> None:
    throttle = small(burst=1)
    assert throttle.take("a", 1000)
    assert not throttle.take("a", 10)
    assert throttle.take("a", 11.5)
