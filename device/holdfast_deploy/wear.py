"""How fast a device's saves wear its flash, by the store that keeps its two slots.  Pure.

A save costs no erase as a rule: each store appends first and erases when a block is full.  What littlefs does was
measured with MicroPython's own over a RAM disk, which tests/device/test_wear.py does again.
"""

from holdfast_core.sender_sequence import CHUNK
from holdfast_device.slots import CHECK_LEN, HEAD_LEN
from holdfast_device.state import CHARGE_S
from holdfast_device.store_partition import COPY_LEN
from holdfast_device.timekeeper import FLOOR_SAVE_S

DAY_S = 86400
YEAR_DAYS = 365
CYCLES = 100_000  # erases that NOR flash of these boards is specified for
BLOCK_LEN = 4096
RECORD_LEN = 41  # of state.py, with one countdown; each more adds seven bytes, a context with an AS 25
STORES = ("littlefs", "nvs", "partition")
# littlefs keeps a file of up to 128 bytes in the log of its directory, two blocks; it adds so much to each entry.
_INLINE_LEN = 128
_ENTRY_LEN = 45
_LOG_BLOCKS = 2
# NVS: entries of 32 bytes, 126 in a page; a blob takes one for its index and one for the head of its only chunk.
_NVS_ENTRY_LEN = 32
_NVS_ENTRIES = 126


def saves_per_day(
    boots: float = 1, tokens: float = 10, exi_share: float = 0, messages: float = 0, sleep_period_s: float | None = None
) -> dict[str, float]:
    """Return saves a day, by cause.

    boots: power cuts and resets; waking from deep sleep is none.  tokens: accepted ones, each may prove a later time
    and both slots are told of it.
    exi_share: part of the day, 0..1, in which a countdown runs.  messages: to the AS.  sleep_period_s: from one waking
    to the next of a device that sleeps; it charges countdowns once in each.
    """
    charge_s = CHARGE_S if sleep_period_s is None else max(CHARGE_S, sleep_period_s)
    return {
        "boot": boots,
        "token": 2 * tokens,
        "floor": DAY_S / FLOOR_SAVE_S,
        "exi charge": exi_share * DAY_S / charge_s,
        "sequence chunk": messages / CHUNK,
    }


def erases_per_save(store: str, blocks: int, record_len: int = RECORD_LEN) -> float:
    """Return how often a save erases the block that it wears most.

    store: one of STORES.  blocks: of 4 KB; free ones of the file system, pages of NVS, or all of the partition.
    """
    slot_len = HEAD_LEN + record_len + CHECK_LEN
    if store == "partition":
        return 1 / (blocks * (BLOCK_LEN // COPY_LEN))
    if store == "nvs":
        return (2 + -(-slot_len // _NVS_ENTRY_LEN)) / _NVS_ENTRIES / blocks
    log = (min(slot_len, _INLINE_LEN) + _ENTRY_LEN) / BLOCK_LEN / _LOG_BLOCKS
    return log if slot_len <= _INLINE_LEN else max(log, 1 / blocks)


def wear(by_cause: dict[str, float], store: str, blocks: int, record_len: int = RECORD_LEN) -> dict[str, float]:
    """Return saves and erases a year of the block that is worn most, and the years until it is worn out.

    by_cause: saves_per_day().  Erases that something else on the same file system or NVS causes are not in it.
    """
    saves = sum(by_cause.values()) * YEAR_DAYS
    erases = saves * erases_per_save(store, blocks, record_len)
    return {"saves_per_year": saves, "erases_per_year": erases, "years": CYCLES / erases}


def lines(by_cause: dict[str, float], blocks: dict[str, int]) -> list[str]:
    """Return the figures as text: causes, then one line for each store.  blocks: by store."""
    sentences = [f"{cause}: {count * YEAR_DAYS:.0f} saves a year" for cause, count in by_cause.items()]
    for store, count in blocks.items():
        figure = wear(by_cause, store, count)
        sentences.append(
            f"{store}, {count} blocks: {figure['erases_per_year']:.0f} erases a year of the block worn most, "
            f"{figure['years']:.0f} years"
        )
    return sentences
