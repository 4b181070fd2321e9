"""`holdfast server rs export`: what one device is told, in a file that only its owner can read."""

import json
import stat

import pytest

from holdfast_core.crypto import Es256Key
from holdfast_core.provisioning import decode_provisioning
from holdfast_server.store.sqlite import Store

RS = ["rs", "add", "ekg", "--scope", "read_ekg=GET,FETCH:/ekg", "--format", "reference"]


def tell(done):
    return json.loads(done.stdout)


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_resource_server_from_its_export_to_its_end(tmp_path, state, run):
    added = tell(run(*RS, "--audience", "ekg_device_ABC", "--json"))
    assert (added["audiences"], added["scopes"]) == (
        ["ekg_device_ABC"],
        {"read_ekg": [{"path": "/ekg", "methods": ["GET", "FETCH"]}]},
    )
    assert added["connected"] is True
    out = tmp_path / "ekg.prov"
    done = run("rs", "export", "ekg", "--out", out)
    assert mode_of(out) == 0o600
    made = decode_provisioning(out.read_bytes())
    printed = (done.stdout + done.stderr).encode()
    for secret in (made.seed, made.as_context.master_secret):
        for form in (secret.reveal(), secret.reveal().hex().encode()):
            assert form not in printed
    assert "exists" in run("rs", "export", "ekg", "--out", out, code=2).stderr
    assert "No such file" in run("rs", "export", "ekg", "--out", tmp_path / "no" / "dir", code=2).stderr
    with Store(state, serving=False) as store:  # the device in the field is served as before
        assert store.oscore_party(rs_id="ekg").master_secret == made.as_context.master_secret
    run("rs", "export", "ekg", "--out", out, "--force")
    assert decode_provisioning(out.read_bytes()).as_context.master_secret != made.as_context.master_secret
    assert not list(tmp_path.glob("*.part"))
    run("rs", "disable", "ekg")
    assert tell(run("rs", "show", "ekg", "--json"))["disabled"] is True
    run("rs", "enable", "ekg")
    run("rs", "remove", "ekg", "--yes")
    assert run("rs", "list").stdout == "No resource servers yet.\n"


def test_a_file_for_secrets_is_a_new_one_whatever_lies_in_its_place(tmp_path, run):
    run(*RS)
    elsewhere, out = tmp_path / "elsewhere", tmp_path / "ekg.prov"
    elsewhere.write_text("somebody else's")
    (tmp_path / "ekg.prov.part").symlink_to(elsewhere)
    run("rs", "export", "ekg", "--out", out)
    assert elsewhere.read_text() == "somebody else's"
    assert (mode_of(out), out.is_symlink()) == (0o600, False)


def test_a_tube_that_is_never_connected_has_its_own_keys_and_no_context(tmp_path, run):
    run("rs", "add", "tube", "--scope", "read_result=GET:/result")
    run("rs", "export", "tube", "--out", tmp_path / "tube.prov")
    made = decode_provisioning((tmp_path / "tube.prov").read_bytes())
    assert made.as_context is None
    assert sorted(key.role for key in made.keys) == ["encrypt", "encrypt", "sign", "sign"]


def test_a_device_that_is_no_client_any_more_keeps_its_context_as_a_resource_server(tmp_path, state, run):
    run("client", "add", "meter", "--grant", "client_credentials", "--no-secret")
    run(*RS, "--client", "meter")
    run("rs", "export", "ekg", "--out", tmp_path / "both.prov")
    both = decode_provisioning((tmp_path / "both.prov").read_bytes())
    assert both.client_id == "meter"
    run("client", "remove", "meter", "--yes")
    with Store(state, serving=False) as store:
        kept = store.oscore_party(rs_id="ekg")
    assert kept.master_secret == both.as_context.master_secret
    assert kept.client_id is None
    run("rs", "export", "ekg", "--out", tmp_path / "rs.prov")
    alone = decode_provisioning((tmp_path / "rs.prov").read_bytes())
    assert (alone.as_context is None, alone.as_peer is None, alone.client_id) == (False, False, None)
    run("rs", "remove", "ekg", "--yes")
    with Store(state, serving=False) as store:
        assert store.oscore_parties() == []


@pytest.mark.parametrize(("options", "size"), [([], 2052), (["--table", "8k"], 8196), (["--table", "none"], None)])
def test_an_export_carries_a_table_for_each_signing_key_that_its_device_can_check(options, size, tmp_path, run):
    run("rs", "add", "tube", "--scope", "read_result=GET:/result")
    done = run("rs", "export", "tube", "--out", tmp_path / "tube.prov", *options)
    assert done.stderr == ""
    for key in decode_provisioning((tmp_path / "tube.prov").read_bytes()).keys:
        assert (key.table and len(key.table)) == (size if key.role == "sign" else None)
        if key.role == "sign":
            point = key.material.reveal()
            Es256Key(point[:32], point[32:], key.table)


def test_an_export_without_the_c_core_says_that_it_has_no_tables(tmp_path, run, monkeypatch):
    monkeypatch.setattr("holdfast_server.cli.rs.make_table", None)
    run("rs", "add", "tube", "--scope", "read_result=GET:/result")
    done = run("rs", "export", "tube", "--out", tmp_path / "tube.prov")
    assert "no C core" in done.stderr
    assert [key.table for key in decode_provisioning((tmp_path / "tube.prov").read_bytes()).keys] == [None] * 4


def test_a_device_is_told_which_shape_its_tokens_have(tmp_path, state, run):
    out = tmp_path / "told.prov"
    for name, options, shape in (("lock", [], "strict"), ("lamp", ["--token-shape", "rfc8392"], "rfc8392")):
        added = tell(run("rs", "add", name, "--scope", "open=PUT:/lock", *options, "--json"))
        assert added["token_shape"] == tell(run("rs", "show", name, "--json"))["token_shape"] == shape
        run("rs", "export", name, "--out", out, "--force")
        assert decode_provisioning(out.read_bytes()).rs.token_shape == shape
    assert "token shape" in run("rs", "set", "lock", "--token-shape", "rfc8392").stdout
    run("rs", "export", "lock", "--out", out, "--force")
    assert decode_provisioning(out.read_bytes()).rs.token_shape == "rfc8392"
    done = run("rs", "set", "lock", "--token-shape", "loose", code=2)
    assert "'loose' is not one of" in done.stderr
