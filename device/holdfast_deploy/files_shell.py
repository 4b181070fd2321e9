"""Where the files are that belong to the device package and are no modules of it: examples, packages for boards.

In a source tree they lie beside the package, and make device builds what boards install; a wheel has both inside.
"""

from pathlib import Path

_HERE = Path(__file__).parent
_BUILT = Path("build/device")


def examples() -> Path:
    """Return the folder of the example programs."""
    inside = _HERE / "examples"
    return inside if inside.is_dir() else _HERE.parent / "examples"


def packages() -> Path:
    """Return the folder of the packages for boards: what make device has built here, else what the wheel has."""
    inside = _HERE / "boards"
    return inside if inside.is_dir() and not _BUILT.is_dir() else _BUILT
