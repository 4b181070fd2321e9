"""Fetches a Debian source package's upstream tarball with apt, which checks its signature, into .cache/bench.

Nothing of it enters the repository. Needs apt-get and a keyring of Debian; no root.
"""

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".cache" / "bench"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def mirror() -> str:
    """The Debian mirror that HOLDFAST_DEBIAN_MIRROR or this system's apt names."""
    if "HOLDFAST_DEBIAN_MIRROR" in os.environ:
        return os.environ["HOLDFAST_DEBIAN_MIRROR"].rstrip("/")
    for path in [*Path("/etc/apt").glob("sources.list.d/*.sources"), *Path("/etc/apt").glob("sources.list*")]:
        found = re.search(r"https?://\S*/debian/?(?=\s)", path.read_text()) if path.is_file() else None
        if found:
            return found.group().rstrip("/")
    raise SystemExit("apt has no Debian mirror configured; set HOLDFAST_DEBIAN_MIRROR to one.")


def _apt(*arguments: str) -> None:
    apt = CACHE / "apt"
    for folder in ("lists/partial", "archives/partial"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    sources = apt / "deb-src.sources"
    sources.write_text(
        f"Types: deb-src\nURIs: {mirror()}\nSuites: bookworm trixie\nComponents: main\nSigned-By: {KEYRING}\n"
    )
    options = {
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": apt / "lists",
        "Dir::Cache": apt,
        "APT::Sandbox::User": "",
    }
    flags = [flag for name, value in options.items() for flag in ("-o", f"{name}={value}")]
    subprocess.run(["apt-get", "-qq", *flags, *arguments], cwd=CACHE, check=True)


def fetch(package: str, suite: str, unpacked: str) -> Path:
    """Folder of a package's upstream sources; `unpacked` is the pattern of its name. Downloads once."""
    CACHE.mkdir(parents=True, exist_ok=True)
    if not list(CACHE.glob(unpacked)):
        if not list(CACHE.glob(f"{package}_*.orig.tar.*")):
            _apt("update")
            _apt("source", "--download-only", f"{package}/{suite}")
        tarball = next(CACHE.glob(f"{package}_*.orig.tar.*"))
        subprocess.run(["tar", "xf", str(tarball)], cwd=CACHE, check=True)
    return next(CACHE.glob(unpacked))
