"""What a browser sees in an HTML page: its forms, with what would be sent. Follows no script and no style."""

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Form:
    """action, method; fields: (name, value) that are filled in already; blanks: names for a person to fill in.

    buttons: (name, value) of the buttons that submit it.
    """

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    blanks: list[str] = field(default_factory=list)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._open: Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(attributes.get("action", ""), attributes.get("method", "get").lower())
            self.forms.append(self._open)
        elif self._open is not None and attributes.get("name"):
            self._control(self._open, tag, attributes)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None

    def _control(self, form: Form, tag: str, attributes: dict[str, str]) -> None:
        pair = (attributes["name"], attributes.get("value", ""))
        kind = attributes.get("type", "text")
        if tag == "button" and kind != "button":
            form.buttons.append(pair)
        elif tag != "input":
            return
        elif kind == "hidden" or (kind in ("checkbox", "radio") and "checked" in attributes):
            form.fields.append(pair)
        elif kind not in ("checkbox", "radio"):
            form.blanks.append(attributes["name"])


def forms_of(html: str) -> list[Form]:
    """The forms of a page, in order."""
    reader = _Reader()
    reader.feed(html)
    return reader.forms
