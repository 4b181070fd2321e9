"""Both ways to check a token, on the rows of a file: a program for MicroPython, run by test_natmod_mutants.py.

A row: rules, token, now_s, is_floor, exi_floor, cnonces. The last line says how many rows, how many verdicts, how many
grants; what differs comes before, and exit code 1.
"""

import json
import sys

sys.path.append("tests")
sys.path.append("tests/dual")

from test_token_check import described

from holdfast_core import verifier, verifier_hf
from holdfast_core.errors import PeerError
from holdfast_core.moment import Moment
from testkit.token_rules import load_rules


def told(verify, *args):
    """What a way says: the error's text, or what the grant holds."""
    try:
        return "", described(verify(*args))
    except PeerError as error:
        return str(error), None


def main(path):
    """Compare on every row; returns the exit code."""
    rules, seen, rows, differing = load_rules(), {}, 0, 0
    with open(path) as lines:
        for line in lines:
            name, token, now_s, is_floor, exi_floor, cnonces = json.loads(line)
            fresh = None if cnonces is None else [bytes.fromhex(cnonce) for cnonce in cnonces]
            check = None if fresh is None else lambda cnonce, fresh=fresh: cnonce in fresh
            args = bytes.fromhex(token), rules[name], Moment(now_s, is_floor, exi_floor, check)
            by_core, by_python = told(verifier_hf.verify_token, *args), told(verifier.verify_token, *args)
            rows += 1
            seen[by_python[0]] = seen.get(by_python[0], 0) + 1
            if by_core != by_python:
                differing += 1
                print(name, token, by_core[0] or "grant", by_python[0] or "grant")  # noqa: T201 - it is a program
    print(rows, len(seen), seen.get("", 0))  # noqa: T201
    return 1 if differing else 0


sys.exit(main(sys.argv[1]))
