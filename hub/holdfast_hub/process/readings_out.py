"""Readings: the desk that takes them from devices, and the way to the broker, made of the configuration."""

import random
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version

from holdfast_core.cli import DISTRIBUTION
from holdfast_hub.links.broker import BrokerFilesUnusable, Where, tls_of
from holdfast_hub.links.mqtt_out_shell import MqttOut
from holdfast_hub.ports import Spool
from holdfast_hub.process.config import Config, read_secret, secret_file
from holdfast_hub.process.settings import ConfigError
from holdfast_hub.readings.outbox import GIVEN_UP, Outbox
from holdfast_hub.readings.publication import HOME_ASSISTANT, Health, discovery_of
from holdfast_hub.readings.routes import BadRule, Routes, check_topic, routes_of
from holdfast_hub.readings.rules import rules_of
from holdfast_hub.records import Now

NOT_REACHED = "the broker has not taken anything for too long: look at `holdfast hub status`, and restart the hub"


def routes_in(config: Config, devices: Iterable[str]) -> Routes:
    """Return where readings go. Raises ConfigError."""
    try:
        rules = rules_of(config.readings, check_topic(config.text("broker.topics")))
        return routes_of(rules, devices, [_health_topic(config)])
    except BadRule as error:
        raise ConfigError(f"{config.path}: {error}") from None


def broker_of(config: Config) -> Where | None:
    """Return the broker, None without one. Raises ConfigError."""
    host = config.text("broker.host")
    if not host:
        return None
    beside, password, tls = config.path.parent, None, None
    if text := config.text("broker.password_file"):
        password = read_secret("broker.password_file", text, beside)
    certificate, key = config.text("broker.certificate_file"), config.text("broker.key_file")
    if bool(certificate) != bool(key):
        raise ConfigError("broker.certificate_file and broker.key_file go together: set both or neither.")
    if ca := config.text("broker.ca_file"):
        key_file = secret_file("broker.key_file", key, beside) if key else None
        try:
            tls = tls_of(beside / ca, beside / certificate if certificate else None, key_file)
        except BrokerFilesUnusable as error:
            raise ConfigError(f"broker: {error}") from None
    elif certificate:
        raise ConfigError("broker.certificate_file needs broker.ca_file: without it no TLS is spoken.")
    user = config.text("broker.user") or None
    return Where(host, config.number("broker.port"), f"holdfast-{config.text('name')}", user, password, tls)


class ReadingsOut:
    """One broker, and what is under way to it. call: runs a function in the thread of those who ask.

    facts: what the hub's health says beside that it is there.
    """

    def __init__(
        self,
        config: Config,
        where: Where,
        routes: Routes,
        spool: Spool,
        clock: Callable[[], Now],
        call: Callable[[Callable[[], None]], object],
        facts: Callable[[], Mapping[str, object]],
    ) -> None:
        health = Health(_health_topic(config), facts)
        greet = []
        if config.flag("broker.home_assistant"):
            greet = list(discovery_of(routes, health, config.text("name"), version(DISTRIBUTION), HOME_ASSISTANT))
        broker = MqttOut(where, call)
        self.outbox = broker.news = Outbox(broker, spool, routes, health, clock, random.random, greet=greet)

    @property
    def trouble(self) -> str:
        """Why nothing is published any more, constant text, or ""."""
        return NOT_REACHED if self.outbox.state == GIVEN_UP else ""


def _health_topic(config: Config) -> str:
    return f"{config.text('broker.topics')}/hub/{config.text('name')}/health"
