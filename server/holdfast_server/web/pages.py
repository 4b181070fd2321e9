"""The pages that a person sees: login, consent, the administrator's, and one for everything that went wrong.

Server-rendered, no script, every value escaped. What the consent page says of a
scope is derived from what the resource server will really allow with it, so the
page cannot promise less than the token grants.
Decides nothing and knows no request.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import jinja2

from holdfast_core import labels as L
from holdfast_server.records import ResourceServer
from holdfast_server.web.authenticator import Field

Table = Sequence[Mapping[str, str]]
"""Rows of columns by their heading, all text."""

_HOST_SOURCE = re.compile(r"[a-z][a-z0-9+.-]*://[A-Za-z0-9.-]+(:[0-9]+)?")

METHOD_WORDS = (
    (L.METHOD_GET | L.METHOD_FETCH, "read"),
    (L.METHOD_POST, "use"),
    (L.METHOD_PUT | L.METHOD_PATCH | L.METHOD_IPATCH, "change"),
    (L.METHOD_DELETE, "delete"),
)


@dataclass(frozen=True, slots=True)
class ScopeChoice:
    """One checkbox of the consent page: the scope's name, what people call it, and in plain words what it allows."""

    name: str
    title: str
    lines: tuple[str, ...]


class Pages:
    """Renders the pages of one authorization server; root: the path that they stand under, "" or "/ward7"."""

    def __init__(self, issuer: str, server_name: str, root: str = "") -> None:
        self.root = root
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("holdfast_server.web"), autoescape=True, undefined=jinja2.StrictUndefined
        )
        self._templates.globals.update(issuer=issuer, server_name=server_name, root=root)

    def login(
        self,
        *,
        client_name: str,
        audience: str,
        action: str,
        request: str,
        form_token: str,
        fields: Sequence[Field],
        refused: str = "",
    ) -> str:
        """The login form, which posts to `action`; client_name "": for administrators.

        refused: the sentence above it after a failed try.
        """
        return self._render(
            "login.html",
            client_name=client_name,
            audience=audience,
            action=action,
            request=request,
            form_token=form_token,
            fields=fields,
            refused=refused,
        )

    def consent(  # noqa: PLR0913 - one for each thing that the person is told
        self,
        *,
        client_name: str,
        audience: str,
        scopes: Sequence[ScopeChoice],
        withheld: Sequence[str],
        lifetime_s: int,
        user_id: str,
        redirect_uri: str,
        request: str,
        form_token: str,
        logout_token: str,
    ) -> str:
        """The question, with everything that the person agrees to; withheld: asked for, and not theirs to give."""
        return self._render(
            "consent.html",
            client_name=client_name,
            audience=audience,
            scopes=scopes,
            withheld=withheld,
            lifetime=words_of_duration(lifetime_s),
            user_id=user_id,
            redirect_origin=origin(redirect_uri),
            request=request,
            form_token=form_token,
            logout_token=logout_token,
        )

    def home(self) -> str:
        """What this server is, for a person who types its address."""
        return self._render("home.html")

    def problem(self, heading: str, explanation: str, code: str = "", again: str = "") -> str:
        """What went wrong, in one sentence, and the RFC's error code for the person's helpdesk; again: a link."""
        return self._render("problem.html", heading=heading, explanation=explanation, code=code, again=again)

    def not_admin(self, *, user_id: str, request: str, logout_token: str) -> str:
        """This person looks after nothing here."""
        return self._render("not_admin.html", user_id=user_id, request=request, logout_token=logout_token)

    def admin(
        self,
        *,
        user_id: str,
        request: str,
        logout_token: str,
        tables: Mapping[str, Table],
        tokens: Sequence[tuple[Mapping[str, str], str]],
        audit: Table,
    ) -> str:
        """What the server knows; tokens: each with the form token of its button, "" for none."""
        return self._render(
            "admin.html",
            user_id=user_id,
            request=request,
            logout_token=logout_token,
            tables=tables,
            tokens=tokens,
            audit=audit,
        )

    def _render(self, template: str, **values: object) -> str:
        return self._templates.get_template(template).render(**values)


def choices_of(names: Iterable[str], members: Iterable[ResourceServer]) -> list[ScopeChoice]:
    """One choice for each scope name, with what the resource servers of the audience allow for it."""
    known = list(members)
    choices = []
    for name in names:
        titles = [member.scope_titles[name] for member in known if member.scope_titles.get(name)]
        lines = words_of_permissions(pair for member in known for pair in member.scope_map.get(name, ()))
        choices.append(ScopeChoice(name, titles[0] if titles else name, lines))
    return choices


def name_of_audience(audience: str, members: Sequence[ResourceServer]) -> str:
    """What people call the device behind an audience; the audience's own name where it is a group or has no title."""
    return members[0].title or audience if len(members) == 1 else audience


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
    """Scheme, host and port of a redirect URI: what the person can recognise, without what could deceive."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else f"{parts.scheme}:"


def form_target(uri: str) -> str:
    """The source expression (CSP 3 section 2.3.1) that lets a form end at a redirect URI.

    An IPv6 address cannot be written there, and a host with other characters must not: then the scheme has to do.
    """
    target = origin(uri)
    return target if _HOST_SOURCE.fullmatch(target) else urlsplit(uri).scheme + ":"


def _verbs(mask: int) -> str:
    return " and ".join(word for bits, word in METHOD_WORDS if mask & bits)
