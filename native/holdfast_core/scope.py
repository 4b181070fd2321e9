"""Scopes and what they permit on an RS: names by configuration, or AIF-REST (RFC 9237 section 3).

A permission is (path, methods): an absolute path, compared whole and byte by byte, and a mask of METHOD_ bits.
An RS refuses a scope it does not understand whole; it never takes the part that it knows.
Dynamic permissions (RFC 9237 section 2.3) and methods without a bit of ours are not understood.
"""

from holdfast_core import cbor, errors
from holdfast_core import labels as L
from holdfast_core.errors import LocalError
from holdfast_core.kinds import MAX_PERMISSIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Permission = tuple[str, int]

# The methods CoAP has: GET POST PUT DELETE FETCH PATCH iPATCH, whose bit is 1 << (code - 1).
ALL_METHODS = (
    L.METHOD_GET | L.METHOD_POST | L.METHOD_PUT | L.METHOD_DELETE | L.METHOD_FETCH | L.METHOD_PATCH | L.METHOD_IPATCH
)


class Permissions:
    """What a grant allows: methods by path.  Never changes."""

    __slots__ = ("_methods",)

    def __init__(self, permissions: "Iterable[Permission]" = ()) -> None:
        self._methods: dict[str, int] = {}
        for path, methods in permissions:
            self._methods[path] = self._methods.get(path, 0) | methods

    def check(self, path: str, code: int) -> None:
        """Return when the method with this CoAP code is allowed on path (RFC 9200 section 5.10.2).

        Raises ResourceForbidden (nothing is allowed there), MethodForbidden (something else is).
        """
        methods = self._methods.get(path, 0)
        if not methods:
            raise errors.ResourceForbidden("path")
        if not L.CODE_GET <= code <= L.CODE_IPATCH or not methods >> (code - 1) & 1:
            raise errors.MethodForbidden("method")

    def entries(self) -> "list[Permission]":
        """Return the permissions, one for each path, sorted by path."""
        return sorted(self._methods.items())

    def __repr__(self) -> str:
        return f"Permissions({self.entries()!r})"


class ScopeMap:
    """What an RS's scopes mean: permissions by scope name, and from them every path the RS serves.

    permissions_by_scope: name -> iterable of (path, methods).  LocalError for a name no scope can have, a path without
    its slash, methods of none or unknown.
    """

    __slots__ = ("_permissions", "_served")

    def __init__(self, permissions_by_scope: "Mapping[str, Iterable[Permission]]") -> None:
        self._permissions: dict[str, list[Permission]] = {}
        self._served: set[str] = set()
        for name, given in permissions_by_scope.items():
            permissions = [(path, methods) for path, methods in given]
            if not _is_scope_token(name):
                raise LocalError("scope-name")
            for path, methods in permissions:
                if not path.startswith("/"):
                    raise LocalError("scope-path")
                if not methods or methods & ~ALL_METHODS:
                    raise LocalError("scope-methods")
                self._served.add(path)
            self._permissions[name] = permissions

    def names(self) -> "list[str]":
        """Return the scope names, sorted."""
        return sorted(self._permissions)

    def permissions(self, name: str) -> "list[Permission]":
        """Return what one name permits; ScopeUnknown when it means nothing here."""
        if name not in self._permissions:
            raise errors.ScopeUnknown("name")
        return self._permissions[name]

    def serves(self, path: str) -> bool:
        """Whether any scope mentions the path."""
        return path in self._served


def understand(scope: "str | bytes", scope_map: ScopeMap) -> Permissions:
    """Turn a scope into permissions.

    scope: text of names with one space between (RFC 6749 section 3.3), or bytes of an AIF-REST (RFC 9237).
    Raises MalformedScope (not that syntax), ScopeUnknown (a name, path or method not known here, or nothing at all).
    """
    if isinstance(scope, str):
        permissions: list[Permission] = []
        for name in split_scope(scope):
            permissions.extend(scope_map.permissions(name))
        return Permissions(permissions)
    permissions = decode_aif(scope)
    if not permissions:
        raise errors.ScopeUnknown("empty")
    for path, methods in permissions:
        if not scope_map.serves(path):
            raise errors.ScopeUnknown("path")
        if not methods or methods & ~ALL_METHODS:
            raise errors.ScopeUnknown("method")
    return Permissions(permissions)


def split_scope(scope: str) -> "list[str]":
    """Split a text scope into its names, in order; MalformedScope when it is not 1*(names with one space between)."""
    names = scope.split(" ")
    if len(names) > MAX_PERMISSIONS:
        raise errors.MalformedScope("too-long")
    for name in names:
        if not _is_scope_token(name):
            raise errors.MalformedScope("name")
    return names


def _is_scope_token(name: str) -> bool:
    """Whether name is a scope-token: printable ASCII but for space, quote and backslash (RFC 6749 section 3.3)."""
    for character in name:
        if not "\x21" <= character <= "\x7e" or character in '"\\':
            return False
    return bool(name)


def decode_aif(encoded: bytes) -> "list[Permission]":
    """Decode an AIF-REST: an array of [path, methods] (RFC 9237 section 3), dynamic bits and all.

    Returns (path, methods) in order, as many as there are, possibly none.
    Raises MalformedScope with detail: cbor array entry path methods too-long.
    """
    try:
        entries = cbor.decode(encoded, (), 2)
    except errors.MalformedCbor:
        raise errors.MalformedScope("cbor") from None
    if not isinstance(entries, list):
        raise errors.MalformedScope("array")
    if len(entries) > MAX_PERMISSIONS:
        raise errors.MalformedScope("too-long")
    return [_permission(entry) for entry in entries]


def _permission(entry: object) -> "Permission":
    if not isinstance(entry, list) or len(entry) != 2:
        raise errors.MalformedScope("entry")
    path, methods = entry
    if not isinstance(path, str) or not path.startswith("/"):
        raise errors.MalformedScope("path")
    if isinstance(methods, bool) or not isinstance(methods, int) or methods < 0:
        raise errors.MalformedScope("methods")
    return path, methods


def encode_aif(permissions: "Iterable[Permission]") -> bytes:
    """Encode (path, methods) pairs as an AIF-REST, in the order given."""
    return cbor.encode([[path, methods] for path, methods in permissions])
