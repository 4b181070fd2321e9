"""Who takes part in the two stories, what they may do, and the `holdfast` commands that say so.

Makes command lines, runs none. The names are those of the design: a doctor's app, an EKG, test tubes. "Spare" devices
have tokens that live for seconds, so that the end of a token can be watched.
"""

from dataclasses import dataclass

from holdfast_core.kinds import CWT_NESTED, REFERENCE

EKG = "ekg_device_ABC"
SPARE_EKG = "ekg_device_DEF"
TUBE = "connected_tube_123"
SPARE_TUBE = "connected_tube_456"
SLEEPING_TUBE = "sleeping_tube_789"
NIGHT_MONITOR = "night_monitor"
SLEEPER_LIFE_S = 4 * 3600  # of a token for it, which is asked once an hour
DOCTOR = "doctor"
DOCTOR_APP = "doctor_app"
WARD_MONITOR = "ward_monitor"
REDIRECT_URI = "http://127.0.0.1:7777/back"  # the app's own; nothing needs to listen there
SHORT_LIFE_S = 4
RECHECK_S = 1  # so soon a spare EKG asks the AS again whether a token is still active

# Each party speaks from an address of its own on loopback: devices count and limit per address.
HOSTS = {
    "app": "127.0.0.11",
    "monitor": "127.0.0.12",
    "nurse": "127.0.0.13",
    "thief": "127.0.0.66",
    "rogue": "127.0.0.67",
    "stand-in": "127.0.0.68",
    "EKG": "127.0.0.21",
    "spare EKG": "127.0.0.22",
    "tube": "127.0.0.31",
    "spare tube": "127.0.0.32",
}


@dataclass(frozen=True, slots=True)
class DevicePart:
    """One device. who: its name in the ladder; rs_id: its name at the AS; example: its program; peers: RSs it calls.

    options: more of its command line.
    """

    who: str
    rs_id: str
    example: str
    interpreter: str = "cpython"
    peers: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


EKG_PART = DevicePart("EKG", EKG, "ekg.py", peers=(TUBE,))
SPARE_EKG_PART = DevicePart("spare EKG", SPARE_EKG, "ekg.py", peers=(TUBE,), options=("--recheck", str(RECHECK_S)))
TUBE_PART = DevicePart("tube", TUBE, "tube.py", "micropython", options=("--no-clock",))
SPARE_TUBE_PART = DevicePart("spare tube", SPARE_TUBE, "tube.py", "micropython", options=("--no-clock",))


def init_command(http: str, coap: str, certificate: str, key: str) -> list[str]:
    """Make the AS, with the certificate that the run has for it."""
    return ["server", "init", "--http", http, "--coap", coap, "--certificate", certificate, "--key", key, "--json"]


def rs_commands(*, tubes: bool) -> list[list[str]]:
    """Register the devices; those that are clients too come after client_commands."""
    reads = ["--scope", "read_ekg=GET:/ekg", "--scope", "read_result=GET:/results"]
    spare_ekg = ["server", "rs", "add", SPARE_EKG, *reads, "--format", REFERENCE, "--lifetime", str(SHORT_LIFE_S)]
    ekg = ["server", "rs", "add", EKG, *reads, "--format", REFERENCE, "--client", EKG]
    results = ["--scope", "read_result=GET:/result", "--scope", "calibrate=PUT:/calibration"]
    tube = ["server", "rs", "add", TUBE, *results, "--format", CWT_NESTED]
    spare_tube = ["server", "rs", "add", SPARE_TUBE, *results, "--format", CWT_NESTED]
    short = ["--lifetime", str(SHORT_LIFE_S)]
    return [tube, [*spare_tube, *short], ekg] if tubes else [ekg, spare_ekg]


def client_commands(*, tubes: bool, monitor_file: str) -> list[list[str]]:
    """Register the clients: the doctor's app, the EKG, and a monitor that gets its tokens over CoAP."""
    app = ["server", "client", "add", DOCTOR_APP, "--grant", "authorization_code", "--redirect-uri", REDIRECT_URI]
    app += ["--allow", f"{EKG}=read_ekg,read_result", "--json"]
    ekg = ["server", "client", "add", EKG, "--grant", "token_exchange", "--json"]
    ekg += ["--allow", f"{TUBE}=read_result,calibrate", "--allow", f"{SPARE_TUBE}=read_result"]
    monitor = ["server", "client", "add", WARD_MONITOR, "--grant", "client_credentials", "--json"]
    monitor += ["--allow", f"{SPARE_EKG}=read_ekg", "--oscore", monitor_file]
    return [app, ekg] if tubes else [app, ekg, monitor]


def sleeper_commands() -> tuple[list[str], list[str]]:
    """Register a tube that sleeps behind a hub, and the client that asks it over night."""
    client = ["server", "client", "add", NIGHT_MONITOR, "--grant", "client_credentials", "--json"]
    client += ["--allow", f"{SLEEPING_TUBE}=read_result"]
    sleeper = ["server", "rs", "add", SLEEPING_TUBE, "--scope", "read_result=GET:/result", "--format", CWT_NESTED]
    return client, [*sleeper, "--lifetime", str(SLEEPER_LIFE_S)]


def user_command() -> list[str]:
    """Register the doctor, with a password made by the server."""
    return ["server", "user", "add", DOCTOR, "--allow", f"{EKG}=read_ekg,read_result", "--generate", "--json"]


def operator_edits(config: str, coap_front: str) -> str:
    """The generated server.toml as an operator changes it: devices are told another address than the bound one."""
    before = '# advertise = "192.0.2.1:5683"'
    if before not in config:
        raise ValueError(f"server.toml has no line {before}")
    return config.replace(before, f'advertise = "{coap_front}"')
