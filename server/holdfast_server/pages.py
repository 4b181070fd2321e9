"""The pages that a person sees: login, consent, and one for everything that went wrong.

Server-rendered, no script, every value escaped. What the consent page says of a
scope is derived from what the resource server will really allow with it, so the
page cannot promise less than the token grants.
Decides nothing and knows no request.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import jinja2

from holdfast_core import labels as L
from holdfast_server.authenticator import Field
from holdfast_server.registry import ResourceServer

METHOD_WORDS = (
    (L.METHOD_GET | L.METHOD_FETCH, "read"),
    (L.METHOD_POST, "use"),
    (L.METHOD_PUT | L.METHOD_PATCH | L.METHOD_IPATCH, "change"),
    (L.METHOD_DELETE, "delete"),
)


@dataclass(frozen=True, slots=True)
class ScopeChoice:
    """One checkbox of the consent page: the scope's name and, in plain words, what it allows."""

    name: str
    lines: tuple[str, ...]


class Pages:
    """Renders the pages of one authorization server."""

    def __init__(self, issuer: str, server_name: str, root: str = "") -> None:
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("holdfast_server"), autoescape=True, undefined=jinja2.StrictUndefined
        )
        self._templates.globals.update(issuer=issuer, server_name=server_name, root=root)

    def login(
        self,
        *,
        client_name: str,
        audience: str,
        request: str,
        form_token: str,
        fields: Sequence[Field],
        refused: str = "",
    ) -> str:
        """The login form; `refused` is the sentence above it after a failed try."""
        return self._templates.get_template("login.html").render(
            client_name=client_name,
            audience=audience,
            request=request,
            form_token=form_token,
            fields=fields,
            refused=refused,
        )

    def consent(
        self,
        *,
        client_name: str,
        audience: str,
        scopes: Sequence[ScopeChoice],
        lifetime_s: int,
        user_id: str,
        redirect_uri: str,
        request: str,
        form_token: str,
        logout_token: str,
    ) -> str:
        """The question, with everything that the person agrees to."""
        return self._templates.get_template("consent.html").render(
            client_name=client_name,
            audience=audience,
            scopes=scopes,
            lifetime=words_of_duration(lifetime_s),
            user_id=user_id,
            redirect_origin=origin(redirect_uri),
            request=request,
            form_token=form_token,
            logout_token=logout_token,
        )

    def problem(self, heading: str, explanation: str, code: str = "") -> str:
        """What went wrong, in one sentence, and the RFC's error code for the person's helpdesk."""
        return self._templates.get_template("problem.html").render(heading=heading, explanation=explanation, code=code)


def choices_of(scope: str, members: Iterable[ResourceServer]) -> list[ScopeChoice]:
    """One choice for each name in a scope, with what the resource servers of the audience allow for it."""
    maps = [member.scope_map for member in members]
    return [
        ScopeChoice(name, words_of_permissions(pair for scope_map in maps for pair in scope_map.get(name, ())))
        for name in scope.split()
    ]


def words_of_permissions(permissions: Iterable[tuple[str, int]]) -> tuple[str, ...]:
    """One line a resource: `read /ekg`, from its path and the methods mask (RFC 9237), each once."""
    return tuple(dict.fromkeys(f"{_verbs(mask)} {path}" for path, mask in permissions))


def words_of_duration(duration_s: int) -> str:
    """`1 hour`, `10 minutes`, `90 seconds`: the largest unit that says it exactly."""
    for unit_s, unit in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if duration_s >= unit_s and duration_s % unit_s == 0:
            count = duration_s // unit_s
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return "0 seconds"


def origin(uri: str) -> str:
    """Scheme, host and port of a redirect URI (what the person can recognise)."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"


def _verbs(mask: int) -> str:
    return " and ".join(word for bits, word in METHOD_WORDS if mask & bits)
