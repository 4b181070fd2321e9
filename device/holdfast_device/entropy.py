"""Seeding from the board's own generator, after a look at whether it is alive (NIST SP 800-90B section 4.4).

Two start-up tests, repetition count and adaptive proportion, over 1024 bytes; a generator that is stuck, biased or
absent is refused, and with it the start: nonces, ids and keys would rest on the provisioned seed alone.  The tests find
a generator that is broken; none can tell a good one from one that somebody else can compute.
"""

from holdfast_core.crypto import sha256
from holdfast_core.errors import LocalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = 1024  # section 4.3: start-up tests take at least so many
WINDOW = 512  # section 4.4.2, for samples that are not bits
# For 4 bits of entropy a byte, and one false alarm in 2^20: a conditioned generator has nearly 8.
REPEAT_CUTOFF = 6  # 1 + 20 / 4
SHARE_CUTOFF = 62  # 1 + critical value of a binomial of 512 with 2^-4


class NoEntropy(LocalError):
    """The board's generator is missing or broken; nothing that needs randomness may go on."""

    reason = "no-entropy"


def gather(board_rng: "Callable[[int], bytes] | None") -> bytes:
    """Return 32 bytes for a seed, made of 1024 that passed.

    board_rng: n -> n bytes.  Raises NoEntropy with detail: absent, failed, short, repeats, biased.
    """
    if board_rng is None:
        raise NoEntropy("absent")
    try:
        samples = board_rng(SAMPLES)
    except OSError:
        raise NoEntropy("failed") from None
    if len(samples) != SAMPLES:
        raise NoEntropy("short")
    check_repeats(samples)
    for start in range(0, SAMPLES, WINDOW):
        check_share(samples[start : start + WINDOW])
    return sha256(samples)


def check_repeats(samples: bytes) -> None:
    """Repetition count test (section 4.4.1). Raises NoEntropy."""
    last, count = -1, 0
    for sample in samples:
        count = count + 1 if sample == last else 1
        last = sample
        if count >= REPEAT_CUTOFF:
            raise NoEntropy("repeats")


def check_share(window: bytes) -> None:
    """Adaptive proportion test: how often the first sample is in its window (section 4.4.2). Raises NoEntropy."""
    if window.count(window[:1]) >= SHARE_CUTOFF:
        raise NoEntropy("biased")
