"""An EKG that reads test tubes for the doctor.  Run: python ekg.py ekg.prov --peer connected_tube_123=HOST:PORT."""

from holdfast_core import labels as L
from holdfast_core.coap_message import request, response
from holdfast_device.exchange import TokenExchange

WAVE = bytes((10, 11, 12, 11, 10, 8, 60, 120, 2, 9, 10, 12, 14, 12, 10, 10))  # one beat, millivolts / 20 + 10


def setup(device, options):
    """Serve /ekg, observable, a new beat each second; answer /results with what the tube says, when it says it."""
    tube = TokenExchange(device.client, "connected_tube_123", "read_result", options.peer("connected_tube_123"))
    device.rs.resource("/ekg", get=lambda asked: response(L.CODE_CONTENT, WAVE, L.CF_OCTET_STREAM), observable=True)
    device.rs.resource("/results", get=lambda asked: tube.request(asked.token, request(L.CODE_GET, "/result")))
    device.every(1000, lambda: device.rs.changed("/ekg"))


if __name__ == "__main__":
    from holdfast_deploy.run_shell import main

    main(setup)
