"""Write native/src/hf_p256_generator.h: the comb table of the generator of P-256, as the C core reads it.

Run at build time with the geometry that the build wants:  p256_generator.py TEETH BLOCKS [OUT]
Plain integer arithmetic, which shares nothing with the C code that uses the table. No RFC; FIPS 186-5, SP 800-186.
"""

import sys

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
VERSION = 1
Point = tuple[int, int]


def add(a: Point, b: Point) -> Point:
    """Add two finite points that are not opposite."""
    slope = 3 * (a[0] ** 2 - 1) * pow(2 * a[1], -1, P) if a == b else (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def entries(point: Point, teeth: int, blocks: int) -> list[Point]:
    """The points of a table in their order (native/src/hf_p256_comb.h)."""
    spacing = -(-256 // (teeth * blocks))
    table = []
    for _ in range(blocks):
        tooth = []
        for _ in range(teeth):
            tooth.append(point)
            for _ in range(spacing):
                point = add(point, point)
        for index in range(1 << (teeth - 1)):
            total = tooth[-1]
            for t, one in enumerate(tooth[:-1]):
                total = add(total, one if index >> t & 1 else (one[0], P - one[1]))
            table.append(total)
    return table


def table_bytes(point: Point, teeth: int, blocks: int) -> bytes:
    """A whole table with its header."""
    body = b"".join(
        (coordinate * 2**256 % P).to_bytes(32, "little") for one in entries(point, teeth, blocks) for coordinate in one
    )
    return bytes((VERSION, teeth, blocks, 0)) + body


def header(teeth: int, blocks: int) -> str:
    """The C header's text."""
    octets = table_bytes(G, teeth, blocks)
    lines = [", ".join(f"0x{octet:02x}" for octet in octets[at : at + 16]) for at in range(0, len(octets), 16)]
    rows = ",\n    ".join(lines)
    return (
        f"/* Made by scripts/p256_generator.py {teeth} {blocks}: the comb table of the generator. */\n"
        "#ifndef HF_P256_GENERATOR_H\n#define HF_P256_GENERATOR_H\n\n"
        f"static const uint8_t hf_p256_generator[{len(octets)}] __attribute__((aligned(8))) =\n"
        f"    {{{rows}}};\n\n#endif\n"
    )


def main() -> None:
    """Write the header to OUT, or to standard output."""
    teeth, blocks, *out = sys.argv[1:]
    text = header(int(teeth), int(blocks))
    if out:
        with open(out[0], "w", encoding="ascii") as file:
            file.write(text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
