"""mosquitto's queue for a persistent QoS 1 client that is away: what it takes in, gives out, and keeps after kill -9.

The queue of a bridge that is down is the same one: a bridge is a persistent client of its broker.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from hub_ends import ENDS_WITH_US, cpu_s

TOPIC = b"spool/reading"
STARTS_S = 10
PUBACK = b"\x40\x02"


def free_port() -> int:
    """A TCP port of the loopback that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def broker(folder: Path, port: int, *settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """A broker with its database in folder."""
    lines = (
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        "persistence true",
        f"persistence_location {folder}/",
    )
    more = ("max_queued_messages 0", "set_tcp_nodelay true", "log_type none", *settings)
    config = folder / "mosquitto.conf"
    config.write_text("\n".join((*lines, *more, f"user {os.environ.get('USER', 'root')}")) + "\n")
    command = [*ENDS_WITH_US, "mosquitto", "-c", str(config)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait()


class Peer:
    """An MQTT 3.1.1 client as small as can be, so that it is not what is measured."""

    def __init__(self, port: int, name: bytes, *, is_clean: bool) -> None:
        ends = time.monotonic() + STARTS_S
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", port))
                break
            except ConnectionRefusedError:
                if time.monotonic() > ends:
                    raise
                time.sleep(0.02)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""
        variable = b"\x00\x04MQTT\x04" + bytes((2 if is_clean else 0,)) + b"\x00\x00"
        self.socket.sendall(_packet(0x10, variable + _text(name)))
        if self.socket.recv(4)[3:] != b"\x00":
            raise ConnectionError("refused")

    def subscribe(self) -> None:
        """To the topic, QoS 1."""
        self.socket.sendall(_packet(0x82, b"\x00\x01" + _text(TOPIC) + b"\x01"))
        self.socket.recv(5)

    def publish(self, count: int, body: bytes, window: int) -> None:
        """Publish with QoS 1, window at a time; returns when all are acknowledged."""
        sent = acknowledged = 0
        while acknowledged < count:
            step = min(window - (sent - acknowledged), count - sent)
            if step > 0:
                numbers = range(sent, sent + step)
                packets = (_packet(0x32, _text(TOPIC) + (1 + n % 65535).to_bytes(2, "big") + body) for n in numbers)
                self.socket.sendall(b"".join(packets))
                sent += step
            self.rest += self.socket.recv(1 << 16)
            acknowledged += len(self.rest) // 4
            self.rest = self.rest[len(self.rest) // 4 * 4 :]

    def receive(self, count: int, patience_s: float) -> int:
        """Take and acknowledge what comes, count at most; returns how many came before it was quiet for a while."""
        self.socket.settimeout(patience_s)
        got = 0
        while got < count:
            try:
                octets = self.socket.recv(1 << 16)
            except TimeoutError:
                break
            if not octets:
                break
            self.rest += octets
            at, acks = 0, bytearray()
            while (end := _end_of(self.rest, at)) is not None:
                if self.rest[at] >> 4 == 3:
                    identifier = end[0] + 2 + len(TOPIC)
                    acks += PUBACK + self.rest[identifier : identifier + 2]
                    got += 1
                at = end[1]
            self.rest = self.rest[at:]
            self.socket.sendall(acks)
        return got

    def close(self) -> None:
        """Without a DISCONNECT: the client is away."""
        self.socket.close()


def queue_rates(folder: Path, count: int, body: bytes, window: int, *settings: str) -> dict[str, float]:
    """Per second in and out, and microseconds of the broker's processor time for each message."""
    port = free_port()
    with broker(folder, port, *settings) as process:
        away = Peer(port, b"away", is_clean=False)
        away.subscribe()
        away.close()
        producer = Peer(port, b"producer", is_clean=True)
        cpu, start = cpu_s(process), time.perf_counter()
        producer.publish(count, body, window)
        in_s, in_cpu = time.perf_counter() - start, cpu_s(process) - cpu
        cpu, start = cpu_s(process), time.perf_counter()
        back = Peer(port, b"away", is_clean=False)
        if back.receive(count, 5) != count:
            raise RuntimeError("the broker lost some without having been killed")
        out_s, out_cpu = time.perf_counter() - start, cpu_s(process) - cpu
    return {
        "in_per_s": count / in_s,
        "out_per_s": count / out_s,
        "in_cpu_us": in_cpu / count * 1e6,
        "out_cpu_us": out_cpu / count * 1e6,
    }


def kept_after_a_kill(folder: Path, count: int, body: bytes, *settings: str) -> int:
    """Of so many acknowledged messages, how many the client that was away gets after kill -9 and a start."""
    port = free_port()
    with broker(folder, port, *settings) as process:
        away = Peer(port, b"away", is_clean=False)
        away.subscribe()
        away.close()
        process.send_signal(signal.SIGUSR1)  # save: at least the subscription is there
        time.sleep(1.5)
        Peer(port, b"producer", is_clean=True).publish(count, body, 100)
        process.kill()
    with broker(folder, port, *settings):
        return Peer(port, b"away", is_clean=False).receive(count, 2)


def _text(octets: bytes) -> bytes:
    return len(octets).to_bytes(2, "big") + octets


def _packet(first: int, rest: bytes) -> bytes:
    length, encoded = len(rest), bytearray()
    while True:
        length, seven = divmod(length, 128)
        encoded.append(seven | (128 if length else 0))
        if not length:
            return bytes((first, *encoded)) + rest


def _end_of(octets: bytes, at: int) -> tuple[int, int] | None:
    """Where the variable part of the packet at `at` begins and ends, None when it is not all there."""
    length = shift = 0
    for index in range(at + 1, min(at + 5, len(octets))):
        length |= (octets[index] & 127) << shift
        shift += 7
        if not octets[index] & 128:
            end = index + 1 + length
            return (index + 1, end) if end <= len(octets) else None
    return None
