"""What a computer asks a board, as programs for its REPL; each answers with objects of JSON, a line each.

They run on any MicroPython that mpremote can talk to, with Holdfast on it or without. None of them ever prints what a
provisioning file holds, beyond names and key ids. CPython builds them, boards run them.
"""

LIB = "/lib"
DIRECTORY = "/holdfast"  # board_shell.DIRECTORY
PROVISIONING = DIRECTORY + "/provisioning"
PACKAGES = ("holdfast_core", "holdfast_device")
MAIN = "/main.py"
NATIVE = LIB + "/hf_native.mpy"
NEW = PROVISIONING + ".new"

_HASH = """
import os, sys, gc, json, hashlib, binascii
gc.collect()
def sha256(path):
    h = hashlib.sha256()
    try:
        with open(path, "rb") as f:
            while True:
                piece = f.read(512)
                if not piece:
                    break
                h.update(piece)
    except OSError:
        return None
    return binascii.hexlify(h.digest()).decode()
def names(path):
    try:
        return os.listdir(path)
    except OSError:
        return []
"""

_IDENTITY = """
import sys, os, json, gc
gc.collect()
heap_free = gc.mem_free()
v = sys.implementation
told = {"micropython": ".".join([str(n) for n in v[1][:3]]), "machine": getattr(v, "_machine", sys.platform)}
mpy = getattr(v, "_mpy", 0)
told["mpy"] = [mpy & 255, mpy >> 8 & 3, mpy >> 10 & 15]
told["heap_free"] = heap_free
try:
    s = os.statvfs("/")
    told["flash_free"] = s[0] * s[3]
    told["flash"] = s[1] * s[2]
    told["block"] = s[0]
except OSError:
    told["flash_free"] = told["flash"] = told["block"] = None
"""

_HOLDFAST = f"""
told["crypto"] = told["tokens"] = told["frozen"] = None
try:
    import cryptolib
    told["aes"] = True
except ImportError:
    told["aes"] = False
try:
    import holdfast_core
    told["frozen"] = not getattr(holdfast_core, "__file__", "").startswith("{LIB}")
    from holdfast_core.crypto import PROVIDER
    told["crypto"] = PROVIDER
    told["aes"] = told["aes"] or PROVIDER == "hf_native"
    from holdfast_core.token_check import PATH
    told["tokens"] = PATH
except (ImportError, MemoryError, ValueError) as e:
    told["problem"] = str(e)
"""

_PROVISIONED = f"""
told["provisioned"] = told["boots"] = None
try:
    os.stat("{PROVISIONING}")
    told["provisioned"] = {{}}
    from holdfast_device.board_shell import name_of, read_provisioning
    p = read_provisioning("{PROVISIONING}")
    keys = [k.role + ":" + "".join(["%02x" % b for b in k.kid]) for k in p.keys]
    told["provisioned"] = {{"name": name_of(p), "issuer": p.issuer, "keys": keys}}
    del p
except OSError:
    pass
except Exception as e:
    told["problem"] = str(e)
try:
    from holdfast_core import cbor
    from holdfast_device.slots import TwoSlots
    from holdfast_device.store_flash import FileFlash
    record = TwoSlots(FileFlash("{DIRECTORY}")).load()
    if record:
        told["boots"] = cbor.decode(record)[1]
except Exception as e:
    told["problem"] = str(e)
"""

_PRINT = """
print(json.dumps(told))
"""

IDENTITY = _IDENTITY + _PRINT
STATUS = _IDENTITY + _HOLDFAST + _PROVISIONED + _PRINT

# A line for each file: all in one would be more than a small heap has in one piece.
HASHES = f"""{_HASH}
told = {{}}
for package in {PACKAGES!r}:
    for name in names("{LIB}/" + package):
        print(json.dumps({{package + "/" + name: sha256("{LIB}/" + package + "/" + name)}}))
for name in names("{LIB}"):
    if name.startswith("hf_native."):
        told[name] = sha256("{LIB}/" + name)
{_PRINT}"""

PROVISIONING_HASH = f"""{_HASH}
told = {{"old": sha256("{PROVISIONING}"), "new": sha256("{NEW}")}}
{_PRINT}"""

# littlefs renames over what is there, FAT does not.
COMMIT = f"""{_HASH}
try:
    os.rename("{NEW}", "{PROVISIONING}")
except OSError:
    os.remove("{PROVISIONING}")
    os.rename("{NEW}", "{PROVISIONING}")
if hasattr(os, "sync"):
    os.sync()
told = {{"old": sha256("{PROVISIONING}"), "new": sha256("{NEW}")}}
{_PRINT}"""

WIPE = f"""{_HASH}
from holdfast_device.wipe_shell import wipe
if names("{DIRECTORY}"):
    wipe("{DIRECTORY}", print)
told = {{"left": names("{DIRECTORY}")}}
{_PRINT}"""


def make_directories(*paths: str) -> str:
    """Make directories, the outer ones first; those that are there stay."""
    return f"""
import os, json
for path in {paths!r}:
    try:
        os.mkdir(path)
    except OSError:
        os.stat(path)
told = {{}}
{_PRINT}"""


def remove(paths: list[str]) -> str:
    """Remove files: MicroPython prefers a stale .py to the .mpy beside it."""
    return f"""
import os, json
for path in {paths!r}:
    os.remove(path)
told = {{}}
{_PRINT}"""


def file_hash(path: str) -> str:
    """The hash of one file, None when it is not there."""
    return f"""{_HASH}
told = {{"sha256": sha256({path!r})}}
{_PRINT}"""


AUDIT = f"""{_HASH}{_IDENTITY}{_HOLDFAST}
told["sources"] = [n for p in {PACKAGES!r} for n in names("{LIB}/" + p) if n.endswith(".py")]
told["copies"] = [n for n in names("/") + names("{DIRECTORY}") if n.endswith(".prov") or n.endswith(".new")]
told["webrepl"] = "webrepl_cfg.py" in names("/")
told["entropy"] = "absent"
told["state"] = "unreadable"
try:
    from holdfast_device.entropy import gather
    gather(getattr(os, "urandom", None))
    told["entropy"] = "ok"
except Exception as e:
    told["entropy"] = str(e)
try:
    from holdfast_device import slots
    from holdfast_device.store_flash import FileFlash
    slots.TwoSlots(FileFlash("{DIRECTORY}")).load()
    told["state"] = "ok"
except Exception as e:
    told["state"] = str(e)
{_PRINT}"""
