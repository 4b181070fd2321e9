"""The operator's configuration: one TOML file in the state directory, read strictly.

Every problem is one sentence that names the key and says what would be right. A
key that is not known is a problem too: a misspelt bound must not be no bound.
Holds no secret: those are in the database, 0600, in the same directory.
"""

import json
import re
import ssl
import tomllib
from dataclasses import asdict, dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from holdfast_server.authz.network import plain
from holdfast_server.authz.settings import QuotaSettings, Settings

CONFIG_NAME = "server.toml"
DEFAULT_HTTP = "127.0.0.1:8443"
DEFAULT_COAP = "127.0.0.1:5683"
DEFAULT_AUDIT_DAYS = 365

T = TypeVar("T")


class ConfigError(Exception):
    """The configuration cannot be used; the text is one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Bind:
    """Where a listener binds."""

    host: str
    port: int

    @property
    def unspecified(self) -> bool:
        """Whether it is every address of this machine, and so no address that others can be told."""
        return _is_address(self.host) and ip_address(self.host).is_unspecified

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host == "localhost" or (_is_address(self.host) and ip_address(self.host).is_loopback)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that `holdfast server serve` needs to know. certificate and key: PEM files, both or neither."""

    state: Path
    settings: Settings
    name: str
    http: Bind
    coap: Bind
    certificate: Path | None = None
    key: Path | None = None
    audit_days: int = DEFAULT_AUDIT_DAYS
    proxies: frozenset[str] = frozenset()
    quota: QuotaSettings = field(default_factory=QuotaSettings)


def load(state: Path) -> Config:
    """Read and check DIR/server.toml. Raises ConfigError."""
    path = state / CONFIG_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"There is no {path}: run `holdfast server init --state {state}` first, or name the right directory."
        ) from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text.") from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}.") from None
    except ValueError:  # of int, which tomllib lets out
        raise ConfigError(f"{path} has a number that is too long.") from None
    except RecursionError:
        raise ConfigError(f"{path} is nested too deeply.") from None
    return parse(document, state)


def parse(document: dict[str, Any], state: Path) -> Config:
    """Check a parsed configuration. Raises ConfigError."""
    keys = _Keys(document)
    issuer = keys.take("issuer", str)
    name = keys.take("name", str, "Holdfast")
    http = parse_bind("http.bind", keys.take("http.bind", str, DEFAULT_HTTP))
    coap = parse_bind("coap.bind", keys.take("coap.bind", str, DEFAULT_COAP))
    as_host = keys.take("coap.advertise", str, "") or str(coap)
    certificate = keys.take("http.certificate", str, "")
    key = keys.take("http.key", str, "")
    code_lifetime_s = keys.take("code_lifetime_s", int, Settings(issuer).code_lifetime_s)
    audit_days = keys.take("audit_days", int, DEFAULT_AUDIT_DAYS)
    proxies = keys.take("http.proxies", list, [])
    quota = QuotaSettings(
        **{name: keys.take(f"quota.{name}", int, default) for name, default in asdict(QuotaSettings()).items()}
    )
    keys.finish()
    advertised = parse_bind("coap.advertise", as_host)
    if advertised.unspecified:
        raise ConfigError(f"coap.bind {coap} is every address: say in coap.advertise which one devices are told.")
    _check_tls(http, certificate, key)
    _check_issuer(issuer)
    if not 10 <= code_lifetime_s <= 600:
        raise ConfigError("code_lifetime_s must be from 10 to 600 seconds.")
    if not 1 <= audit_days <= 36500:
        raise ConfigError("audit_days must be from 1 to 36500 days.")
    if min(quota.requests_per_s, quota.live_tokens, quota.audit_rows_per_s) < 1:
        raise ConfigError("quota.requests_per_s, quota.live_tokens and quota.audit_rows_per_s must be at least 1.")
    settings = Settings(
        issuer=issuer,
        as_uri=f"coap://{advertised}/token",
        as_host=advertised.host,
        as_port=advertised.port,
        code_lifetime_s=code_lifetime_s,
    )
    if not all(isinstance(proxy, str) and _is_address(proxy) for proxy in proxies):
        raise ConfigError('http.proxies must be addresses, like ["127.0.0.1"].')
    tls = [state / text if text else None for text in (certificate, key)]
    return Config(state, settings, name, http, coap, tls[0], tls[1], audit_days, frozenset(map(plain, proxies)), quota)


def check_tls(config: Config) -> None:
    """Try the certificate and its key, when there are any. Raises ConfigError."""
    if config.certificate is None or config.key is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(config.certificate, config.key, password="")
    except FileNotFoundError:
        raise ConfigError(f"{config.certificate} or {config.key} does not exist.") from None
    except (OSError, ValueError):  # ssl.SSLError is an OSError
        raise ConfigError(f"{config.certificate} and {config.key} are not a certificate and its key.") from None


def render(issuer: str, http: str, coap: str, certificate: str = "", key: str = "", advertise: str = "") -> str:
    """The text of a new configuration file, with every key explained."""
    advertise_line = f"advertise = {_quoted(advertise)}" if advertise else '# advertise = "192.0.2.1:5683"'
    tls = f"certificate = {_quoted(certificate)}\nkey = {_quoted(key)}" if certificate or key else _NO_TLS
    return f"""# Holdfast authorization server. `holdfast server check` tells what is wrong with this file.

# The name of this server in tokens (iss) and in its pages: the URL that browsers use. It may have a path, such as
# https://as.example/ward7, which a proxy before this server must leave as it is.
issuer = {_quoted(issuer)}

# What the login page calls it.
name = "Holdfast"

# An authorization code lives this long, 10 to 600 seconds.
code_lifetime_s = 120

# What was done and refused is remembered for so many days.
audit_days = 365

[http]
# Browsers and HTTPS clients. Without a certificate, only a loopback address is served.
bind = {_quoted(http)}
{tls}
# Proxies of your own in front of this port: what X-Forwarded-For says is believed when it comes from these addresses.
# proxies = ["127.0.0.1"]

[coap]
# Devices. OSCORE protects what matters; the port itself may be public.
bind = {_quoted(coap)}
# The address that devices are told, when it is not the one above.
{advertise_line}

[quota]
# What one client, or one resource server, may use; it gets 429 or 4.29 beyond. Ten seconds' worth at once.
# requests_per_s = 50
# live_tokens = 100000
# audit_rows_per_s = 10
"""


_NOT_IN_URLS = frozenset(' "<>\\^`{|}@')  # RFC 3986 section 2, and no user names
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")
_NO_TLS = """# certificate = "tls.crt"
# key = "tls.key\""""


def _quoted(text: str) -> str:
    """Text as TOML writes it; JSON's strings are TOML's as long as they are not made ASCII."""
    return json.dumps(text, ensure_ascii=False)


def parse_bind(key: str, text: str) -> Bind:
    """HOST:PORT, with an IPv6 host in brackets. Raises ConfigError naming the key."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or len(port) > 5 or int(port) > 65535:
        raise ConfigError(f'{key} must look like "127.0.0.1:5683" or "[::1]:5683", not "{text}".')
    return Bind(host, int(port))


def _check_issuer(issuer: str) -> None:
    try:
        parts = urlsplit(issuer)
    except ValueError:
        raise ConfigError("issuer is not a URL.") from None
    if not issuer.isascii() or not issuer.isprintable() or set(issuer) & _NOT_IN_URLS:
        raise ConfigError("issuer has a character that no URL has.")
    loopback = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
        raise ConfigError(
            "issuer must be an https URL; http is served on a loopback address only, for trying things out."
        )
    if parts.hostname in ("0.0.0.0", "::"):  # noqa: S104 - refused, not bound
        raise ConfigError("issuer must name the server as browsers reach it: 0.0.0.0 is every address, and [::] too.")
    if "?" in issuer or "#" in issuer or not _PATH.fullmatch(parts.path) or {".", ".."} & set(parts.path.split("/")):
        raise ConfigError("issuer must be a URL without query and fragment; its path may be like /ward7.")


def _check_tls(http: Bind, certificate: str, key: str) -> None:
    if bool(certificate) != bool(key):
        raise ConfigError("http.certificate and http.key go together: set both or neither.")
    if not certificate and not http.loopback:
        raise ConfigError(f"http.bind {http} is not a loopback address: set http.certificate and http.key to serve it.")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


class _Keys:
    """Takes keys out of a parsed document, each with its type, and says what was left over."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._values = dict(_flat(document))

    def take(self, key: str, kind: type[T], default: T | None = None) -> T:
        value = self._values.pop(key, default)
        if value is None:
            raise ConfigError(f"{key} is missing.")
        if type(value) is not kind:
            raise ConfigError(f"{key} must be {_KIND_WORDS[kind]}.")
        return value

    def finish(self) -> None:
        if self._values:
            raise ConfigError(f"{min(self._values)} is not a key of this file: remove it or check its spelling.")


_KIND_WORDS: dict[type, str] = {str: "text in quotes", int: "a whole number", list: "a list in brackets"}


def _flat(document: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for key, value in document.items():
        pairs += _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)]
    return pairs
