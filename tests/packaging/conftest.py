"""What scripts/packages.sh has built, and bare systems to put it into."""

import shutil
import subprocess

import pytest

from testkit.chroots import Chroot


@pytest.fixture(scope="session")
def packages(repo):
    """By role, the Debian package of this tree."""
    found = {
        path.name.split("_")[0].removeprefix("holdfast-"): path for path in (repo / "build/packages").glob("*.deb")
    }
    assert set(found) == {"server", "hub"}, "run scripts/packages.sh first"
    return found


@pytest.fixture(scope="module")
def bare(repo, tmp_path_factory):
    """A Debian 12 with nothing of ours."""
    path = tmp_path_factory.mktemp("bare") / "root"
    subprocess.run(["cp", "-a", repo / ".cache/packages/base", path], check=True)
    yield Chroot(path)
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def installed(bare, packages):
    """The same with both packages; said: what dpkg told the administrator."""
    for package in packages.values():
        shutil.copy(package, bare.path / "tmp")
    bare.said = bare.run("sh", "-c", "dpkg --install /tmp/*.deb").stdout
    return bare
