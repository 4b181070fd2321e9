"""Leave out each check of the trust path once, or bend it by one, and see that some test notices.

    python tests/tools/mutants.py [SET ...]         all sets without a name; `make mutants` does the same
        --list                 the sets, their files, and how many mutants they have
        --only TEXT            mutants whose file, line or change holds TEXT
        --sample N --seed S    N of each file, the same for the same seed
        --jobs N               at the same time, 2 without it
        --record FILE          add this run's score to a file of JSON

Each mutant is one change in one file of a copy of the tree. The tests of its set run there (of Python: those that
reach the line before all others, the quick ones first), and the first that fails ends it. A set takes minutes to hours,
so this is no part of the gates. A survivor is a test to write, a check to delete, or a change that changes nothing.
Exit code 1: some survived.
"""

import argparse
import contextlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import mutants_c
import mutants_native
import mutants_python
import mutants_warm

ROOT = Path(__file__).resolve().parents[2]
LINE = re.compile(r":\d+:", re.ASCII)  # the line of a mutant, which moves
PACKAGES = ("native", "device", "server", "hub", "simulator")
PYTEST = ("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider")


def tests(folder, *names):
    """Files of a folder of tests."""
    return tuple(f"tests/{folder}/test_{name}.py" for name in names)


def pytest(folder, *names, chosen=""):
    """Files of a folder of tests; chosen: pytest's -k."""
    return (*PYTEST, "-k", chosen, *(f"tests/{folder}/test_{name}.py" for name in names))


@dataclass(frozen=True)
class Files:
    """Files of a set and what runs on their mutants: files of tests (of Python), or a pytest that stays (of C)."""

    names: tuple[str, ...]
    tests: tuple[str, ...] = ()
    warm: tuple[str, ...] = ()


def core(*names):
    return tuple(f"native/holdfast_core/{name}.py" for name in names)


def server(*names):
    return tuple(f"server/holdfast_server/authz/{name}.py" for name in names)


def device(*names):
    return tuple(f"device/holdfast_device/{name}.py" for name in names)


def native(*names):
    return tuple(f"native/src/hf_{name}" for name in names)


# One build or two say what the others would.
FEW = "not clang and not x86 and not sanitized"
FEW_SYMMETRIC = "not clang and (speed or x86 or gcc--O2)"
SETS = {
    "token": Files(
        core("cose_key", "cose", "cwt", "claims", "cnf", "scope", "verifier", "grant"),
        tests("dual", "cose", "cwt", "scope", "verifier", "rfc8747", "token_edges")
        + tests("core", "claims", "cnf", "cwt_cross", "token_vectors"),
    ),
    "oscore": Files(
        core("oscore", "oscore_option", "oscore_contexts", "replay_window", "sender_sequence", "ace_oscore"),
        tests("dual", "oscore", "oscore_exchange", "oscore_tables", "ace_oscore")
        + tests("core", "oscore_nonces", "replay_window", "sender_sequence", "oscore_totality", "coap_oscore"),
    ),
    "provisioning": Files(
        core("provisioning", "trust", "rules"),
        tests("dual", "provisioning", "verifier", "cwt") + tests("server", "cli_export") + tests("device", "cli"),
    ),
    "device": Files(
        device("state", "slots", "exi", "clock", "timekeeper", "sessions", "authz_info", "token_checker", "rights"),
        tests("dual", "slots", "exi", "clock", "timekeeper", "sessions", "stores", "damaged_state", "rederive", "sleep")
        + tests("dual", "resource_server", "cnonces")
        + tests(
            "dual",
            *(
                f"device_{word}"
                for word in (
                    "time",
                    "floor",
                    "rights",
                    "attacks",
                    "edges",
                    "faults",
                    "robust",
                    "tables",
                    "story",
                    "floods",
                )
            ),
        )
        + tests("device", "clocks_together"),
    ),
    "policy": Files(
        server("policy", "token_request"),
        tests("server", "policy", "token_endpoint", "public_keys", "grants", "tokens", "http_token"),
    ),
    "registry": Files(
        server("registry", "parties", "party_checks"),
        tests(
            "server",
            "registry",
            "registry_rules",
            "registry_traces",
            "registry_bounds",
            "locking",
            "public_keys",
            "key_rotation",
            "key_exchange",
            "party_contexts",
        )
        + tests("server", "cli", "cli_clients", "cli_changes", "clock_guard", "audit"),
    ),
    "authorization": Files(
        server("authorization", "grants"),
        tests("server", "authorization", "grants", "policy", "http_authorize", "http_token"),
    ),
    "introspection": Files(
        server("introspection", "issue"),
        tests("server", "introspection", "revocation", "tokens", "token_endpoint", "grants", "public_keys"),
    ),
    "native-symmetric": Files(
        native("sha256.c", "hmac.c", "hkdf.c", "aes.c", "aes.h", "aes_ccm.c"),
        warm=pytest("native", "symmetric", "leftovers", chosen=FEW_SYMMETRIC),
    ),
    "native-oscore": Files(
        native("coap.c", "coap.h", "oscore.c", "oscore_message.c", "oscore_parts.h"),
        warm=pytest(
            "native", "oscore_native", "oscore_native_random", "leftovers", chosen=f"{FEW_SYMMETRIC} and not x86"
        ),
    ),
    "native-token": Files(
        native(
            *("token_open.c", "token.c", "cose.c", "token_rules.c", "claims.c", "fields.c", "fields.h"),
            *("token_parts.h", "scope.c", "token_cnf.c", "verdict.c", "cbor.c"),
        ),
        warm=pytest("native", "cbor", "token", "token_edges", "differential", chosen=FEW),
    ),
    "native-p256": Files(
        native(
            *("p256.c", "p256_batch.h", "p256_comb.h", "p256_curve.h", "p256_field32.h", "p256_field64.h"),
            *("p256_int.h", "p256_point.h", "p256_scalar.h"),
        ),
        warm=pytest("native", "p256_numbers", "p256", "p256_tables", chosen=FEW),
    ),
}


class Tree:
    """A copy of the tree, with one changed file at a time."""

    def __init__(self, folder):
        self.root = Path(folder)
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
        for name in filter(None, listed.decode().split("\0")):
            target = self.root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
        (self.root / ".cache").mkdir()
        (self.root / ".cache/micropython").symlink_to(ROOT / ".cache/micropython")
        (self.root / ".venv-cwt").symlink_to(ROOT / ".venv-cwt")
        paths = os.pathsep.join(str(self.root / package) for package in PACKAGES)
        self.env = os.environ | {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
        self.worker = None

    def start(self, files):
        """Run the tests of a set on the unchanged files."""
        if files.warm:
            self.worker = mutants_native.Worker(self.root, files.warm, self.env)
        else:
            for built in (ROOT / "native/holdfast_core").glob("*.so"):  # some tests of commands need the C core
                shutil.copy2(built, self.root / "native/holdfast_core")
            self.worker = mutants_warm.Worker(self.root, files.names, files.tests, self.env)

    def end(self):
        if self.worker:
            self.worker.end()
            self.worker = None

    def verdict(self, mutant):
        """ "killed" or "survived"; of C also "invalid": no compiler takes it, "equivalent": it compiles to the same."""
        target = self.root / mutant.file
        before = target.read_text()
        target.write_text(mutant.source)
        try:
            return self.worker.verdict(mutant)
        finally:
            target.write_text(before)


@dataclass(frozen=True)
class Mutant:
    """One change: where, and what."""

    file: str
    line: int
    what: str
    source: str

    def __str__(self):
        return f"{self.file}:{self.line}: {self.what}"


def mutants_of(files, only="", sample=None, seed=0):
    """The mutants of a set."""
    for file in files.names:
        text = (ROOT / file).read_text()
        maker = mutants_python if file.endswith(".py") else mutants_c
        found = [Mutant(file, *made) for made in maker.mutants(text)]
        found = [mutant for mutant in found if only in str(mutant)]
        if sample is not None and sample < len(found):
            found = random.Random(f"{seed} {file}").sample(found, sample)
        yield from found


def run(name, mutants, trees):
    """Run the mutants of a set; return its score as data. Ctrl-C ends the run early; the score says how many ran."""
    free = SimpleQueue()
    for tree in trees:
        free.put(tree)

    def judged(mutant):
        tree = free.get()
        try:
            return mutant, tree.verdict(mutant)
        finally:
            free.put(tree)

    count = dict.fromkeys(("killed", "survived", "equivalent", "invalid"), 0)
    survivors = []
    with contextlib.suppress(KeyboardInterrupt), ThreadPoolExecutor(len(trees)) as pool:
        list(pool.map(lambda tree: tree.start(SETS[name]), trees))
        for mutant, verdict in pool.map(judged, mutants):
            count[verdict] += 1
            if verdict == "survived":
                survivors.append(str(mutant))
                print(f"survived  {mutant}", flush=True)
    for tree in trees:
        tree.end()
    print(f"{name}: " + ", ".join(f"{number} {verdict}" for verdict, number in count.items()), flush=True)
    return {"set": name, "mutants": len(mutants), **count, "survivors": survivors}


def with_reasons(score, before):
    """The score, with the reason why each survivor does not matter: as recorded, else empty, for a person to write.

    The line may have moved. Where more survivors look the same than before, a person looks at all of them again.
    """
    reasons = defaultdict(list)
    for text, why in (pair for row in before for pair in row["survivors"].items()):
        reasons[LINE.sub(":", text)].append(why)
    alike = Counter(LINE.sub(":", text) for text in score["survivors"])
    for text, number in alike.items():
        reasons[text] = reasons[text] if len(reasons[text]) == number else [""] * number
    return {**score, "survivors": {text: reasons[LINE.sub(":", text)].pop(0) for text in score["survivors"]}}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", choices=[*SETS, []], metavar="SET")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--record", type=Path)
    return parser.parse_args()


def main():
    asked = arguments()
    sets = {name: SETS[name] for name in asked.sets or SETS}
    chosen = {name: list(mutants_of(files, asked.only, asked.sample, asked.seed)) for name, files in sets.items()}
    if asked.list:
        for name, mutants in chosen.items():
            print(f"{name:18} {len(mutants):5}  {' '.join(Path(file).name for file in SETS[name].names)}")
        return 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        trees = [Tree(Path(folder) / str(number)) for number in range(asked.jobs)]
        scores = [run(name, mutants, trees) for name, mutants in chosen.items() if mutants]
    if asked.record:
        before = json.loads(asked.record.read_text()) if asked.record.exists() else []
        kept = [row for row in before if row["set"] not in sets]
        rows = [with_reasons(score, before) for score in scores]
        sample = {"sample": asked.sample, "seed": asked.seed} if asked.sample else {}
        asked.record.write_text(json.dumps([*kept, *({**row, **sample} for row in rows)], indent=1) + "\n")
    return 1 if any(score["survived"] for score in scores) else 0


if __name__ == "__main__":
    sys.exit(main())
