"""A test tube: an RS that never talks to its AS.  Run: python device/examples/tube.py tube.prov --port 5684."""

from holdfast_core import labels as L
from holdfast_core.coap_message import response


def setup(device, options):
    """Serve a result, and a calibration that only a token for `calibrate` may set."""
    device.rs.resource("/result", get=lambda asked: response(L.CODE_CONTENT, b"troponin negative", L.CF_TEXT_PLAIN))
    device.rs.resource("/calibration", put=lambda asked: response(L.CODE_CHANGED))


if __name__ == "__main__":
    from holdfast_deploy.run_shell import main

    main(setup)
