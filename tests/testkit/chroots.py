"""A bare Debian 12 in a folder, in which packages are installed and commands run as its users; no container runtime."""

import signal
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PATIENCE_S = 60


def wait_for_line(process, says):
    """Read what a process prints until a line has `says` in it; kill a process that does not say it."""
    patience = threading.Timer(PATIENCE_S, process.kill)
    patience.start()
    seen = []
    for line in process.stdout:
        seen.append(line)
        if says in line:
            patience.cancel()
            return
    patience.cancel()
    raise AssertionError("".join(seen))


class Chroot:
    """A folder with a whole system."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def command(self, *argv, user="root", **environment):
        """The words that run a command inside; user: a name of the chroot's, or UID:GID."""
        words = ["chroot", f"--userspec={user}", str(self.path), "/usr/bin/env", "-i", f"PATH={PATH}", "HOME=/"]
        return [*words, *(f"{name}={value}" for name, value in environment.items()), *map(str, argv)]

    def run(self, *argv, code=0, **how):
        """Run a command to its end; return the CompletedProcess."""
        command = self.command(*argv, **how)
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd="/")
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == code, (argv, done.stdout, done.stderr)
        return done

    @contextmanager
    def running(self, *argv, says, **how):
        """A command that runs until the block ends, from the moment when a line of its output has `says` in it."""
        process = subprocess.Popen(
            self.command(*argv, **how), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/"
        )
        try:
            wait_for_line(process, says)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)
