"""What verifier_hf.py asks of hf_native, on CPython through cffi: rules_read and token_verify, as in hf_native.pyi.

Importing this file fails where the C core was not built; token_check.py then takes verifier.py.  An AS's key that comes
without a table of its multiples gets one when it has verified often, as in crypto_cpython_native.py.
Never imported by name except from verifier_hf.py and tests.
"""

from typing import Any

from holdfast_core import _native, cbor
from holdfast_core import kinds as K
from holdfast_core.crypto_cpython_native import BLOCKS, TABLE_AFTER, TEETH, make_table

_FIXED_LEN = 5 * 8 + 3 * 4 + 7 + 32  # of a grant's numbers, words, flags and hash
_KEYS = 7  # where the encoded rules have the keys, and a key its parts
_ROLE, _ISSUER, _MATERIAL, _TABLE = 0, 3, 4, 5
_SIGNED = [1 << K.FORMATS.index(name) >> 1 for name in (K.CWT_NESTED, K.CWT_SIGNED)]  # as verifier_hf.py has them


class Rules:
    """Rules as the C core reads them, with what they point into.  uses: signed tokens until the keys get tables."""

    def __init__(self, encoded: bytes) -> None:
        self.uses = TABLE_AFTER
        self.issuer_len = 0
        self.struct = _native.ffi.new("struct hf_rules *")
        self.verdict = self._read(encoded)

    def _read(self, encoded: bytes) -> int:
        held = _native.ffi.from_buffer("uint8_t[]", encoded)
        verdict = _native.lib.hf_rules_read({"p": held, "len": len(encoded)}, self.struct)
        if not verdict:
            self.encoded = encoded  # the struct points into it
            rules: Any = cbor.decode(encoded)
            self.issuer_len = max((len(key[_ISSUER].encode()) for key in rules[_KEYS]), default=0)
        return verdict

    def count(self) -> None:
        """Count a good signature; give the keys their tables when it is the last of them."""
        self.uses -= 1
        if self.uses == 0:
            rules: Any = cbor.decode(self.encoded)
            for key in rules[_KEYS]:
                if key[_ROLE] == K.ROLES.index(K.ROLE_SIGN) and key[_TABLE] is None:
                    key[_TABLE] = make_table(key[_MATERIAL], TEETH, BLOCKS)
            self._read(cbor.encode(rules))


def rules_read(encoded: bytes) -> Rules | int:
    """Return the rules, or the verdict when they cannot be."""
    rules = Rules(encoded)
    return rules.verdict or rules


def token_verify(rules: Rules, moment: bytes, token: bytes) -> Any:
    """Return a grant's items (kinds.py), the verdict, or that and the client-nonce which was taken for fresh."""
    room = bytearray(5 * len(token) + rules.issuer_len + _FIXED_LEN)  # 3 to work in, 2 for items: a key may be sealed
    lens = _native.ffi.new("int32_t[]", K.ITEM_COUNT)
    held = _native.ffi.from_buffer("uint8_t[]", room)
    verdict = _native.lib.hf_token_items(rules.struct, moment, bytes(token), len(token), held, len(room), lens)
    octets, at = bytes(room), 0
    items = [
        None if length < 0 else octets[at : (at := at + length)] for length in _native.ffi.unpack(lens, K.ITEM_COUNT)
    ]
    if verdict:
        cnonce = items[K.ITEM_CNONCE]
        return verdict if cnonce is None else (verdict, cnonce)
    if items[K.ITEM_FLAGS][3] in _SIGNED:  # type: ignore[index]  # a grant has flags
        rules.count()
    return tuple(items)
