"""The files that `init` writes: a hub.toml with every key explained, and a devices.toml with examples."""

import json

from holdfast_hub.process.settings import KEYS, Key, Value

HEADER = """# A hub of Holdfast. `holdfast hub check` says what is wrong here, and where each value comes from.
# Files beside it, conf.d/*.toml, say more; HOLDFAST_HUB__SECTION__KEY in the environment comes after them.
# A key that stands behind a # has the value that is shown.
"""


def hub_toml(said: dict[str, Value]) -> str:
    """The text of a new hub.toml. said: what is no default, by name of the key."""
    lines, section = [HEADER], ""
    for key in KEYS:
        if key.section != section:
            section = key.section
            lines.append(f"[{section}]")
        lines.append(f"# {key.comment}")
        lines.append(_line(key, said.get(key.name)))
        lines.append("")
    return "\n".join(lines) + LINKS


def _line(key: Key, value: Value | None) -> str:
    shown = json.dumps(key.default if value is None else value, ensure_ascii=False)
    return f"{'# ' if value is None else ''}{key.name.rpartition('.')[2]} = {shown}"


LINKS = ""
DEVICES = """# The devices behind this hub. SIGHUP (systemctl reload) reads this file again.
#
# [devices.tube-1]                  # 1 to 64 letters, digits, - and _; what clients say in Uri-Host
# link = "udp"                      # "udp", or a link of hub.toml
# address = "192.0.2.7:5683"        # where the link finds it
# port = 5701                       # a UDP port of this hub that leads to this device alone
# every_s = 3600                    # it sleeps, and wakes so often; 0: nobody knows when; without: it never sleeps
# awake_s = 10                      # and then it stays for so long
# nstart = 1                        # requests under way to it at once (RFC 7252 section 4.7)
"""


def devices_toml() -> str:
    """Return the text of a new devices.toml."""
    return DEVICES
