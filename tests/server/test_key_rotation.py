"""A rotation leaves no device behind unless that is wanted: the server knows which device holds which key."""

import json

import pytest

from holdfast_core.provisioning import decode_provisioning
from holdfast_server.records import RegistryError
from testkit.authz import NOW_S, TUBE

TUBE_RS = ("rs", "add", "tube", "--scope", "read=GET:/result")


def keys_of(run):
    return {key["kid"]: key for key in json.loads(run("key", "list", "--json").stdout)}


@pytest.fixture
def export(run, tmp_path):
    """Export a resource server; returns the ids of the keys that its device now holds."""

    def exported(rs_id="tube"):
        out = tmp_path / f"{rs_id}.prov"
        run("rs", "export", rs_id, "--out", out, "--force", "--table", "none")
        return {key.kid.hex() for key in decode_provisioning(out.read_bytes()).keys}

    return exported


@pytest.mark.parametrize("which", [(), ("--rs", "tube")])
def test_a_second_rotation_before_an_export_is_refused_and_names_the_device(run, export, which):
    run(*TUBE_RS)
    export()
    run("key", "rotate", *which)
    before = keys_of(run)
    refused = run("key", "rotate", *which, code=2).stderr
    assert "tube" in refused
    assert "--force" in refused
    assert refused.count("\n") == 1
    assert keys_of(run) == before
    held = export()
    run("key", "rotate", *which)
    current = {kid for kid, key in keys_of(run).items() if key["state"] == "current"}
    assert current <= held  # the device takes what is issued now


def test_with_force_it_is_done_and_who_is_left_behind_is_named(run, export):
    run(*TUBE_RS)
    held = export()
    run("key", "rotate")
    done = run("key", "rotate", "--force")
    assert "tube" in done.stderr
    signing = next(kid for kid, key in keys_of(run).items() if key["state"] == "current" and key["role"] == "sign")
    assert signing not in held
    export()
    assert run("key", "rotate").stderr == ""


def test_the_list_says_which_device_holds_which_key(run, export):
    run(*TUBE_RS)
    assert all(key["held_by"] == [] for key in keys_of(run).values())
    held = export()
    assert {kid for kid, key in keys_of(run).items() if key["held_by"] == ["tube"]} == held
    run("key", "rotate")
    again = export()
    assert {kid for kid, key in keys_of(run).items() if key["held_by"] == ["tube"]} == again > held
    run("rs", "remove", "tube", "--yes")
    assert all(key["held_by"] == [] for key in keys_of(run).values())


def test_devices_that_need_no_such_key_or_were_never_given_one_hold_nothing_up(run, export):
    run("rs", "add", "ekg", "--scope", "read=GET:/ekg", "--format", "reference")
    run("rs", "add", "lean", "--scope", "read=GET:/l", "--format", "cwt-encrypted")
    run(*TUBE_RS)  # never exported
    export("ekg")
    export("lean")
    for _ in range(3):
        run("key", "rotate")
    run("key", "rotate", "--rs", "lean")
    assert "lean" in run("key", "rotate", "--rs", "lean", code=2).stderr
    run("key", "rotate", "--rs", "tube")


def test_of_many_devices_ten_are_named(story):
    for number in range(12):
        rs = story.store.resource_server(TUBE)
        name = f"tube{number:02}"
        story.registry.add_resource_server(type(rs)(name, (name,), rs.scope_map, rs.token_format), NOW_S)
        story.store.put_device_keys(name, [b"old"])
    with pytest.raises(RegistryError, match="tube09 and 2 more"):
        story.registry.rotate_key(NOW_S)
