"""What happens to a login while its password is hashed: another process may change the person's record."""

import pytest

from holdfast_server.web.authenticator import PasswordAuthenticator
from testkit.authz import DOCTOR, NOW_S
from testkit.web import HASH, HASHER, opened_web


class Meanwhile(PasswordAuthenticator):
    """Something happens while a password that was looked up is hashed."""

    def begin(self, form):
        check = super().begin(form)
        self.happens()
        return check


@pytest.mark.parametrize("what", ["nothing", "new password", "lock", "removal"])
def test_a_password_that_is_replaced_while_it_is_hashed_lets_nobody_in(tmp_path, what):
    with opened_web(tmp_path, authenticator=Meanwhile(lambda name: HASH if name == DOCTOR else None, HASHER)) as web:
        registry = web.story.registry
        happens = {
            "nothing": lambda: None,
            "new password": lambda: registry.replace_password(DOCTOR, HASHER.hash("another"), NOW_S),
            "lock": lambda: registry.set_disabled(True, NOW_S, user_id=DOCTOR),
            "removal": lambda: list(registry.removing(NOW_S, user_id=DOCTOR)),
        }
        Meanwhile.happens = staticmethod(happens[what])
        browser = web.browser()
        answer = browser.log_in(browser.authorize())
        assert ("do not belong together" in answer.text) == (what != "nothing")
        assert ("Allow access?" in browser.authorize().text) == (what == "nothing")
        assert any(cookie.name.endswith("-known") for cookie in browser.cookies.jar) == (what == "nothing")
        assert [row.event for row in web.story.store.audit_rows(2)].count("login") == (what == "nothing")
