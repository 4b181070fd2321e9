"""The numbers of a hub for Prometheus: read from the rooms when somebody asks, so that counting costs them nothing."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Sample = tuple[str, str, str, dict[str, str], float]
"""counter or gauge, name without the prefix, help, labels, value."""
PREFIX = "holdfast_hub_"


class Metrics(Collector):
    """samples: what to tell now; those of one name stand together."""

    def __init__(self, samples: Callable[[], Iterable[Sample]]) -> None:
        self._samples = samples
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Families of Prometheus, one for each name."""
        families: dict[str, Metric] = {}
        for kind, name, words, labels, value in self._samples():
            family = families.get(name)
            if family is None:
                make = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
                family = families[name] = make(PREFIX + name, words)
            family.add_sample(PREFIX + name + ("_total" if kind == "counter" else ""), labels, value)
        yield from families.values()

    def text(self) -> bytes:
        """All of them, in the text format."""
        return generate_latest(self._registry)
