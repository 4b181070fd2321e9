"""`holdfast hub advise`: which way of bringing tokens to devices suits which deployment, and why.

Octets are those that benchmarks/hub_tokens.py measures: CoAP, without the radio's own frames. What a deployment pays
for them, and what it wants, is in a file that says nothing secret.
"""

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import click

from holdfast_core.cli import Problem
from holdfast_core.kinds import CWT_ENCRYPTED, CWT_MAC, CWT_NESTED, CWT_SIGNED, REFERENCE
from holdfast_core.terminal_shell import json_option, show_all
from holdfast_hub.cli.command import problems
from holdfast_hub.process.config import read_toml
from holdfast_hub.process.settings import ConfigError
from holdfast_hub.records import NAME, PHANTOM, SPLIT

BY_VALUE, INTROSPECTION = "by value", "introspection"
ANSWER_LEN = 31
"""Of a device to a POST at authz-info, on the way to the client too."""
INTROSPECTION_LEN = 231
"""Of a device's question to the server with its answer."""
SHORT_POST_LEN = {CWT_NESTED: 60, CWT_ENCRYPTED: 60, CWT_MAC: 85, CWT_SIGNED: 117, REFERENCE: 60}
"""Of a POST with a reference, or with the part of a split token of such a format."""
WHOLE_POST_LEN = {CWT_NESTED: 272, CWT_ENCRYPTED: 191, CWT_MAC: 247, CWT_SIGNED: 279}
"""Of a POST with a whole token."""
SEALED = (CWT_NESTED, CWT_ENCRYPTED)
HUB_LIFETIME_S = 600
MUCH = 0.1
"""A way that saves less than this share of the cost is not worth a party more."""

NO_SERVER = "device_does_not_reach_server"
NO_HUB_SERVER = "hub_does_not_reach_server"
READABLE = "hub_could_read_it"
TOO_LATE = "revocation_too_late"
EXCLUDED = {
    NO_SERVER: "the device does not reach the server, so it cannot ask what a reference means",
    NO_HUB_SERVER: "the hub does not reach the server, so it gets nothing to complete tokens with",
    READABLE: "a hub could read a token of this format, so none is given to it whole",
    TOO_LATE: "a token that the device checks alone ends only when it says, and a revocation must work sooner",
}


@dataclass(frozen=True, slots=True)
class Deployment:
    """One section of the file. Costs are of one octet, in any unit: cents, millijoules, milliseconds."""

    client_cost: float
    device_cost: float
    posts_per_day: float
    token_life_s: int
    device_reaches_server: bool = False
    hub_reaches_server: bool = True
    hub_is_guarded: bool = True
    revoke_within_s: int = 0
    session_minutes: float = 1
    format: str = CWT_NESTED


@dataclass(slots=True)
class Advice:
    """way: one of the four. costs: of a day, of each way that is possible. excluded: why others are not.

    settings: of `holdfast server rs add`, for the device.
    """

    way: str
    settings: list[str]
    costs: dict[str, float]
    excluded: dict[str, str]
    why: list[str] = field(default_factory=list)


@click.command()
@click.argument("topology", type=click.Path(path_type=Path, dir_okay=False))
@json_option
def advise(topology: Path, as_json: bool) -> None:
    """Say which way of bringing tokens to devices suits each deployment, and why.

    \b
    TOPOLOGY is a TOML file; a link says what one octet costs on it, in any unit:
      [links.ble]
      cost = 4
      [links.serial]
      cost = 0.1
      [deployments.fridges]
      client_link = "ble"             # clients to the hub
      device_link = "serial"          # the hub to the devices
      posts_per_day = 200             # how often clients come with a token
      token_life_s = 3600
      device_reaches_server = false   # from here on with defaults
      hub_reaches_server = true
      hub_is_guarded = true           # false: somebody could take it away
      revoke_within_s = 0             # how fast a revocation must work; 0: when the token ends
      session_minutes = 1             # how long a client stays
      format = "cwt-nested"           # what the devices read
    """  # noqa: D301 - the mark by which click keeps lines as they are
    with problems():
        deployments = read_topology(topology)
    advices = {name: advice_for(deployment) for name, deployment in deployments.items()}
    if as_json:
        show_all([_for_programs(name, advice) for name, advice in advices.items()], as_json=True, nothing="")
        return
    for name, advice in advices.items():
        click.echo(f"{name}: {advice.way} ({' '.join(advice.settings)}).")
        for sentence in advice.why:
            click.echo(f"  {sentence}")


def advice_for(deployment: Deployment) -> Advice:
    """Choose the cheapest way that does what is wanted, and of equal ones that with fewer parties."""
    excluded = _excluded(deployment)
    costs = {way: cost for way, cost in _costs(deployment).items() if way not in excluded}
    if not costs:
        costs = {BY_VALUE: _costs(deployment)[BY_VALUE]}
    least = min(costs.values())
    order = [BY_VALUE, INTROSPECTION, *_of_the_hub(deployment)]
    way = next(way for way in order if way in costs and costs[way] * (1 - MUCH) <= least)
    advice = Advice(way, _settings(way, deployment), costs, excluded)
    advice.why = _sentences(advice, deployment)
    return advice


def _of_the_hub(deployment: Deployment) -> tuple[str, str]:
    """The two ways of a hub, the better one first: a device ends a sealed token; of a split one a thief has none."""
    return (PHANTOM, SPLIT) if deployment.hub_is_guarded else (SPLIT, PHANTOM)


def _excluded(deployment: Deployment) -> dict[str, str]:
    excluded = {}
    if not deployment.device_reaches_server:
        excluded[INTROSPECTION] = NO_SERVER
    if deployment.format not in SEALED:
        excluded[PHANTOM] = READABLE
    if not deployment.hub_reaches_server:
        excluded |= {PHANTOM: NO_HUB_SERVER, SPLIT: NO_HUB_SERVER}
    if 0 < deployment.revoke_within_s < deployment.token_life_s:
        excluded |= {BY_VALUE: TOO_LATE, SPLIT: TOO_LATE}
    return excluded


def _costs(deployment: Deployment) -> dict[str, float]:
    """What each way costs a day."""
    of_client, of_device = deployment.client_cost, deployment.device_cost
    short, whole = SHORT_POST_LEN[deployment.format], WHOLE_POST_LEN[deployment.format]
    questions = max(1.0, deployment.session_minutes)  # a device asks again each minute while it is used
    reference = SHORT_POST_LEN[REFERENCE]
    one = {
        BY_VALUE: (whole + ANSWER_LEN) * (of_client + of_device),
        INTROSPECTION: (reference + ANSWER_LEN) * (of_client + of_device) + questions * INTROSPECTION_LEN * of_device,
        PHANTOM: (reference + ANSWER_LEN) * of_client + (whole + ANSWER_LEN) * of_device,
        SPLIT: (short + ANSWER_LEN) * of_client + (whole + ANSWER_LEN) * of_device,
    }
    return {way: round(cost * deployment.posts_per_day, 3) for way, cost in one.items()}


def _settings(way: str, deployment: Deployment) -> list[str]:
    lifetime = ["--lifetime", str(deployment.token_life_s)]
    limit_s = min(deployment.revoke_within_s or HUB_LIFETIME_S, deployment.token_life_s)
    if way == INTROSPECTION:
        return ["--format", REFERENCE, "--connected", *lifetime]
    if way == PHANTOM:
        return ["--sealed-format", deployment.format, *lifetime, "--hub-lifetime", str(limit_s)]
    if way == SPLIT:
        return ["--format", deployment.format, "--split", *lifetime, "--hub-lifetime", str(limit_s)]
    return ["--format", deployment.format, *lifetime]


def _sentences(advice: Advice, deployment: Deployment) -> list[str]:
    """Why this way, and why no other."""
    cost = advice.costs[advice.way]
    said = [_WHY[advice.way]]
    for way, other in advice.costs.items():
        if way == advice.way:
            continue
        if other > cost:
            said.append(f"It costs {cost:g} a day, and {way} would cost {other:g}.")
        elif other < cost:
            said.append(f"It costs {cost:g} a day; {way} would cost {other:g}, which is not worth another party.")
        else:
            said.append(f"It costs {cost:g} a day, as {way} would.")
    said += [f"Not {way}: {EXCLUDED[reason]}." for way, reason in advice.excluded.items() if way != advice.way]
    if advice.way in advice.excluded:
        said.append(
            f"Nothing does all that is wanted: {EXCLUDED[advice.excluded[advice.way]]}. Let tokens live "
            f"{deployment.revoke_within_s} s, or bring the hub or the device to the server."
        )
    return said


_WHY = {
    BY_VALUE: "The client carries the whole token and the device checks it alone: nobody else must be there.",
    INTROSPECTION: "The client carries a reference, and the device asks the server: a revocation works in a minute.",
    PHANTOM: "The client carries a reference of 16 octets, and the hub gets a token for it that only the device can "
    "open. That token ends by itself after --hub-lifetime; until then the hub needs no server.",
    SPLIT: "The client carries the part of the token that proves, and the hub has the rest: a hub that is taken away "
    "holds no token. An honest hub asks again after --hub-lifetime; until then it needs no server.",
}


def _for_programs(name: str, advice: Advice) -> dict[str, Any]:
    record = {"deployment": name, **asdict(advice)}
    del record["why"]
    return record


# --- the file ---


def read_topology(path: Path) -> dict[str, Deployment]:
    """Read the deployments, by name. Raises ConfigError, Problem when there is none."""
    document = read_toml(path)
    links, sections = document.pop("links", {}), document.pop("deployments", {})
    if document:
        raise ConfigError(f"{path}: {min(document)} is no section of this file: there are links and deployments.")
    costs = {name: _cost(path, name, link) for name, link in _sections(path, "links", links).items()}
    found = {
        name: _deployment(f"{path}: deployments.{name}", section, costs)
        for name, section in _sections(path, "deployments", sections).items()
    }
    if not found:
        raise Problem(f"{path} has no deployment: say [deployments.NAME]; `holdfast hub advise --help` shows one.")
    return found


def _sections(path: Path, what: str, sections: Any) -> dict[str, dict[str, Any]]:
    if not isinstance(sections, dict) or not all(isinstance(section, dict) for section in sections.values()):
        raise ConfigError(f"{path}: {what} are sections like [{what}.ward-1].")
    for name in sections:
        if not NAME.fullmatch(name):
            raise ConfigError(f"{path}: {what}: a name has 1 to 64 letters, digits, - and _.")
    return sections


def _cost(path: Path, name: str, link: dict[str, Any]) -> float:
    unknown = sorted(link.keys() - {"cost"})
    if unknown:
        raise ConfigError(f"{path}: links.{name}.{unknown[0]} is no key of a link: a link has a cost.")
    return float(_number(f"{path}: links.{name}", "cost", link.get("cost")))


def _deployment(where: str, section: dict[str, Any], costs: dict[str, float]) -> Deployment:
    values = dict(section)
    named: dict[str, Any] = {}
    for key, member in (("client_link", "client_cost"), ("device_link", "device_cost")):
        link = values.pop(key, None)
        if not isinstance(link, str) or link not in costs:
            raise ConfigError(f"{where}.{key} must be a link of this file.")
        named[member] = costs[link]
    known = {one.name: one for one in fields(Deployment) if one.name not in named}
    unknown = sorted(values.keys() - known.keys())
    if unknown:
        raise ConfigError(f"{where}.{unknown[0]} is no key of a deployment: remove it or check its spelling.")
    for key in ("posts_per_day", "token_life_s"):
        if key not in values:
            raise ConfigError(f"{where}.{key} is missing.")
    for key, value in values.items():
        _check(where, key, value)
    return Deployment(**named, **values)


def _check(where: str, key: str, value: Any) -> None:
    if key in ("device_reaches_server", "hub_reaches_server", "hub_is_guarded"):
        if not isinstance(value, bool):
            raise ConfigError(f"{where}.{key} must be true or false.")
    elif key == "format":
        if not isinstance(value, str) or value not in WHOLE_POST_LEN:
            raise ConfigError(f"{where}.format must be one of {', '.join(WHOLE_POST_LEN)}.")
    else:
        _number(where, key, value, whole=key.endswith("_s"), least=1 if key == "token_life_s" else 0)


def _number(where: str, key: str, value: Any, *, whole: bool = False, least: int = 0) -> float:
    kinds = int if whole else (int, float)
    # A value that is no number compares as false, too.
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= MOST:
        raise ConfigError(f"{where}.{key} must be a {'whole ' * whole}number from {least} to {MOST:,}.")
    return value


MOST = 1_000_000_000
