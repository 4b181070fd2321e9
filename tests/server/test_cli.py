"""`holdfast server` on the command line: it keeps secrets, and says in a sentence what is wrong."""

import json
import stat

import pytest

from holdfast_core.provisioning import decode_provisioning
from holdfast_core.terminal_shell import table
from holdfast_server.process.config import load
from holdfast_server.store.sqlite import Store
from testkit.serve import holdfast, init

RS = ["rs", "add", "ekg", "--scope", "read_ekg=GET,FETCH:/ekg", "--format", "reference"]
CLIENT = ["client", "add", "app", "--grant", "authorization_code", "--redirect-uri", "https://app.example/cb"]


def tell(done):
    return json.loads(done.stdout)


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


# --- init ---


def test_init_makes_everything_private_and_says_what_to_do_next(tmp_path):
    state = tmp_path / "deep" / "state"
    done = holdfast("init", "--state", state)
    assert done.returncode == 0
    assert mode_of(state) == 0o700
    modes = {path.name.partition("-")[0]: mode_of(path) for path in state.iterdir()}
    assert modes == {"server.toml": 0o600, "holdfast.db": 0o600, "lock": 0o600, "start": 0o600}
    commands = [line.strip() for line in done.stdout.splitlines() if line.startswith("  holdfast server ")]
    assert len(commands) == 3
    assert commands[-1] == f"holdfast server serve --state {state}"
    assert all(command.endswith(f"--state {state}") for command in commands)
    assert holdfast("check", "--state", state).returncode == 0


def test_init_tells_devices_an_address_that_they_can_reach(tmp_path):
    init(tmp_path / "as", "--coap", "0.0.0.0:5683", "--advertise", "192.0.2.7:5683")
    assert load(tmp_path / "as").settings.as_uri == "coap://192.0.2.7:5683/token"


def test_init_with_a_certificate_says_how_to_see_that_it_is_right(tmp_path):
    tls = ("--http", "0.0.0.0:8443", "--issuer", "https://as.example", "--certificate", "tls.crt", "--key", "tls.key")
    done = holdfast("init", "--state", tmp_path / "as", *tls)
    assert f"holdfast server check --state {tmp_path / 'as'}\n" in done.stdout
    checked = holdfast("check", "--state", tmp_path / "as")
    assert checked.returncode == 1
    assert "does not exist" in checked.stdout


def test_init_makes_an_administrator_with_a_password_of_its_own_that_is_shown_once(tmp_path):
    passwords = set()
    for name in ("a", "b"):
        _, _, told = init(tmp_path / name, "--admin", "root")
        assert told["admin"]["user_id"] == "root"
        passwords.add(told["admin"]["password"])
        assert len(told["admin"]["password"]) >= 24
        for path in (tmp_path / name).iterdir():
            assert told["admin"]["password"].encode() not in path.read_bytes()
        with Store(tmp_path / name) as store:
            (user,) = store.users()
            assert user.scopes == {"holdfast:server": ("admin",)}
            assert user.password_hash.startswith("$argon2id$")
    assert len(passwords) == 2


def test_init_again_changes_nothing(state, run):
    before = {path.name: path.read_bytes() for path in state.iterdir()}
    done = run("init", code=2)
    assert "already has a server" in done.stderr
    assert {path.name: path.read_bytes() for path in state.iterdir()} == before


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--issuer", "http://as.example"], "must be an https URL"),
        (["--issuer", "https://as.example/path?x"], "without query"),
        (["--issuer", 'https://as.example"'], "a character"),
        (["--issuer", "https://as.example@evil.example"], "a character"),
        (["--issuer", "https://[as"], "issuer is not a URL"),
        (["--issuer", "https://as\x7f.example"], "a character"),
        (["--http", "8080"], "--http must look like"),
        (["--http", "0.0.0.0:8080", "--issuer", "https://as.example"], "set --certificate and --key"),
        (["--coap", "localhost:coap"], "--coap must look like"),
        (["--http", "0.0.0.0:8080"], "--http 0.0.0.0:8080 is not a loopback address: set --certificate"),
        (["--http", "0.0.0.0:8443", "--certificate", "c", "--key", "k"], "--issuer must name the server"),
        (["--coap", "0.0.0.0:5683"], "say in --advertise which one devices are told"),
        (["--coap", "[::]:5683", "--advertise", "[::]:5683"], "say in --advertise"),
        (["--certificate", "a.crt"], "go together"),
        (["--admin", ""], "A user's name has"),
        (["--admin", "adm\x1b[2Jin"], "A user's name has"),
    ],
)
def test_init_with_what_cannot_be_makes_nothing(tmp_path, argv, says):
    state = tmp_path / "state"
    done = holdfast("init", "--state", state, *argv)
    assert done.returncode == 2
    assert says in done.stderr
    assert not state.exists()


# --- what goes wrong ---


def test_a_directory_without_a_server_says_what_to_run(tmp_path):
    for command in (["check"], ["serve"], ["client", "list"], RS, ["audit"], ["key", "rotate"]):
        done = holdfast(*command, "--state", tmp_path / "nowhere")
        assert done.returncode == 2
        assert "run `holdfast server init --state" in done.stderr
    assert not (tmp_path / "nowhere").exists()


def test_without_its_database_nothing_starts_and_none_is_made(state, run):
    (state / "holdfast.db").unlink()
    for command in ("check", "serve"):
        assert "bring a backup back with `holdfast server restore FILE --force" in run(command, code=2).stderr
    assert not (state / "holdfast.db").exists()


def test_what_is_no_database_is_one_sentence(state, run):
    (state / "holdfast.db").write_bytes(b"this is no database, but long enough to look like one" * 50)
    assert "The database cannot be used: file is not a database;" in run("check", code=2).stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("issuer = ", "is not TOML"),
        ("a = " + "9" * 5000, "a number that is too long"),
        ("", "issuer is missing"),
        ('issuer = "https://a"\ntypo = 1', "typo is not a key"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_one_sentence(state, run, text, says):
    (state / "server.toml").write_text(text)
    done = run("check", code=2)
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_file_where_a_directory_should_be_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "state"):
        done = holdfast("init", "--state", path)
        assert done.returncode == 2
        assert "Error: " in done.stderr


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([*CLIENT, "--allow", "ekg"], "--allow must look like"),
        ([*CLIENT, "--allow", "=read"], "--allow must look like"),
        ([*CLIENT, "--allow", "ekg=a,,b"], "--allow must look like"),
        (["rs", "add", "x", "--scope", "read"], "--scope must look like"),
        (["rs", "add", "x", "--scope", "read=GET:ekg"], "--scope must look like"),
        (["rs", "add", "x", "--scope", "read=LOOK:/ekg"], "--scope must look like"),
        (
            ["rs", "add", "x", "--scope", "read=GET:/ekg", "--lifetime", "0"],
            "--lifetime must be 1 to 316224000 seconds",
        ),
        (["rs", "add", "x", "--scope", "a b=GET:/ekg"], "scope map has a bad name"),
        ([*RS, "--exi", "60"], "reference tokens have no exi"),
        ([*RS, "--client", "nobody"], "There is no client nobody"),
        ([*RS, "--audience", "holdfast:server"], "this server's own audience"),
        (["client", "add", "x", "--grant", "authorization_code", "--redirect-uri", "/cb"], "redirect_uri is not"),
        (["client", "add", "", "--grant", "authorization_code"], "client_id is empty."),
        (["client", "add", "x", "--grant", "authorization_code"], "wants --redirect-uri"),
        (["user", "add", "", "--generate"], "printable characters"),
        (["user", "add", "a\tb", "--generate"], "printable characters"),
        (["client", "show", "nobody"], "There is no client nobody"),
        (["client", "remove", "nobody"], "There is no client nobody"),
        (["client", "disable", "nobody"], "There is no client nobody"),
        (["client", "new-secret", "nobody"], "There is no client nobody: `holdfast server client list` names them."),
        (["rs", "show", "nobody"], "There is no resource server nobody"),
        (["rs", "remove", "nobody"], "There is no resource server nobody"),
        (
            ["rs", "export", "nobody", "--out", "never"],
            "There is no resource server nobody: `holdfast server rs list` names them.",
        ),
        (["user", "show", "nobody"], "There is no user nobody"),
        (["user", "remove", "nobody"], "There is no user nobody"),
        (["user", "password", "nobody", "--generate"], "There is no user nobody"),
        (
            ["key", "rotate", "--rs", "nobody"],
            "There is no resource server nobody: `holdfast server rs list` names them.",
        ),
        (["token", "revoke", "99"], "There is no live token 99"),
    ],
)
def test_a_likely_mistake_is_one_sentence_and_changes_nothing(state, run, argv, says):
    before = run("audit", "--json").stdout
    done = run(*argv, code=2)
    assert says in done.stderr
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert run("audit", "--json").stdout == before


def test_a_misspelt_allowance_is_said(run):
    note = run(*CLIENT, "--allow", "ekg=read_ekg").stderr
    assert "Note: no resource server answers to ekg yet.\n" in note
    run(*RS)
    doctor = ["user", "add", "doctor", "--generate", "--json"]
    done = run(*doctor, "--allow", "ekg=read_ekg,reed_ekg")
    assert done.stderr == "Note: ekg has no scope reed_ekg; it has read_ekg.\n"
    assert tell(done)["user_id"] == "doctor"
    assert run("user", "add", "nurse", "--generate", "--json", "--admin", "--allow", "ekg=read_ekg").stderr == ""


def test_a_file_that_cannot_be_written_is_named(tmp_path, run):
    run(*RS)
    done = run("rs", "export", "ekg", "--out", tmp_path / "none" / "ekg.prov", code=2)
    assert done.stderr == f"Error: {tmp_path / 'none' / 'ekg.prov'} cannot be written: No such file or directory.\n"
    assert "is a directory" in run("rs", "export", "ekg", "--out", tmp_path, "--force", code=2).stderr


def test_a_table_wider_than_the_terminal_is_a_block_for_each_record():
    records = [{"rs_id": "ekg", "format": "reference"}, {"rs_id": "tube", "format": None}]
    flat = ["rs_id  format", "ekg    reference", "tube   -"]
    assert list(table(records, None)) == list(table(records, 16)) == flat
    blocks = ["rs_id   ekg", "format  reference", "", "rs_id   tube", "format  -", ""]
    assert list(table(records, 15)) == blocks


def test_what_exists_already_is_not_replaced(run):
    run(*RS)
    run(*CLIENT, "--allow", "ekg=read_ekg")
    run("user", "add", "doctor", "--generate")
    for argv in (RS, CLIENT, ["user", "add", "doctor", "--generate"]):
        done = run(*argv, code=2)
        assert "already" in done.stderr or "exists" in done.stderr


# --- the cycle of each ---


def test_a_client_from_its_secret_to_its_end(run):
    run(*RS)
    secret = tell(run(*CLIENT, "--allow", "ekg=read_ekg", "--json"))["secret"]
    assert len(secret) == 43
    shown = tell(run("client", "show", "app", "--json"))
    assert shown == {
        "client_id": "app",
        "title": "",
        "grants": ["authorization_code"],
        "allowed": {"ekg": ["read_ekg"]},
        "redirect_uris": ["https://app.example/cb"],
        "secret": True,
        "public": False,
        "public_keys": 0,
        "narrow_scope": False,
        "lenient": False,
        "token_type": True,
        "hub": False,
        "disabled": False,
    }
    assert tell(run("client", "list", "--json")) == [shown]
    run("client", "disable", "app")
    assert tell(run("client", "show", "app", "--json"))["disabled"] is True
    run("client", "enable", "app")
    new = tell(run("client", "new-secret", "app", "--json"))["secret"]
    assert new != secret
    everything = "".join(run(*command).stdout for command in (["client", "list"], ["client", "show", "app"], ["audit"]))
    assert secret not in everything
    assert new not in everything
    run("client", "remove", "app", "--yes")
    assert run("client", "list").stdout == "No clients yet.\n"


def test_a_client_for_coap_gets_a_private_file_or_is_not_registered(tmp_path, run):
    out = tmp_path / "app.prov"
    done = run("client", "add", "meter", "--grant", "client_credentials", "--no-secret", "--oscore", out)
    assert "secret     -" in done.stdout
    assert mode_of(out) == 0o600
    made = decode_provisioning(out.read_bytes())
    assert made.client_id == "meter"
    assert made.as_context.master_secret.reveal().hex() not in done.stdout + done.stderr
    assert "meter has an OSCORE context already" in run(*RS, "--client", "meter", code=2).stderr
    assert run("rs", "list").stdout == "No resource servers yet.\n"
    again = run("client", "add", "other", "--grant", "client_credentials", "--oscore", out, code=2)
    assert "exists" in again.stderr
    assert [row["client_id"] for row in tell(run("client", "list", "--json"))] == ["meter"]
    run("client", "add", "third", "--grant", "client_credentials", "--oscore", tmp_path / "no" / "dir", code=2)
    assert "third" not in run("client", "list").stdout


def test_the_last_administrator_does_not_go_unnoticed(run):
    said = "Note: nobody is an administrator now"
    assert said in run("user", "set", "admin", "--no-admin").stderr
    assert run("user", "set", "admin", "--admin").stderr == ""
    assert said in run("user", "disable", "admin").stderr
    run("user", "enable", "admin")
    run("user", "add", "nurse", "--admin", "--generate")
    assert run("user", "remove", "admin", "--yes").stderr == ""
    assert said in run("user", "remove", "nurse", "--yes", "--json").stderr


def test_a_user_from_the_password_to_the_end(run):
    password = tell(run("user", "add", "doctor", "--allow", "ekg=a,b", "--allow", "ekg=c", "--generate", "--json"))
    assert len(password["password"]) == 24
    shown = tell(run("user", "show", "doctor", "--json"))
    assert shown == {"user_id": "doctor", "allowed": {"ekg": ["a", "b", "c"]}, "disabled": False}
    run("user", "disable", "doctor")
    run("user", "enable", "doctor")
    typed = run("user", "password", "doctor", stdin="a long enough password\n")
    assert (typed.stdout, typed.stderr) == ("user_id  doctor\n", "")
    everything = "".join(run(*command).stdout for command in (["user", "list"], ["user", "show", "doctor"], ["audit"]))
    assert password["password"] not in everything
    assert "$argon2" not in everything
    run("user", "remove", "doctor", "--yes")
    assert "doctor" not in run("user", "list").stdout


def test_a_password_comes_from_standard_input_and_is_long_enough(run):
    assert tell(run("user", "add", "nurse", "--json", stdin="twelve chars\n")) == {"user_id": "nurse", "password": None}
    for stdin in ("", "\n", "short\n", "x" * 600 + "\n"):
        assert "A password has 12 to 512 characters" in run("user", "add", "other", code=2, stdin=stdin).stderr


def test_an_administrator_is_a_user_with_the_right(run):
    run("user", "add", "chief", "--admin", "--generate")
    assert tell(run("user", "show", "chief", "--json"))["allowed"] == {"holdfast:server": ["admin"]}


def test_keys_move_along_and_are_never_shown(run):
    run("rs", "add", "tube", "--scope", "read_result=GET:/result")
    before = tell(run("key", "list", "--json"))
    assert sorted((key["role"], key["state"]) for key in before) == [
        ("encrypt", "current"),
        ("encrypt", "next"),
        ("sign", "current"),
        ("sign", "next"),
    ]
    run("key", "rotate")
    run("key", "rotate", "--rs", "tube")
    after = {key["kid"]: key["state"] for key in tell(run("key", "list", "--json"))}
    for key in before:
        assert after[key["kid"]] == {"current": "retired", "next": "current"}[key["state"]]
    assert sorted(after.values()) == ["current"] * 2 + ["next"] * 2 + ["retired"] * 2


def test_a_token_that_nobody_issued_is_not_found(run):
    assert "did not issue that token" in run("token", "introspect", "AAAA", code=1).stderr
    assert "did not issue that token" in run("token", "introspect", "-", code=1, stdin="AAAA\n").stderr
    assert run("token", "list").stdout == "No tokens yet.\n"
    assert "There is no client nobody" in run("token", "list", "--client", "nobody", code=2).stderr


def test_an_audience_belongs_to_one_resource_server(run):
    run(*RS)
    second = run("rs", "add", "spare", "--audience", "ekg", "--scope", "read=GET:/ekg", code=2)
    assert "ekg has the audience ekg already" in second.stderr
    assert "spare" not in run("rs", "list").stdout


def test_after_a_restore_counters_go_on_and_it_is_audited(state, run):
    run(*RS)
    with Store(state) as store:
        before = store.oscore_party(rs_id="ekg").sequence_reserved
    said = run("restored").stdout
    for word in ("revocations", "passwords", "client secrets", "locks", "removals"):
        assert word in said
    with Store(state) as store:
        assert store.oscore_party(rs_id="ekg").sequence_reserved > before + 1_000_000
    assert tell(run("audit", "--json"))[0]["event"] == "restored"


# --- check ---


def test_check_finds_what_is_wrong(state, run):
    findings = {finding["check"]: finding for finding in tell(run("check", "--json"))}
    assert all(finding["ok"] for finding in findings.values())
    with Store(state) as store:
        store._execute("DELETE FROM keys WHERE state = 'next'")
    findings = {finding["check"]: finding for finding in tell(run("check", "--json", code=1))}
    assert findings["signing keys"]["ok"] is False
    assert findings["configuration"]["ok"] is True
