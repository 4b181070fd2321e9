"""Write tests/vectors/crypto_es256_tables.jsonl: published signatures with a table of the signer's key.

The tables are those of scripts/p256_generator.py, in plain integers: no code shared with the C core that reads them.
"""

import importlib.util
import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
VECTORS = ROOT / "tests/vectors"
GEOMETRIES = ((3, 1), (4, 2), (6, 1), (8, 1))


def main() -> None:
    """One row for each geometry, with the key of another published signature each time."""
    spec = importlib.util.spec_from_file_location("p256_generator", ROOT / "scripts/p256_generator.py")
    if spec is None or spec.loader is None:
        sys.exit("no scripts/p256_generator.py")
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    published = [json.loads(line) for line in (VECTORS / "crypto_es256.jsonl").read_text().splitlines()]
    keys = {row["x"]: row for row in published}.values()
    lines = []
    for (teeth, blocks), row in zip(GEOMETRIES, [*keys, *keys, *keys], strict=False):
        point = (int(row["x"], 16), int(row["y"], 16))
        table = generator.table_bytes(point, teeth, blocks).hex()
        one = {"id": f"{row['id']} {teeth}x{blocks}", "point": row["x"] + row["y"], "table": table}
        lines.append(json.dumps({**one, "msg": row["msg"], "sig": row["sig"]}) + "\n")
    (VECTORS / "crypto_es256_tables.jsonl").write_text("".join(lines))


if __name__ == "__main__":
    main()
