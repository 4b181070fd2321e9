"""A test tube: an RS that never talks to its AS.  Run: python device/examples/tube.py tube.prov --port 5684."""

from holdfast_core import labels as L
from holdfast_core.coap_message import response
from holdfast_device.run_shell import main


def setup(device, options):
    """Serve one result and a calibration value that only a token for `calibrate` may set."""
    calibration = [b"1.0"]

    def calibrate(request):
        calibration[0] = request.message.payload
        return response(L.CODE_CHANGED)

    device.rs.resource("/result", get=lambda request: response(L.CODE_CONTENT, b"troponin negative", L.CF_TEXT_PLAIN))
    device.rs.resource("/calibration", put=calibrate)


if __name__ == "__main__":
    main(setup)
