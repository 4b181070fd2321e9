"""A real mosquitto on a port of its own, and a consumer that collects what it is sent."""

import queue
import shutil
import socket
import subprocess
import time

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

PATIENCE_S = 60
PLAIN = "allow_anonymous true\n"


class Mosquitto:
    """A broker that may be killed and started again. settings: lines of mosquitto.conf for its only listener."""

    def __init__(self, directory, settings=PLAIN):
        program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
        assert program, "mosquitto is missing: run scripts/toolchain.sh"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        config = directory / "mosquitto.conf"
        config.write_text(
            "per_listener_settings false\nset_tcp_nodelay true\npersistence false\nuser root\n"
            f"listener {self.port} 127.0.0.1\n{settings}"
        )
        self._command = [program, "-c", str(config)]
        self.log = directory / "mosquitto.log"
        self.process = None

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)
        until = time.monotonic() + PATIENCE_S
        while True:
            assert self.process.poll() is None, self.log.read_text()
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except ConnectionRefusedError:
                assert time.monotonic() < until
            else:
                return self

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait(timeout=PATIENCE_S)

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=PATIENCE_S)


class Consumer:
    """A client of the broker that subscribes to filters, and has come back when the constructor returns."""

    def __init__(self, port, *filters, tls=None, user=None, password=None, host="127.0.0.1"):
        self.messages = queue.Queue()
        ready = queue.Queue()
        self._client = client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5, reconnect_on_failure=False)
        if tls is not None:
            client.tls_set_context(tls)
        if user is not None:
            client.username_pw_set(user, password)
        client.on_connect = lambda client, *_: client.subscribe([(each, SubscribeOptions(qos=1)) for each in filters])
        client.on_subscribe = lambda *_: ready.put(True)
        client.on_message = lambda _client, _data, message: self.messages.put(message)
        client.connect(host, port, clean_start=True)
        client.loop_start()
        ready.get(timeout=PATIENCE_S)

    def next(self):
        """The next message, when it has come."""
        return self.messages.get(timeout=PATIENCE_S)

    def until(self, fits):
        """The first message that fits, and all before it are dropped."""
        while True:
            message = self.next()
            if fits(message):
                return message

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()


def user_properties(message):
    """The User Properties of a message, by name."""
    return dict(getattr(message.properties, "UserProperty", []))
