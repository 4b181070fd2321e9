"""Every option the stack knows against a second table, typed from the RFCs: length, repeats, critical or not."""

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_message import Message, screen_options

# number, shortest, longest, repeatable: RFC 7252 table 4; 7641 2; 7959 2.1, 4; 7967 2; 8613 2; 8768 3; 9175 2.2, 3.2
REGISTRY = [
    (3, 1, 255, False),
    (4, 1, 8, True),
    (6, 0, 3, False),
    (7, 0, 2, False),
    (8, 0, 255, True),
    (9, 0, 255, False),
    (11, 0, 255, True),
    (12, 0, 2, False),
    (14, 0, 4, False),
    (15, 0, 255, True),
    (16, 1, 1, False),
    (17, 0, 2, False),
    (20, 0, 255, True),
    (23, 0, 3, False),
    (27, 0, 3, False),
    (28, 0, 4, False),
    (35, 1, 1034, False),
    (39, 1, 255, False),
    (60, 0, 4, False),
    (252, 1, 40, False),
    (258, 0, 1, False),
    (292, 0, 8, True),
]


def verdict(*options):
    """What screening leaves: None when it names a critical option, else the options kept."""
    message = Message(L.CODE_GET, options=list(options))
    return None if screen_options(message) is not None else message.options


@pytest.mark.parametrize(
    ("number", "shortest", "longest", "repeatable"), REGISTRY, ids=[str(row[0]) for row in REGISTRY]
)
def test_a_known_option(number, shortest, longest, repeatable):
    refused = None if number & 1 else []
    for length in {shortest, longest}:
        assert verdict((number, bytes(length))) == [(number, bytes(length))]
    for length in {shortest - 1, longest + 1} - {-1}:
        assert verdict((number, bytes(length))) == refused
    one = (number, bytes(shortest))
    assert verdict(one, one) == ([one, one] if repeatable else None if number & 1 else [one])


@pytest.mark.parametrize("number", sorted(set(range(300)) - {row[0] for row in REGISTRY}))
def test_an_unknown_option(number):
    assert verdict((number, b"")) == (None if number & 1 else [])
