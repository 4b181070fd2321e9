"""What a computer asks a board, as programs for its REPL; each calls answer() with objects (answers.py).

They run on any MicroPython that mpremote can talk to, with Holdfast on it or without. None of them ever answers with
what a provisioning file holds, beyond names and key ids. CPython builds them, boards run them.
"""

from typing import Any

LIB = "/lib"
DIRECTORY = "/holdfast"  # board_shell.DIRECTORY
PROVISIONING = DIRECTORY + "/provisioning"
PACKAGES = ("holdfast_core", "holdfast_device")
MAIN = "/main.py"
NATIVE = LIB + "/hf_native.mpy"
NEW = PROVISIONING + ".new"
OLD = PROVISIONING + ".old"  # board_shell.OLD


class Question:
    """program: what the board runs; fields: the types of each name in its answer; others: of any name beside these.

    A board may say anything: what does not fit is no answer.
    """

    __slots__ = ("_fields", "_others", "program")

    def __init__(
        self, program: str, fields: dict[str, tuple[type, ...]] | None = None, others: tuple[type, ...] = ()
    ) -> None:
        self.program = program
        self._fields = fields or {}
        self._others = others

    def fits(self, answer: dict[str, Any]) -> bool:
        """Whether an answer has every field and no other, each value is of its type, and so are the items of lists."""
        return (
            all(type(answer[name]) in types for name, types in self._fields.items() if name in answer)
            and self._fields.keys() - answer.keys() <= {"problem"}
            and all(type(answer[name]) in self._others for name in answer.keys() - self._fields.keys())
            and all(
                [type(item) for item in value] == ([int] * 3 if name == "mpy" else [str] * len(value))
                for name, value in answer.items()
                if type(value) is list
            )
            and answer.get("block") != 0
        )


_NONE = type(None)
_TEXT, _NUMBER, _FLAG, _LIST = (str, _NONE), (int, _NONE), (bool,), (list,)

_HASH = """
import os, sys, gc, hashlib, binascii
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
import sys, os, gc
gc.collect()
heap_free = gc.mem_free()
v = sys.implementation
found = {"micropython": ".".join([str(n) for n in v[1][:3]]), "machine": getattr(v, "_machine", sys.platform)}
mpy = getattr(v, "_mpy", 0)
found["mpy"] = [mpy & 255, mpy >> 8 & 3, mpy >> 10 & 15]
found["heap_free"] = heap_free
try:
    s = os.statvfs("/")
    found["flash_free"] = s[0] * s[3]
    found["flash"] = s[1] * s[2]
    found["block"] = s[0]
except OSError:
    found["flash_free"] = found["flash"] = found["block"] = None
"""

_HOLDFAST = f"""
found["crypto"] = found["tokens"] = found["frozen"] = None
try:
    import cryptolib
    found["aes"] = True
except ImportError:
    found["aes"] = False
try:
    import holdfast_core
    found["frozen"] = not getattr(holdfast_core, "__file__", "").startswith("{LIB}")
    from holdfast_core.crypto import PROVIDER
    found["crypto"] = PROVIDER
    found["aes"] = found["aes"] or PROVIDER == "hf_native"
    from holdfast_core.token_check import PATH
    found["tokens"] = PATH
except (ImportError, MemoryError, ValueError) as e:
    found["problem"] = str(e)
"""

FILES = tuple(path[len(DIRECTORY) + 1 :] for path in (PROVISIONING, OLD))  # of which the board reads what is there
_PROVISIONED = f"""
found["provisioned"] = found["boots"] = None
try:
    if not [name for name in os.listdir("{DIRECTORY}") if name in {FILES!r}]:
        raise OSError
    found["provisioned"] = {{}}
    from holdfast_device.board_shell import name_of, read_provisioning
    p = read_provisioning("{PROVISIONING}")
    keys = [k.role + ":" + "".join(["%02x" % b for b in k.kid]) for k in p.keys]
    found["provisioned"] = {{"name": name_of(p), "issuer": p.issuer, "keys": keys}}
    del p
except OSError:
    pass
except Exception as e:
    found["problem"] = str(e)
try:
    from holdfast_core import cbor
    from holdfast_device.slots import TwoSlots
    from holdfast_device.store_flash import FileFlash
    record = TwoSlots(FileFlash("{DIRECTORY}")).load()
    if record:
        found["boots"] = cbor.decode(record)[1]
except Exception as e:
    found["problem"] = str(e)
"""

_ANSWER = """
answer(found)
"""

_IDENTITY_FIELDS = {
    "micropython": (str,),
    "machine": (str,),
    "mpy": _LIST,
    "heap_free": (int,),
    "flash": _NUMBER,
    "flash_free": _NUMBER,
    "block": _NUMBER,
}
_HOLDFAST_FIELDS = {"crypto": _TEXT, "tokens": _TEXT, "frozen": (bool, _NONE), "aes": _FLAG, "problem": (str,)}
IDENTITY = Question(_IDENTITY + _ANSWER, _IDENTITY_FIELDS)
STATUS = Question(
    _IDENTITY + _HOLDFAST + _PROVISIONED + _ANSWER,
    {**_IDENTITY_FIELDS, **_HOLDFAST_FIELDS, "provisioned": (dict, _NONE), "boots": _NUMBER},
)

# A line for each file: all in one would be more than a small heap has in one piece.
HASHES = Question(
    f"""{_HASH}
found = {{}}
for package in {PACKAGES!r}:
    for name in names("{LIB}/" + package):
        answer({{package + "/" + name: sha256("{LIB}/" + package + "/" + name)}})
for name in names("{LIB}"):
    if name.startswith("hf_native."):
        found[name] = sha256("{LIB}/" + name)
{_ANSWER}""",
    others=_TEXT,
)

PROVISIONING_HASH = Question(
    f"""{_HASH}
found = {{"old": sha256("{PROVISIONING}") or sha256("{OLD}"), "new": sha256("{NEW}")}}
{_ANSWER}""",
    {"old": _TEXT, "new": _TEXT},
)

# littlefs renames over what is there at once. On FAT MicroPython removes it first, so the old one gets another name
# until the new one has its own; the board reads the old one while there is no other.
COMMIT = Question(
    f"""{_HASH}
def remove(path):
    try:
        os.remove(path)
    except OSError:
        pass
os.stat("{NEW}")
if sha256("{PROVISIONING}"):
    remove("{OLD}")
    os.rename("{PROVISIONING}", "{OLD}")
os.rename("{NEW}", "{PROVISIONING}")
remove("{OLD}")
if hasattr(os, "sync"):
    os.sync()
found = {{"old": sha256("{PROVISIONING}"), "new": sha256("{NEW}")}}
{_ANSWER}""",
    {"old": _TEXT, "new": _TEXT},
)

WIPE = Question(
    f"""{_HASH}
from holdfast_device.wipe_shell import wipe
if names("{DIRECTORY}"):
    wipe("{DIRECTORY}", print)
found = {{"left": names("{DIRECTORY}")}}
{_ANSWER}""",
    {"left": _LIST},
)


def make_directories(*paths: str) -> Question:
    """Make directories, the outer ones first; those that are there stay."""
    return Question(f"""
import os
for path in {paths!r}:
    try:
        os.mkdir(path)
    except OSError:
        os.stat(path)
found = {{}}
{_ANSWER}""")


def remove(paths: list[str]) -> Question:
    """Remove files: MicroPython prefers a stale .py to the .mpy beside it."""
    return Question(f"""
import os
for path in {paths!r}:
    os.remove(path)
found = {{}}
{_ANSWER}""")


def file_hash(path: str) -> Question:
    """The hash of one file, None when it is not there."""
    return Question(
        f"""{_HASH}
found = {{"sha256": sha256({path!r})}}
{_ANSWER}""",
        {"sha256": _TEXT},
    )


AUDIT = Question(
    f"""{_HASH}{_IDENTITY}{_HOLDFAST}
found["sources"] = [n for p in {PACKAGES!r} for n in names("{LIB}/" + p) if n.endswith(".py")]
found["copies"] = [n for n in names("/") + names("{DIRECTORY}") if n[-5:] == ".prov" or n[-4:] in (".new", ".old")]
found["webrepl"] = "webrepl_cfg.py" in names("/")
found["entropy"] = "absent"
found["state"] = "unreadable"
try:
    from holdfast_device.entropy import gather
    gather(getattr(os, "urandom", None))
    found["entropy"] = "ok"
except Exception as e:
    found["entropy"] = str(e)
try:
    from holdfast_device import slots
    from holdfast_device.store_flash import FileFlash
    slots.TwoSlots(FileFlash("{DIRECTORY}")).load()
    found["state"] = "ok"
except Exception as e:
    found["state"] = str(e)
{_ANSWER}""",
    {
        **_IDENTITY_FIELDS,
        **_HOLDFAST_FIELDS,
        "sources": _LIST,
        "copies": _LIST,
        "webrepl": _FLAG,
        "entropy": (str,),
        "state": (str,),
    },
)
