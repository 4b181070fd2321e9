"""The `holdfast` command: one program, a group of commands for each role.

It never knows a role itself: groups are entry points of "holdfast.commands", so the core imports none of
them. A group whose extra is not installed says so in a sentence. CPython only; no RFC.
"""

import sys
from importlib.metadata import EntryPoint, entry_points, version
from typing import Any

import click

ENTRY_POINT_GROUP = "holdfast.commands"
# What an index knows the package as; the name `holdfast` there is another project's.
DISTRIBUTION = "holdfast-ace"

# What a group is for, known before it can be imported: --help must teach on a bare installation too.
SUMMARIES = {
    "server": "Run the authorization server: clients, resource servers, users, consent, tokens.",
    "device": "Provision and run devices: resource servers, and clients of other devices.",
    "sim": "See it all on this machine: the EKG and the test-tube story, with real processes.",
}

FIRST_STEPS = """\b
Try first:
  holdfast sim ekg       a doctor reads an EKG machine: consent, token, OSCORE
  holdfast sim tube      the EKG reads a test tube that is never online
  holdfast server init   make a server of your own: keys, database, admin
  holdfast device -h     bring a device package and its keys to a board
"""


class MissingRole(click.ClickException):
    """A role cannot be imported because something that it needs is not installed."""

    exit_code = 3

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
    epilog=FIRST_STEPS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(version(DISTRIBUTION), prog_name="holdfast")
def group() -> None:
    """Authorization for constrained devices: proof-of-possession tokens that devices check offline.

    A server issues tokens over CoAP (ACE-OAuth, RFC 9200), devices check them with keys that they were given
    before, and both sides talk OSCORE. Each role has its group of commands.
    """


def main(argv: list[str] | None = None) -> Any:
    """Run the command line; errors that a person can mend are one sentence and a non-zero exit code."""
    return group.main(args=sys.argv[1:] if argv is None else argv, prog_name="holdfast")
