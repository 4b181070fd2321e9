"""ECDSA verification on the curve P-256, in plain integers (FIPS 186-5, SEC 1 section 4.1.4).

Serves boards that have no elliptic-curve library. Handles public values only: its time depends on them, so it
must never be given a private key, and it cannot sign.

Each scalar multiplication is a signed comb (Hedabou, Pinel and Beneteau's form of Lim and Lee's): the
scalar is written with 256 digits, each +1 or -1, laid out as 4 teeth of 64 digits. A table holds the 8
sums 2^192 Q +- 2^128 Q +- 2^64 Q +- Q, so that u1 G + u2 Q takes 64 doublings and 128 additions, instead of
256 and about 190. With 6 teeth it would be two thirds of that, and 2 kB more of a heap of 48.
A table is 512 bytes, x || y for each point: as integers it would take twice the memory.
"""

from holdfast_core.p256_generator import TABLE as G_TABLE

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B

_TEETH = 4
_WIDTH = 64  # digits in a tooth; _TEETH * _WIDTH >= 256
_ALL_ONES = (1 << _TEETH * _WIDTH) - 1
_HALF = 1 << _TEETH - 1  # points in a table
TABLE_LEN = 64 * _HALF
_TEXT_ZEROS = 15 * ord("0")  # four digits of text, weighted 8, 4, 2, 1


def is_on_curve(x: int, y: int) -> bool:
    """Tell whether (x, y) is an affine point of the curve with both coordinates in 0..p-1."""
    return 0 <= x < P and 0 <= y < P and (y * y - (x * x - 3) * x - B) % P == 0


def comb_table(x: int, y: int, table: bytearray) -> None:
    """Fill the TABLE_LEN bytes that is_signature needs for the public key (x, y), which is on the curve.

    Point i is 2^192 Q plus or minus each 2^(64 t) Q, plus where bit t of i is set. None of these sums or
    the steps towards them is the point at infinity: their scalars are non-zero and below the group order.
    """
    z_values = [b""] * _HALF
    point, teeth = _teeth(x, y)
    for tooth in range(_TEETH - 1):
        point = _add(point, *_opposite(teeth, 2 * tooth))
    for step in range(_HALF):  # in the order of a Gray code: neighbours differ in one sign, by twice a tooth
        index = step ^ step >> 1
        if step:
            tooth = _lowest_bit(step)
            doubled = _numbers(teeth, 2 * tooth + 1) if index >> tooth & 1 else _opposite(teeth, 2 * tooth + 1)
            point = _add(point, *doubled)
        z_values[index] = _store(table, index, point)
    _make_affine(table, z_values)


def _teeth(x: int, y: int) -> "tuple[tuple[int, int, int], bytearray]":
    """Return 2^192 Q, and for each lower tooth the affine points 2^(64 t) Q and twice that."""
    teeth = bytearray(64 * 2 * (_TEETH - 1))
    z_values: list[bytes] = []
    point = (x, y, 1)
    for _ in range(_TEETH - 1):
        for doublings in (1, _WIDTH - 1):
            z_values.append(_store(teeth, len(z_values), point))
            for _ in range(doublings):
                point = _double(point)
    _make_affine(teeth, z_values)
    return point, teeth


def _lowest_bit(number: int) -> int:
    """Return the place of the lowest bit that is set; there is one."""
    place = 0
    while not number >> place & 1:
        place += 1
    return place


def _store(points: bytearray, index: int, point: "tuple[int, int, int]") -> bytes:
    """Store x || y of a Jacobian point, and return z: a number keeps the room of the product that it comes from."""
    x, y, z = point
    points[64 * index : 64 * index + 64] = x.to_bytes(32, "big") + y.to_bytes(32, "big")
    return z.to_bytes(32, "big")


def _numbers(points: "bytes | bytearray", index: int) -> "tuple[int, int]":
    """Return x and y of a stored point."""
    at = 64 * index
    return int.from_bytes(points[at : at + 32], "big"), int.from_bytes(points[at + 32 : at + 64], "big")


def _opposite(points: "bytes | bytearray", index: int) -> "tuple[int, int]":
    """Return x and y of minus a stored affine point."""
    x, y = _numbers(points, index)
    return x, P - y


def _make_affine(points: bytearray, z_values: "list[bytes]") -> None:
    """Scale Jacobian points, none of them infinity, to z = 1 with one inversion for all (Montgomery)."""
    products = []  # of the z before each
    product = 1
    for z in z_values:
        products.append(product.to_bytes(32, "big"))
        product = product * int.from_bytes(z, "big") % P
    inverse = _inverse(product, P)
    for i in range(len(z_values) - 1, -1, -1):
        z_inverse = inverse * int.from_bytes(products.pop(), "big") % P
        inverse = inverse * int.from_bytes(z_values[i], "big") % P
        zz_inverse = z_inverse * z_inverse % P
        x, y = _numbers(points, i)
        _store(points, i, (x * zz_inverse % P, y * zz_inverse * z_inverse % P, 1))


def is_signature(table: "bytes | bytearray", digest: int, r: int, s: int) -> bool:
    """Tell whether (r, s) signs the SHA-256 digest (as an integer) under the key of this comb_table."""
    if not (0 < r < N and 0 < s < N):
        return False
    w = _inverse(s, N)
    columns = zip(_columns(digest * w % N), _columns(r * w % N))  # noqa: B905  MicroPython has no strict=
    x, _, z = _two_combs(table, columns)
    if not z:
        return False
    zz = z * z % P
    # The affine x, reduced mod n, must be r: x is r or r + n. Compared without the inversion of z.
    return r * zz % P == x or (r + N < P and (r + N) * zz % P == x)


def _columns(u: int) -> "list[int]":
    """Recode u, 0..n-1, into 64 columns of 4 signed digits, the highest column first.

    Bit t of a column is set where the digit of 2^(64 t + column) is +1, clear where it is -1. Only odd
    numbers have such digits: for an even u take n - u, and turn every sign round.
    """
    bits = (u + _ALL_ONES) >> 1 if u & 1 else _ALL_ONES - ((N - u + _ALL_ONES) >> 1)
    text = f"{bits:0256b}".encode()
    teeth = [text[i : i + _WIDTH] for i in range(0, _TEETH * _WIDTH, _WIDTH)]
    return [
        (a << 3) + (b << 2) + (c << 1) + d - _TEXT_ZEROS
        for a, b, c, d in zip(*teeth)  # noqa: B905  MicroPython has no strict=
    ]


def _two_combs(q_table: "bytes | bytearray", columns: "zip[tuple[int, int]]") -> "tuple[int, int, int]":
    """Return the Jacobian point that the columns of digits select from the tables of G and of Q."""
    point = (1, 1, 0)
    for g_column, q_column in columns:
        point = _add(_double(point), *_entry(G_TABLE, g_column))
        point = _add(point, *_entry(q_table, q_column))
    return point


def _entry(table: "bytes | bytearray", column: int) -> "tuple[int, int]":
    """Return the affine point of a column of digits: where the highest is -1, the negated opposite."""
    if column < _HALF:
        return _opposite(table, _HALF - 1 - column)
    return _numbers(table, column - _HALF)


def _double(point: "tuple[int, int, int]") -> "tuple[int, int, int]":
    """Double a Jacobian point (z = 0 is infinity, and stays so); the curve has a = -3."""
    x, y, z = point
    yy = y * y % P
    zz = z * z % P
    b = x * yy % P
    a = 3 * (x - zz) * (x + zz) % P
    x3 = (a * a - 8 * b) % P
    return x3, (a * (4 * b - x3) - 8 * yy * yy) % P, 2 * y * z % P


def _add(point: "tuple[int, int, int]", x2: int, y2: int) -> "tuple[int, int, int]":
    """Add the affine point (x2, y2) to a Jacobian point; right also for equal and opposite points."""
    x1, y1, z1 = point
    if not z1:
        return x2, y2, 1
    zz = z1 * z1 % P
    h = (x2 * zz - x1) % P
    s = (y2 * (z1 * zz % P) - y1) % P
    if not h:
        return (1, 1, 0) if s else _double(point)
    hh = h * h % P
    hhh = h * hh % P
    v = x1 * hh % P
    x3 = (s * s - hhh - 2 * v) % P
    return x3, (s * (v - x3) - y1 * hhh) % P, z1 * h % P


def _inverse(a: int, m: int) -> int:
    """Return 1/a modulo the prime m, a in 1..m-1, by Euclid: MicroPython's pow(a, -1, m) returns 0."""
    r0, r1, t0, t1 = m, a, 0, 1
    while r1:
        q = r0 // r1
        r0, r1 = r1, r0 - q * r1
        t0, t1 = t1, t0 - q * t1
    return t0 % m
