"""What every test may lean on: the outside interpreters, and a Hypothesis that does the same thing each run.

It never skips: an interpreter that is missing fails the test that asks for it (scripts/ make them).
"""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from testkit.mosquitto import Mosquitto

ROOT = Path(__file__).resolve().parent.parent

# A shell lets what it starts in the background ignore SIGINT, and programs inherit that: a test that stops one by it
# would wait for ever.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("fixed", derandomize=True, deadline=None, database=None, print_blob=True)
settings.load_profile("fixed")


def _tool(path: Path, maker: str) -> Path:
    if not path.exists():
        pytest.fail(f"{path.relative_to(ROOT)} is missing: run {maker}", pytrace=False)
    return path


@pytest.fixture(scope="session")
def repo() -> Path:
    """The root of the source tree."""
    return ROOT


@pytest.fixture(scope="session")
def micropython() -> Path:
    """The real MicroPython (unix port)."""
    return _tool(ROOT / ".cache" / "micropython" / "micropython", "scripts/micropython.sh")


@pytest.fixture(scope="session")
def cwt_oracle() -> Callable[..., Any]:
    """Ask python-cwt, in its own venv: oracle(code, **question) -> answer.

    code is Python that finds `question` (a dict of JSON values) and sets `answer` (a JSON value). An error in
    it is a CalledProcessError with the traceback in .stderr.
    """
    python = _tool(ROOT / ".venv-cwt" / "bin" / "python", "scripts/setup.sh")
    frame = "import json, sys\nquestion = json.load(sys.stdin)\n{}\nprint(json.dumps(answer))\n"

    def ask(code: str, **question: Any) -> Any:
        done = subprocess.run(
            [str(python), "-c", frame.format(code)],
            input=json.dumps(question),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return json.loads(done.stdout)

    return ask


@pytest.fixture
def broker(tmp_path):
    """Return a mosquitto that runs."""
    broker = Mosquitto(tmp_path).start()
    yield broker
    broker.stop()
