"""Programs in place of mpremote and esptool, first on PATH: they stand for boards and tools that misbehave.

fake_tool() prints given bytes.  noisy_mpremote() is the real mpremote, with noise in each line that a board says.
fake_mpremote() answers each question with the next of some objects, in frames of answers.py, or with a part of it.
"""

import json
import sys
from pathlib import Path

MPREMOTE = Path(sys.executable).with_name("mpremote")
VERSION = "mpremote 1.29.0"

_HEAD = f"""#!{sys.executable}
import json, os, re, subprocess, sys, time
here = os.path.dirname(os.path.abspath(sys.argv[0]))
with open(here + "/called", "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
say = sys.stdout.buffer.write
"""
_FAKE = """
if sys.argv[1:] == ["version"]:
    print({version!r})
    sys.exit(0)
say({said!r})
sys.exit({code})
"""
_NOISY = f"""
if sys.argv[1:] == ["version"]:
    os.execv({str(MPREMOTE)!r}, ["mpremote", "version"])
done = subprocess.run([{str(MPREMOTE)!r}, *sys.argv[1:]], capture_output=True)
for line in (done.stdout + done.stderr).splitlines():
    say({{noise!r}} + line + b"\\n")
sys.exit(done.returncode)
"""
_MPREMOTE = """
if sys.argv[1:] == ["version"]:
    print({version!r})
if "exec" not in sys.argv:
    sys.exit(0)
nonce = re.search('print\\\\("([0-9a-f]+)"', sys.argv[-1])[1]
turn = len([line for line in open(here + "/called") if "exec" in json.loads(line)]) - 1 - {starting!r}
if turn < 0:
    sys.exit("could not enter raw repl")
told = {told!r}
said = told[min(turn, len(told) - 1)]
frames = nonce + " 0 " + str(len(said)) + " " + said + " " + nonce + "\\n" + nonce + " 1 0  " + nonce + "\\n"
frames = frames.encode().replace(*{change!r})
say(frames[:{end!r}])
sys.stdout.flush()
if {hangs}:
    time.sleep(60)
"""


def _put(folder, name, program):
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(_HEAD + program)
    file.chmod(0o755)


def called(folder):
    """Return the arguments of each call, without the calls that ask for the version."""
    file = folder / "called"
    lines = file.read_text().splitlines() if file.exists() else []
    return [call for call in map(json.loads, lines) if call != ["version"]]


def fake_tool(folder, name, version, said=b"", code=0):
    """A program that says these bytes, and ends with this code."""
    _put(folder, name, _FAKE.format(version=version, said=said, code=code))


def noisy_mpremote(folder, noise):
    """The real mpremote; these bytes stand before each line that it passes on."""
    _put(folder, "mpremote", _NOISY.format(noise=noise))


def fake_mpremote(folder, *told, change=(b"", b""), end=None, hangs=False, starting=0, version=VERSION):
    """Answers each question with the next of these JSON texts, and every later question with the last.

    change: bytes of the frames, and what comes instead of them; end: how many bytes come; hangs: it never ends;
    starting: how many questions come before the board can hear them.
    """
    parts = {"told": told, "change": change, "end": end, "hangs": hangs, "starting": starting, "version": version}
    _put(folder, "mpremote", _MPREMOTE.format(**parts))
