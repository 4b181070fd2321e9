"""`--allow AUDIENCE=SCOPE`: what a client may ever get and what a person may ever give, as it is typed.

Never decides what is given: policy.py does, at each request.
"""

import click

from holdfast_core.cli import Problem
from holdfast_server.authz.administrator import ADMIN_AUDIENCE
from holdfast_server.cli.command import Admin

allow_option = click.option(
    "--allow",
    "allowed",
    multiple=True,
    metavar="AUDIENCE=SCOPE[,SCOPE]",
    help="What the client may get at most, for each audience. May be repeated.",
)


def allowances(allowed: tuple[str, ...], what: str = "--allow") -> dict[str, tuple[str, ...]]:
    """AUDIENCE=SCOPE,SCOPE to scopes by audience. Raises Problem."""
    scopes: dict[str, tuple[str, ...]] = {}
    for text in allowed:
        audience, equals, names = text.partition("=")
        if not (audience and equals and all(names.split(","))):
            raise Problem(f'{what} must look like "ekg_device_ABC=read_ekg,read_result", not "{text}".')
        scopes[audience] = (*scopes.get(audience, ()), *names.split(","))
    return scopes


def warn_of_strangers(admin: Admin, scopes: dict[str, tuple[str, ...]]) -> None:
    """Say which allowances mean nothing yet: a resource server may come later, a misspelt one never does."""
    for audience, names in scopes.items():
        if audience == ADMIN_AUDIENCE:
            continue
        members = admin.store.members_of(audience)
        offered = {name for member in members for name in member.scope_map}
        if not members:
            click.echo(f"Note: no resource server answers to {audience} yet.", err=True)
        for name in names:
            if members and name not in offered:
                click.echo(f"Note: {audience} has no scope {name}; it has {', '.join(sorted(offered))}.", err=True)
