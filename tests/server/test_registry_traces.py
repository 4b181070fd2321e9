"""What each change of the registry leaves behind: a row in the audit, and no context that nobody may use."""

import dataclasses

from holdfast_core import labels as L
from holdfast_server.records import ResourceServer
from holdfast_server.web.authenticator import hash_password
from testkit.authz import DOCTOR, DOCTOR_APP, NOW_S

SCOPES = {"read": (("/temp", L.METHOD_GET),)}


def test_a_new_secret_and_a_new_password_are_in_the_audit(story):
    story.registry.new_client_secret(DOCTOR_APP, NOW_S)
    story.registry.replace_password(DOCTOR, hash_password("a password long enough"), NOW_S)
    newest, before = story.store.audit_rows(2)
    assert (newest.event, newest.user_id) == ("password-replaced", DOCTOR)
    assert (before.event, before.client_id) == ("client-secret-replaced", DOCTOR_APP)


def test_a_device_that_is_connected_no_more_loses_its_context(story):
    meter = ResourceServer("meter", ("meter",), SCOPES, token_format="cwt-nested")
    story.registry.add_resource_server(meter, NOW_S)
    assert story.store.oscore_party(rs_id="meter") is not None
    story.registry.connect(dataclasses.replace(meter, connected=False), NOW_S)
    assert story.store.oscore_party(rs_id="meter") is None


def test_a_party_that_is_unlocked_is_in_the_audit(story):
    story.registry.set_disabled(True, NOW_S, user_id=DOCTOR)
    story.registry.set_disabled(False, NOW_S, user_id=DOCTOR)
    newest = story.store.audit_rows(1)[0]
    assert (newest.event, newest.user_id) == ("enabled", DOCTOR)
