"""A doctor reads a tube over each link of a hub, and in the same session again after the link was gone.

The device's own link is at the other end, and runs as its main.py would.
"""

import asyncio
import time

import pytest

from holdfast_core import labels as L
from holdfast_device import ble_shell as device_ble
from holdfast_device.client import AceClient, Refused
from holdfast_device.endpoint import Endpoint
from holdfast_device.loop_shell import Loop
from holdfast_device.mqtt_shell import MqttLink as BoardMqtt
from holdfast_device.serial_shell import SerialLink as BoardSerial
from holdfast_device.ticks_shell import Ticks
from holdfast_hub.devices.table import DeviceTable
from holdfast_hub.links import ble_shell
from holdfast_hub.links.ble_shell import BleLink
from holdfast_hub.links.broker import Where
from holdfast_hub.links.mqtt_shell import MqttLink
from holdfast_hub.links.serial_shell import SerialLink
from holdfast_hub.records import OUR_FAR, Device
from testkit import mint
from testkit.hub_links import Air, Line, Told, until
from testkit.link import Random
from testkit.mosquitto import Mosquitto
from testkit.story import AS_URI, NOW_S, TUBE, World, get, held
from testkit.umqtt import MQTTClient, MQTTException


def pause(ms):
    time.sleep(ms / 1000)


class Serial:
    def __init__(self, folder):
        self.line = Line(folder / "ttyUSB0")
        self.device = Device("tube", "south")

    def board(self, ticks):
        return BoardSerial(self.line, self.line)

    def link(self, told):
        return SerialLink("south", str(self.line.path), 115200, told.take, told.change)

    async def cut(self, link, loop):
        self.line.unplug()
        await until(lambda: not link.is_up)
        self.line.plug()
        await until(lambda: link.is_up)

    def close(self):
        self.line.close()


class Mqtt:
    def __init__(self, folder):
        self.broker = Mosquitto(folder).start()
        self.device = Device("tube", "south", "tube-7")

    def board(self, ticks):
        self.client = MQTTClient(b"tube", "127.0.0.1", self.broker.port)
        return BoardMqtt(self.client, b"hub/tube-7", ticks.now_ms, pause, refused=MQTTException)

    def link(self, told):
        return MqttLink("south", Where("127.0.0.1", self.broker.port, ""), "hub", told.take, told.change)

    async def cut(self, link, loop):
        self.broker.kill()
        await until(lambda: not link.is_up, lambda: loop.step(0))
        self.broker.start()
        await until(lambda: link.is_up, lambda: loop.step(0))

    def close(self):
        self.client.sock.close()
        self.broker.stop()


class Ble:
    def __init__(self, _folder):
        self.device = Device("tube", "south", "C0:FF:EE:00:00:07")
        self.air = Air(self.device.address)

    def board(self, ticks):
        return device_ble.BleLink(self.air, str, b"tube", ticks.now_ms, lambda _ms: None)

    def link(self, told):
        return BleLink("south", self.air, told.take, told.change, told.arrive)

    async def cut(self, link, loop):
        self.air.cut()
        await until(lambda: link.is_up and link.reaches(self.device))

    def close(self):
        pass


@pytest.fixture(params=[Serial, Mqtt, Ble])
def field(request, tmp_path, monkeypatch):
    monkeypatch.setattr(ble_shell, "FIRST_RETRY_S", 0.001)
    made = request.param(tmp_path)
    yield made
    made.close()


def test_a_session_outlives_its_link(field):
    async def story():
        ticks, told = Ticks(), Told()
        link = field.link(told)
        loop = Loop(World().boot_tube(), field.board(ticks), ticks, has_clock=False)
        random = Random(3).octets
        endpoint = Endpoint(random)
        doctor = AceClient(endpoint, random, AS_URI)
        told.on_received = lambda datagram, device, far: endpoint.feed(datagram, device.name, ticks.now_ms())
        link.use(DeviceTable([field.device]))
        link.start()

        def turn():
            loop.step(0)
            endpoint.tick(ticks.now_ms())
            for datagram, _ in endpoint.take_datagrams():
                link.send(datagram, field.device, OUR_FAR)

        async def run(steps):
            ended = []
            endpoint.spawn(steps).when_ended(lambda value, error: ended.append((value, error)))
            await until(lambda: ended, turn)
            value, error = ended[0]
            if error is not None:
                raise error
            return value

        await until(lambda: link.reaches(field.device), turn)
        thief = mint.nested(mint.claims(TUBE, "read_result", NOW_S), d=7)
        with pytest.raises(Refused) as refused:
            await run(doctor.open_session("tube", held(thief)))
        assert refused.value.code == L.CODE_UNAUTHORIZED
        token = mint.nested(mint.claims(TUBE, "read_result", NOW_S))
        session = await run(doctor.open_session("tube", held(token)))
        assert (await run(session.request(get("/result")))).payload == b"negative"
        await field.cut(link, loop)
        assert (await run(session.request(get("/result")))).payload == b"negative"
        assert {far for _, _, far in told.received} == {OUR_FAR}
        link.close()

    asyncio.run(story())
