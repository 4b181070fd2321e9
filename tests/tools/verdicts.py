"""Say the verdict on each token of a file of vector rows, one line each; runs on both interpreters.

[python | micropython] tests/tools/verdicts.py FILE
"""

import json
import sys

HERE = __file__.rsplit("/", 1)[0]
sys.path[:0] = [HERE + "/../dual", HERE + "/.."]

from testkit.token_rules import load_rules, outcome, verify_row  # noqa: E402

if __name__ == "__main__":
    RULES = load_rules()
    with open(sys.argv[1]) as rows:
        for line in rows:
            sys.stdout.write(" ".join(outcome(verify_row, json.loads(line), RULES)) + "\n")
