"""The doctor's browser and the app's HTTPS side: real requests, real forms, real cookies, TLS that is checked.

Follows redirects of the AS itself and stops at the one that leads back to the app, as a browser hands that to the app.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx

from holdfast_sim.pages import Form, forms_of
from holdfast_sim.process_shell import PartFailed
from holdfast_sim.recorder_shell import Recorder

TIMEOUT_S = 10
BROWSER, APP, AS = "browser", "app", "AS"


@dataclass(frozen=True)
class Returned:
    """What the browser brought back to the app: the query of the redirect, first value of each name."""

    query: dict[str, str]


class Web:
    """One user agent towards one AS. issuer: its URL; certificate: the only one trusted."""

    def __init__(self, recorder: Recorder, issuer: str, certificate: Path) -> None:
        self._recorder = recorder
        self._issuer = issuer
        self._context = ssl.create_default_context(cafile=str(certificate))
        self._browser = self._client()  # the doctor's: it keeps its cookies, so that she logs in once
        self._app = self._client()

    def close(self) -> None:
        """Close the connections."""
        self._browser.close()
        self._app.close()

    def _client(self) -> httpx.Client:
        return httpx.Client(verify=self._context, timeout=TIMEOUT_S, trust_env=False, follow_redirects=False)

    def log_in_and_consent(self, query: Mapping[str, str], user: str, password: str, redirect_uri: str) -> Returned:
        """Walk through the pages as the doctor would: log in, allow what is asked, go back. Raises PartFailed."""
        page = self.authorize(query)
        if any("password" in form.blanks for form in forms_of(page.text)):
            page = self._submit(_form_with(page, "password"), {"username": user, "password": password})
            page = self._follow(page)
        back = self._submit(_form_with_button(page, "decision", "allow"), {}, ("decision", "allow"))
        target = back.headers.get("location", "")
        if not target.startswith(redirect_uri + "?"):
            raise PartFailed(
                f"The AS answered the consent form with {back.status_code} and did not go back to the app."
            )
        self._recorder.http(BROWSER, APP, "GET the redirect_uri  {" + ", ".join(_query(target)) + "}", len(target))
        return Returned(_query(target))

    def authorize(self, query: Mapping[str, str]) -> httpx.Response:
        """Only open the app's link; returns the answer."""
        return self._send("GET", "/authorize?" + urlencode(query), "opens the app's link")

    def post(self, path: str, form: Mapping[str, str], who: str = APP) -> tuple[int, dict[str, Any]]:
        """Send a form to an endpoint of the AS; returns status and JSON. Raises PartFailed when it does not answer."""
        body = urlencode(form)
        names = ", ".join(form)
        self._recorder.http(who, AS, f"POST {path}  {{{names}}}  HTTPS", len(body))
        answer = self._call(self._app, "POST", path, body)
        values = answer.json() if answer.headers.get("content-type", "").startswith("application/json") else {}
        said = values.get("error") or "{" + ", ".join(_names(values)) + "}"
        self._recorder.http(AS, who, f"{answer.status_code} {answer.reason_phrase}  {said}  HTTPS", len(answer.content))
        return answer.status_code, values

    def _submit(self, form: Form, filled: Mapping[str, str], button: tuple[str, str] | None = None) -> httpx.Response:
        blanks = [(name, filled[name]) for name in form.blanks]
        body = urlencode([*form.fields, *blanks, *([button] if button else [])])
        return self._send("POST", form.action, "", body)

    def _follow(self, answer: httpx.Response) -> httpx.Response:
        if answer.status_code != 303:
            raise PartFailed(f"The AS answered the login form with {answer.status_code}.")
        return self._send("GET", answer.headers["location"])

    def _send(self, method: str, target: str, why: str = "", body: str = "") -> httpx.Response:
        path = urlsplit(target).path
        self._recorder.http(BROWSER, AS, f"{method} {path}  {why or 'HTTPS'}".rstrip(), len(body))
        answer = self._call(self._browser, method, target, body)
        title = f"{answer.status_code} {answer.reason_phrase}"
        if "location" in answer.headers:
            title += " to " + urlsplit(answer.headers["location"]).path
        self._recorder.http(AS, BROWSER, f"{title}  HTTPS", len(answer.content))
        return answer

    def _call(self, client: httpx.Client, method: str, target: str, body: str = "") -> httpx.Response:
        headers = {"content-type": "application/x-www-form-urlencoded"} if body else {}
        try:
            return client.request(method, urljoin(self._issuer, target), content=body, headers=headers)
        except httpx.HTTPError as error:
            raise PartFailed(
                f"The AS did not answer {method} {urlsplit(target).path}: {type(error).__name__}."
            ) from None


def _form_with(page: httpx.Response, blank: str) -> Form:
    for form in forms_of(page.text):
        if blank in form.blanks:
            return form
    raise PartFailed(f"The AS's page ({page.status_code}) has no form that asks for a {blank}.")


def _form_with_button(page: httpx.Response, name: str, value: str) -> Form:
    for form in forms_of(page.text):
        if (name, value) in form.buttons:
            return form
    raise PartFailed(f"The AS's page ({page.status_code}) has no button to {value}.")


def _query(target: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}


def _names(values: Mapping[str, Any]) -> list[str]:
    """Names of the members, with the confirmation method spelled out as RFC 9203 figure 8 does."""
    return [f"cnf: {{{next(iter(value))}}}" if name == "cnf" and value else name for name, value in values.items()]
