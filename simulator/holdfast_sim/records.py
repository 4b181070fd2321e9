"""What a run leaves behind: datagrams that the tap saw, HTTP exchanges, chapters; plain values in order of time.

Payloads are kept in memory only, for the checks at the end; nothing here prints them. No RFC.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Datagram:
    """One datagram on its way. number: unique, growing with time; note: what the tap did to it, or nothing."""

    number: int
    at_ms: int
    src: str
    dst: str
    octets: bytes = field(repr=False)
    note: str = ""


@dataclass(frozen=True, slots=True)
class HttpMessage:
    """One HTTP request or answer. what: method and path, or status and what it says; size: bytes of its body."""

    number: int
    at_ms: int
    src: str
    dst: str
    what: str
    size: int


@dataclass(frozen=True, slots=True)
class Chapter:
    """A heading between the messages."""

    number: int
    title: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something that happened and was no message: a process killed, time passing."""

    number: int
    text: str


Record = Datagram | HttpMessage | Chapter | Note
