"""A thousand devices behind one `holdfast hub run`: what it takes of memory and CPU, and whether anything is lost.

hub.py runs it. The devices are an origin in C that answers at a port each. Every request names its device by Uri-Host,
and passes all desks of the hub: admission, readings, tokens, and answers that come later.
"""

from hub_ends import BASE, Row, ask, child, coap_load, whole_hub

from testkit.hub import resident_kib

COUNT, REQUESTS, WINDOW, SOCKETS = 1000, 50_000, 64, 16


def measure(share: float = 1.0, count: int = COUNT) -> list[Row]:
    """Each device in its turn; memory before the first request and after the last. share: of the requests."""
    requests = max(count, round(REQUESTS * share))
    rows: list[Row] = []
    with coap_load() as program, child(program, "origin", str(BASE), str(count)), whole_hub(count, 1) as (hub, port):
        for kind in ("con", "non"):
            row: Row = {"section": f"{count:,} devices behind one hub", "what": f"{kind}, {requests:,} requests"}
            row["before_kib"] = resident_kib(hub)
            row |= ask(program, hub, port, WINDOW, requests, kind, "dev", str(SOCKETS), str(count))
            row["after_kib"] = resident_kib(hub)
            rows.append(row)
    return rows
