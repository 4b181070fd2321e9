"""Write tokens.jsonl and token_rules.jsonl, or with --check say whether they are what this would write.

    python tests/vectors/gen/tokens.py [--check]

Deterministic: fixed keys, fixed IVs, RFC 6979 signatures. The writer shares no code with what the vectors test.
"""

import json
import sys
from pathlib import Path

VECTORS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(VECTORS.parent))

from vectors.gen import story, tokens_claims, tokens_keys, tokens_shapes, tokens_times, tokens_wrapper  # noqa: E402


def lines(rows):
    return "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)


def main(check):
    rows = [
        *tokens_wrapper.rows(),
        *tokens_claims.rows(),
        *tokens_times.rows(),
        *tokens_shapes.rows(),
        *tokens_keys.rows(),
    ]
    names = [row["id"] for row in rows]
    doubled = {name for name in names if names.count(name) > 1}
    if doubled:
        sys.exit(f"tokens: two rows are called {sorted(doubled)}")
    for name, text in (("tokens", lines(rows)), ("token_rules", lines(story.rule_rows()))):
        path = VECTORS / (name + ".jsonl")
        if not check:
            path.write_text(text)
        elif path.read_text() != text:
            sys.exit(f"tokens: {path.name} is not what the generator writes")


if __name__ == "__main__":
    main("--check" in sys.argv[1:])
