"""What each connection to an MQTT broker needs: where it is, as whom this hub comes, TLS, words for an operator."""

import contextlib
import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class BrokerFilesUnusable(Exception):
    """One sentence for the operator about the certificates of the broker's connection."""


@dataclass(frozen=True, slots=True)
class Where:
    """A broker, and as whom this hub comes. tls: None for a connection without it."""

    host: str
    port: int
    client_id: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)


def tls_of(ca_file: Path, certificate_file: Path | None = None, key_file: Path | None = None) -> ssl.SSLContext:
    """Return how the broker is checked, and what this hub shows it. Raises BrokerFilesUnusable."""
    try:
        context = ssl.create_default_context(cafile=str(ca_file))
    except OSError as error:
        raise BrokerFilesUnusable(
            f"{ca_file} cannot be used: {words_of(error)}; it must hold certificates, PEM."
        ) from None
    if certificate_file is not None:
        try:
            context.load_cert_chain(certificate_file, key_file, password=_no_password)
        except (OSError, ValueError) as error:
            raise BrokerFilesUnusable(
                f"{certificate_file} cannot be used: {words_of(error)}; it must hold this hub's certificate, PEM, "
                f"and {key_file or certificate_file} its key, without a password."
            ) from None
    return context


def send_at_once(_client: object, _data: object, sock: Any) -> None:
    """A callback of paho, for a socket that it has opened."""
    with contextlib.suppress(OSError):  # gone again: paho finds out
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def words_of(error: Exception) -> str:
    """Return what an operating system or TLS says, without what it was given."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not accepted, {error.verify_message}"
    if isinstance(error, socket.gaierror):
        return "the name is not known"
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed, {(error.reason or 'without a reason').lower().replace('_', ' ')}"
    if isinstance(error, OSError):
        return (error.strerror or "the system does not say why").lower()
    return "the host cannot be used"


def _no_password() -> str:
    raise ValueError("password")
