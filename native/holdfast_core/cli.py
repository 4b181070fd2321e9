"""The `holdfast` command: one program, a group of commands for each role.

It never knows a role itself: groups are entry points of "holdfast.commands", so the core imports none of
them. A group whose extra is not installed says so in a sentence. CPython only; no RFC.
"""

import errno
import os
import sys
from importlib.metadata import EntryPoint, entry_points, version
from typing import NoReturn

import click

ENTRY_POINT_GROUP = "holdfast.commands"
# What an index knows the package as; the name `holdfast` there is another project's.
DISTRIBUTION = "holdfast-ace"

# What a group is for, known before it can be imported: --help must teach on a bare installation too.
SUMMARIES = {
    "server": "Run the authorization server: clients, resource servers, users, consent, tokens.",
    "device": "Provision and run devices: resource servers, and clients of other devices.",
    "hub": "Run the edge gateway: devices behind it are reached now and then, and it reads nothing.",
    "sim": "See it all on this machine: the EKG and the test-tube story, with real processes.",
}

FIRST_STEPS = """\b
Try first:
  holdfast sim ekg       a doctor reads an EKG machine: consent, token, OSCORE
  holdfast sim tube      the EKG reads a test tube that is never online
  holdfast server init   make a server of your own: keys, database, admin
  holdfast hub init      make an edge gateway that holds no key
  holdfast device -h     bring a device package and its keys to a board
"""


EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_UNREACHABLE, EXIT_REFUSED, EXIT_INTERRUPTED = 0, 1, 2, 3, 4, 130

EXIT_CODES = """\b
Exit codes, of every command:
  0    done, or nothing is wrong
  1    not as it should be, or not done
  2    the call, a file or this computer is wrong
  3    nothing answers: a part, a board or a package; or a run was stopped
  4    refused for a reason
  130  interrupted with Ctrl-C
"""


class Problem(click.ClickException):
    """One sentence for the operator whose configuration or call is at fault: exit code 2."""

    exit_code = EXIT_USAGE


class Failed(Problem):
    """The call was right and its deed did not succeed: exit code 1."""

    exit_code = EXIT_FAILED


class MissingRole(click.ClickException):
    """A role cannot be imported because something that it needs is not installed."""

    exit_code = EXIT_UNREACHABLE

    def __init__(self, role: str, missing: str) -> None:
        if missing.startswith("holdfast_"):
            text = f"this installation has no {role!r} commands ({missing} is not part of it)."
        else:
            text = f"{role!r} needs {missing}, which is not installed: pip install '{DISTRIBUTION}[{role}]'"
        super().__init__(text)


def _load(point: EntryPoint) -> click.Command:
    """Import a group; MissingRole names what is absent. Any other error in it is a bug and stays one."""
    try:
        group = point.load()
    except ModuleNotFoundError as err:
        raise MissingRole(point.name, (err.name or "a module").partition(".")[0]) from None
    if not isinstance(group, click.Command):
        raise TypeError(f"{point.value} is no click command")
    return group


class Roles(click.Group):
    """The group of all roles; each is imported only when it is called."""

    def _points(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names of the installed groups, in the order of the stories."""
        names = self._points()
        return [name for name in SUMMARIES if name in names] + sorted(set(names) - set(SUMMARIES))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The group of that name, imported now; None when there is none."""
        point = self._points().get(cmd_name)
        return None if point is None else _load(point)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what each group is for, without importing any of them."""
        rows = [(name, SUMMARIES.get(name, "")) for name in self.list_commands(ctx)]
        with formatter.section("Groups (holdfast GROUP --help)"):
            formatter.write_dl(rows)


@click.group(
    cls=Roles,
    epilog=f"{FIRST_STEPS}\n{EXIT_CODES}",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(version(DISTRIBUTION), prog_name="holdfast")
def group() -> None:
    """Authorization for constrained devices: proof-of-possession tokens that devices check offline.

    A server issues tokens over CoAP (ACE-OAuth, RFC 9200), devices check them with keys that they were given
    before, and both sides talk OSCORE. Each role has its group of commands.
    """


def main(argv: list[str] | None = None) -> NoReturn:
    """Run the command line and end the process; what a person can mend is one sentence and a code of EXIT_CODES."""
    _open_standard_streams()
    sys.exit(_run(sys.argv[1:] if argv is None else argv))


def _run(arguments: list[str]) -> int:
    try:
        for text in (*arguments, *os.environ.values()):
            text.encode()
        done = group.main(args=arguments, prog_name="holdfast", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("\nInterrupted.", err=True)
        return EXIT_INTERRUPTED
    except UnicodeError:
        click.echo("Error: An argument, a setting or what is to be shown is no text that UTF-8 can hold.", err=True)
        return EXIT_USAGE
    except OSError as error:
        return _ended_by(error)
    return done if isinstance(done, int) else EXIT_DONE


def _ended_by(error: OSError) -> int:
    """Say what the system refused; a reader that has seen enough (head, less) is no error of anybody's."""
    if error.filename is not None:
        click.echo(f"Error: {error.filename}: {error.strerror}.", err=True)
        return EXIT_USAGE
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so that what is left is not tried again at the end
    if error.errno != errno.EPIPE:
        click.echo(f"Error: What was to be shown cannot be written: {error.strerror}.", err=True)
    return EXIT_FAILED


def _open_standard_streams() -> None:
    """Open what the caller has closed as /dev/null: the next file to be opened, a database, would be in its place."""
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8"))


if __name__ == "__main__":
    main()
