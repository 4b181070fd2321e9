"""A second opinion on COSE: pycose makes messages and opens ours, inside this process.

pycose 1.1.0 cannot decode with cbor2 6 (it expects lists and gets tuples), so cbor2 decodes and `from_cose_obj` takes
over. It reads any header placement; that a token is strict is our own claim, and not what is asked here.
"""

import warnings

import cbor2

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its dependencies warn about their own age at import
    from pycose.algorithms import CoseAlgorithm
    from pycose.headers import IV, KID, Algorithm
    from pycose.keys import EC2Key, SymmetricKey
    from pycose.messages import Enc0Message, Mac0Message, Sign1Message

CLASSES = {16: Enc0Message, 17: Mac0Message, 18: Sign1Message}
CWT_TAG = b"\xd8\x3d"


def symmetric(material):
    return SymmetricKey(k=material)


def public(xy):
    return EC2Key(crv="P_256", x=xy[:32], y=xy[32:])


def private(xy, d):
    return EC2Key(crv="P_256", x=xy[:32], y=xy[32:], d=d)


def make(tag, payload, alg, kid, key, iv=None):
    """Make a tagged COSE message with everything in the protected header.

    tag: 16, 17 or 18; alg: COSE number; key: from a function above; iv for tag 16.
    """
    header = {Algorithm: CoseAlgorithm.from_id(alg), KID: kid}
    if iv is not None:
        header[IV] = iv
    message = CLASSES[tag](phdr=header, uhdr={}, payload=payload)
    message.key = key
    return message.encode()


def open_message(encoded, key):
    """Return (tag, payload) of a tagged COSE message, tag 61 before it or not; an error if it is not authentic."""
    item = cbor2.loads(encoded)
    if item.tag == 61:
        item = item.value
    protected, unprotected, *rest = item.value
    message = CLASSES[item.tag].from_cose_obj([protected, dict(unprotected), *rest], True)
    message.key = key
    if item.tag == 16:
        return item.tag, message.decrypt()
    authentic = message.verify_tag() if item.tag == 17 else message.verify_signature()
    assert authentic, "pycose finds it not authentic"
    return item.tag, message.payload
