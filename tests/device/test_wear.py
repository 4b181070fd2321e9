"""The wear figures, held against what the stores really erase: littlefs of MicroPython, and raw flash."""

import json
import subprocess

import pytest

from holdfast_deploy.wear import STORES, erases_per_save, lines, saves_per_day, wear
from holdfast_device.slots import TwoSlots
from holdfast_device.store_partition import PartitionFlash
from testkit.flash_parts import RawFlash

SAVES = 1500
LITTLEFS = """
import json, os, sys, vfs
from holdfast_device.store_flash import FileFlash
from testkit.flash_parts import RawFlash
blocks, length, saves = [int(word) for word in sys.argv[1:]]
disk = RawFlash(blocks)
vfs.VfsLfs2.mkfs(disk)
vfs.mount(vfs.VfsLfs2(disk), "/disk")
os.mkdir("/disk/holdfast")
flash = FileFlash("/disk/holdfast")
for number in range(10):
    flash.write(number & 1, bytes(length))
free = os.statvfs("/disk")[3]
before = list(disk.erases)
for number in range(saves):
    flash.write(number & 1, bytes(length))
print(json.dumps([free, [after - first for after, first in zip(disk.erases, before)]]))
"""


def on_littlefs(repo, tmp_path, record_len):
    """(free blocks, erases of each block a save), as MicroPython's littlefs does it."""
    script = tmp_path / "littlefs.py"
    script.write_text(LITTLEFS)
    command = [
        repo / ".cache/micropython/micropython",
        "-X",
        "heapsize=16M",
        script,
        "32",
        str(record_len + 30),
        str(SAVES),
    ]
    env = {"MICROPYPATH": f"{repo}/native:{repo}/device:{repo}/tests"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    free, erases = json.loads(done.stdout)
    return free, [count / SAVES for count in erases]


@pytest.mark.parametrize("record_len", [20, 40, 95, 130])
def test_littlefs_erases_what_the_figure_says(repo, tmp_path, record_len):
    free, erases = on_littlefs(repo, tmp_path, record_len)
    assert max(erases) == pytest.approx(erases_per_save("littlefs", free, record_len), rel=0.35)


def test_a_partition_erases_what_the_figure_says():
    for blocks in (2, 4, 8):
        below = RawFlash(blocks)
        slots = TwoSlots(PartitionFlash(below))
        for _ in range(64 * blocks):
            slots.save(bytes(40))
        assert max(below.erases) / (64 * blocks) == pytest.approx(erases_per_save("partition", blocks), rel=0.01)


def test_nvs_is_counted_in_entries():
    assert erases_per_save("nvs", 6, 40) == pytest.approx(5 / 126 / 6)
    assert erases_per_save("nvs", 6, 2) == pytest.approx(3 / 126 / 6)
    assert erases_per_save("nvs", 6, 3) == pytest.approx(4 / 126 / 6)


def test_causes_add_up():
    quiet = saves_per_day()
    assert quiet == {"boot": 1, "token": 20, "floor": 24, "exi charge": 0, "sequence chunk": 0}
    busy = saves_per_day(2, 3, 0.5, 640)
    assert (busy["exi charge"], busy["sequence chunk"]) == (720, 10)
    assert saves_per_day(exi_share=1, sleep_period_s=60)["exi charge"] == 1440
    assert saves_per_day(exi_share=1, sleep_period_s=3600)["exi charge"] == 24
    assert wear(quiet, "nvs", 6)["saves_per_year"] == 45 * 365


def test_a_device_that_sleeps_and_counts_down_all_day_lasts_for_years():
    by_cause = saves_per_day(exi_share=1, sleep_period_s=60)
    told = lines(by_cause, {"littlefs": 100, "nvs": 6, "partition": 4})
    assert told[3] == "exi charge: 525600 saves a year"
    years = {store: wear(by_cause, store, blocks)["years"] for store, blocks in zip(STORES, (100, 6, 4), strict=True)}
    assert 10 < years["littlefs"] < 15
    assert 25 < years["nvs"] < 30
    assert 5 < years["partition"] < 7
    assert (
        told[-1]
        == f"partition, 4 blocks: {100_000 / years['partition']:.0f} erases a year of the block worn most, 6 years"
    )
