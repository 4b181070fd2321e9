"""The hub's log: a line for each event, to standard error, as text or as JSON, and never a value that somebody sent.

What comes again and again is said once a minute, with the number of times. Names of devices and links, which an
operator has given, are no secret; addresses of clients, payloads, tokens and answers are never in a line.
"""

import json
import logging
from datetime import UTC, datetime

from holdfast_core.log_shell import Seldom, where_of

log = logging.getLogger("holdfast.hub")
EVENTS = {
    "listening": "the hub can be used",
    "draining": "the hub has been told to stop, and finishes what is under way",
    "stopped": "the hub has stopped",
    "clock-doubted": "the wall clock is not believed, and why",
    "clock-agrees": "the wall clock is believed",
    "link-up": "a link is there",
    "link-down": "a link is gone",
    "reloaded": "devices and links were read again",
    "reload-refused": "what was to be read again cannot be used; all is as it was",
    "spool-failed": "the spool cannot be written",
    "spool-works": "the spool can be written again",
    "set-aside": "some of what waits was tried so often that it was set aside: `holdfast hub spool list --aside`",
    "broker-up": "the broker is connected",
    "broker-down": "the broker is not connected",
    "not-named": "the service manager has handed over sockets that hub.toml does not name",
    "bug": "a bug of the hub; the request that met it was answered 5.00",
    "escaped": "a bug of the hub, outside of any request",
}
"""By event, what it says. The names are stable: people write rules for them."""


def start_logging(style: str) -> None:
    """Write our lines to standard error. style: text or json."""
    handler = logging.StreamHandler()
    handler.addFilter(Seldom())
    handler.setFormatter(_Json() if style == "json" else _Text())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    log.setLevel(logging.INFO)


def say(event: str, level: int = logging.INFO, **fields: str | int | None) -> None:
    """Log one event of EVENTS with its fields."""
    words = " ".join(f"{name}={_quoted(value)}" for name, value in fields.items() if value is not None)
    log.log(level, "%s", f"event={event} {words}".rstrip(), extra={"event": event, "fields": fields})


def warn(event: str, **fields: str | int | None) -> None:
    """Log one event that an operator should look at."""
    say(event, logging.WARNING, **fields)


def log_bug(error: BaseException, event: str = "bug") -> None:
    """Say what kind of exception it was and where; its text may quote what a peer sent, so that stays out."""
    say(event, logging.ERROR, kind=type(error).__name__, at=where_of(error))


def _quoted(value: str | int | None) -> str:
    text = str(value)
    return text if text and not set(text) & set(' "=\n') else json.dumps(text)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"level={record.levelname} logger={record.name} {record.getMessage()}"


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = {name: value for name, value in getattr(record, "fields", {}).items() if value is not None}
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": getattr(record, "event", "message"),
            **(fields if hasattr(record, "event") else {"logger": record.name, "message": record.getMessage()}),
        }
        if hasattr(record, "times"):
            line["times"] = record.times
        return json.dumps(line, ensure_ascii=False)
