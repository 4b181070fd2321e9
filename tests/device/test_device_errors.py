"""The tree of errors as boards get it (scripts/bundle/leaves.py) against the one of the sources, class by class."""

import json
import subprocess
import sys
from pathlib import Path

from holdfast_core import errors

ROOT = Path(__file__).resolve().parents[2]
SHOWN = ("reason", "coap_code", "ace_error")
WALK = """
import json, sys
sys.path.insert(0, sys.argv[1])
from holdfast_core import errors
made = [name for name in vars(errors) if isinstance(getattr(errors, name), type)]
seen = {}
for name in json.loads(sys.argv[2]):
    kind = getattr(errors, name)
    assert kind is getattr(errors, name) and kind.__name__ == name
    seen[name] = [kind.__mro__[1].__name__] + [getattr(kind, member, None) for member in sys.argv[3:]]
try:
    raise errors.WrongAudience("aud")
except errors.TokenRejected as error:
    seen["said"] = str(error)
print(json.dumps([made, seen]))
"""


def kinds():
    return {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}


def test_a_board_has_the_same_tree_and_makes_leaves_when_they_are_asked_for(tmp_path):
    subprocess.run([sys.executable, ROOT / "scripts" / "bundle", "tree", tmp_path, "--inside"], check=True)
    walk = [sys.executable, "-S", "-c", WALK, tmp_path, json.dumps(list(kinds())), *SHOWN]
    made, seen = json.loads(subprocess.run(walk, check=True, capture_output=True, text=True).stdout)
    said = seen.pop("said")
    assert seen == {
        name: [kind.__mro__[1].__name__, *(getattr(kind, member, None) for member in SHOWN)]
        for name, kind in kinds().items()
    }
    assert set(made) == {"HoldfastError", "PeerError", "Malformed", "TokenRejected", "AccessDenied", "OscoreRejected"}
    assert said == "wrong-audience: aud"
