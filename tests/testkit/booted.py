"""A chroot as a machine that has started: systemd is process 1 of namespaces of its own."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from testkit.chroots import PATH, Chroot

BOOT = """
set -e
root=$1
mount --make-rprivate /
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs tmpfs run
mount -t devtmpfs dev dev
mkdir -p dev/shm dev/pts old
mount -t devpts devpts dev/pts
mount -t tmpfs groups sys/fs/cgroup
if mount -t cgroup2 cgroup sys/fs/cgroup 2>/dev/null && grep -q memory sys/fs/cgroup/cgroup.controllers; then
  :
else
  umount sys/fs/cgroup
  mount -t tmpfs groups sys/fs/cgroup
  for name in memory pids devices; do
    mkdir "sys/fs/cgroup/$name"
    mount -t cgroup -o "$name" cgroup "sys/fs/cgroup/$name"
  done
  mkdir sys/fs/cgroup/systemd
  mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
fi
pivot_root . old
umount -l /old
# As on a machine: credentials reach a service that way.
mount --make-rshared /
exec env -i container=holdfast PATH="$PATH" /lib/systemd/systemd --system --log-target=console
"""
STARTS_IN_S = 90


class CannotBoot(Exception):
    """This sandbox lets nobody mount, or make namespaces; the text is what it said."""


class Booted(Chroot):
    """A machine that has started. pid: of its process 1, as seen from here."""

    def __init__(self, path: Path, pid: int) -> None:
        super().__init__(path)
        self.pid = pid

    def command(self, *argv, **environment):
        """The words that run a command in it as root."""
        inside = ["nsenter", f"--target={self.pid}", "--mount", "--uts", "--ipc", "--pid", "--cgroup"]
        return [*inside, "env", "-i", f"PATH={PATH}", *(f"{k}={v}" for k, v in environment.items()), *map(str, argv)]

    def property_of(self, unit, name):
        """One property of a unit, as text."""
        return self.run("systemctl", "show", f"--property={name}", "--value", unit).stdout.strip()

    def until(self, unit, name, *values):
        """Wait until a property has one of these values."""
        end_s = time.monotonic() + STARTS_IN_S
        while (found := self.property_of(unit, name)) not in values:
            assert time.monotonic() < end_s, (unit, name, found)
            time.sleep(0.2)


@contextlib.contextmanager
def booted(chroot):
    """Start the system in a chroot; all of it is killed at the end. Raises CannotBoot."""
    words = ["unshare", "--fork", "--kill-child", "--pid", "--mount", "--uts", "--ipc", "--cgroup"]
    log = chroot.path.parent / "boot.log"
    with log.open("w") as said:
        process = subprocess.Popen(
            [*words, "sh", "-c", BOOT, "sh", chroot.path], stdout=said, stderr=said, env={"PATH": PATH}
        )
    try:
        end_s = time.monotonic() + STARTS_IN_S
        while True:
            if process.poll() is not None:
                raise CannotBoot(log.read_text().strip())
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            if children and Path(f"/proc/{children[0]}/comm").read_text().strip() == "systemd":
                break
            assert time.monotonic() < end_s, log.read_text()
            time.sleep(0.1)
        machine = Booted(chroot.path, int(children[0]))
        while machine_state(machine) not in ("running", "degraded"):
            assert time.monotonic() < end_s, log.read_text()
            time.sleep(0.2)
        yield machine
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        process.wait()


def machine_state(machine):
    """As systemd says: starting, running, degraded."""
    done = subprocess.run(
        machine.command("systemctl", "is-system-running"), capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
