"""The files that `init` writes: a hub.toml with every key explained, and a devices.toml with examples."""

import json

from holdfast_hub.devices.entries import EXAMPLE as DEVICES_EXAMPLE
from holdfast_hub.links.settings import EXAMPLE as LINKS_EXAMPLE
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
    return "\n".join(lines) + LINKS_EXAMPLE


def _line(key: Key, value: Value | None) -> str:
    shown = json.dumps(key.default if value is None else value, ensure_ascii=False)
    return f"{'# ' if value is None else ''}{key.name.rpartition('.')[2]} = {shown}"


def devices_toml() -> str:
    """Return the text of a new devices.toml."""
    return DEVICES_EXAMPLE
