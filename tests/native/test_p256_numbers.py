"""The arithmetic inside hf_p256, against Python's integers: field and scalars, at random and at the edges."""

import ctypes
import random

import pytest

from testkit import native_build
from testkit import p256_native as kit

P, N = kit.P, kit.N
R = 2**256
BOXES = {
    "limbs64": "-DHF_P256_LIMB_BITS=64",
    "limbs32": "-DHF_P256_LIMB_BITS=32",
    "small": "-DHF_P256_SMALL=1",
}
LIMB_EDGES = [
    (high << shift) + low
    for shift in (31, 32, 62, 63, 64, 96, 128, 192, 224, 255)
    for high, low in ((1, 0), (1, -1), (1, 1))
]


def has_adx():
    with open("/proc/cpuinfo", encoding="ascii") as file:
        text = file.read()
    return " adx " in text and " bmi2 " in text


if has_adx():  # the other fields run anywhere; hf_p256.c asks the processor the same question
    BOXES["x86"] = "-DHF_BOX_X86=1"

every_box = pytest.mark.parametrize("box", BOXES)


class Box:
    """Open functions of one build, on integers."""

    def __init__(self, name):
        include = native_build.generator_include(6, 1)
        self.lib = native_build.load(f"p256-box-{name}", ["native/tests/p256_box.c"], [BOXES[name]], [include])

    def call(self, name, *numbers):
        out = ctypes.create_string_buffer(32)
        getattr(self.lib, name)(out, *(number.to_bytes(32, "little") for number in numbers))
        return int.from_bytes(out.raw, "little")


def numbers(modulus, seed, count):
    """Edges of the limbs and of the modulus, then random numbers below it, some with runs of ones or zeros."""
    rng = random.Random(seed)
    edges = [*range(4), *(modulus - i for i in range(1, 4)), modulus // 2, modulus // 2 + 1, R % modulus, *LIMB_EDGES]
    edges += [modulus - edge for edge in LIMB_EDGES if edge < modulus]
    edges = [edge for edge in edges if 0 <= edge < modulus]
    while len(edges) < count:
        number = rng.randrange(modulus)
        if rng.random() < 0.5:
            run = ((1 << rng.randrange(1, 200)) - 1) << rng.randrange(200)
            number = number | run if rng.random() < 0.5 else number & ~run
        edges.append(number % modulus)
    return edges


@every_box
def test_field(box):
    inside, inverse = Box(box), pow(R, -1, P)
    values = numbers(P, "field", 160)
    for a in values:
        assert inside.call("box_fe_sqr", a) == a * a * inverse % P
        for b in values:
            assert inside.call("box_fe_mul", a, b) == a * b * inverse % P
            assert inside.call("box_fe_add", a, b) == (a + b) % P
            assert inside.call("box_fe_sub", a, b) == (a - b) % P


@every_box
def test_many_random_products(box):
    inside, inverse = Box(box), pow(R, -1, P)
    values = numbers(P, "products", 20000)
    for a, b in zip(values, reversed(values), strict=True):
        assert inside.call("box_fe_mul", a, b) == a * b * inverse % P
        assert inside.call("box_fe_sqr", a) == a * a * inverse % P


@every_box
def test_scalars(box):
    inside, inverse = Box(box), pow(R, -1, N)
    values = numbers(N, "scalars", 3000)
    for a, b in zip(values, reversed(values), strict=True):
        assert inside.call("box_scalar_mul", a, b) == a * b * inverse % N


@every_box
def test_inverse_of_a_scalar(box):
    """Also the powers of two and of their inverses, which take division steps to their extremes."""
    inside = Box(box)
    halves = [pow(2, i, N) for i in range(-300, 300)]
    for a in [*numbers(N, "inverse", 6000), *halves, *(N - half for half in halves)]:
        if a:
            assert inside.call("box_scalar_inverse", a) == pow(a, -1, N)
