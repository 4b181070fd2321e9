"""Which way of bringing tokens suits a deployment: by the octets that are measured, and by what is possible at all."""

import json
import sys

import pytest

from holdfast_core.kinds import CWT_ENCRYPTED, CWT_MAC, CWT_NESTED, CWT_SIGNED, REFERENCE
from holdfast_hub.cli import advise
from holdfast_hub.cli.advise import BY_VALUE, INTROSPECTION, Deployment, advice_for
from holdfast_hub.records import PHANTOM, SPLIT
from testkit.hub import holdfast_hub
from testkit.native_build import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import hub_tokens

LINKS = "[links.ble]\ncost = 4\n[links.wifi]\ncost = 0\n"
WARD = '[deployments.ward]\nclient_link = "ble"\ndevice_link = "wifi"\nposts_per_day = 10\ntoken_life_s = 3600\n'


@pytest.fixture
def asked(tmp_path):
    """Ask about a file with this text."""

    def ask(text, *argv):
        (tmp_path / "topology.toml").write_text(text)
        return holdfast_hub("advise", tmp_path / "topology.toml", *argv)

    return ask


def deployment(**values):
    return Deployment(**{"client_cost": 4, "device_cost": 1, "posts_per_day": 10, "token_life_s": 3600, **values})


@pytest.mark.parametrize(
    ("values", "way"),
    [
        ({}, PHANTOM),
        ({"hub_is_guarded": False}, SPLIT),
        ({"format": CWT_MAC}, SPLIT),
        ({"format": CWT_SIGNED}, SPLIT),
        ({"hub_reaches_server": False}, BY_VALUE),
        ({"client_cost": 0}, BY_VALUE),  # nothing is saved
        ({"client_cost": 0, "revoke_within_s": 60}, PHANTOM),
        ({"revoke_within_s": 60, "hub_is_guarded": False}, PHANTOM),
        ({"device_reaches_server": True, "device_cost": 0}, INTROSPECTION),
        ({"device_reaches_server": True, "device_cost": 1, "session_minutes": 60}, PHANTOM),
        ({"device_reaches_server": True, "hub_reaches_server": False, "revoke_within_s": 60}, INTROSPECTION),
        ({"hub_reaches_server": False, "revoke_within_s": 60}, BY_VALUE),
        ({"revoke_within_s": 7200, "client_cost": 0}, BY_VALUE),  # tokens end sooner
        ({"posts_per_day": 0}, BY_VALUE),
    ],
)
def test_which_way_suits(values, way):
    advice = advice_for(deployment(**values))
    assert advice.way == way
    assert len(advice.why) >= 2
    assert all(sentence.endswith(".") for sentence in advice.why)


def test_what_cannot_be_had_is_said(asked):
    text = LINKS + WARD + "revoke_within_s = 60\nhub_reaches_server = false\n"
    done = asked(text)
    assert "Nothing does all that is wanted" in done.stdout
    assert "Let tokens live 60 s" in done.stdout


def test_sentences_for_people_and_words_for_programs(asked):
    done = asked(LINKS + WARD)
    assert done.stdout.startswith("ward: phantom (--sealed-format cwt-nested --lifetime 3600 --hub-lifetime 600).\n")
    (row,) = json.loads(asked(LINKS + WARD, "--json").stdout)
    assert row == {
        "deployment": "ward",
        "way": PHANTOM,
        "settings": ["--sealed-format", CWT_NESTED, "--lifetime", "3600", "--hub-lifetime", "600"],
        "costs": {BY_VALUE: 12120.0, PHANTOM: 3640.0, SPLIT: 3640.0},
        "excluded": {INTROSPECTION: advise.NO_SERVER},
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "There is no"),
        ("[", "is not TOML"),
        ("", "no deployment"),
        (LINKS, "no deployment"),
        ("links = 3\n", "sections"),
        ("[link.x]\n", "no section"),
        ("[links.x]\n", "cost"),
        ("[links.x]\ncost = -1\n", "cost"),
        ("[links.x]\ncost = nan\n", "cost"),
        ("[links.x]\ncost = 1\nprice = 2\n", "no key"),
        ('[links."a b"]\ncost = 1\n', "letters"),
        ("[deployments]\nx = 1\n", "sections"),
        (LINKS + WARD.replace('"wifi"', '"lora"'), "device_link"),
        (LINKS + WARD.replace("posts_per_day = 10\n", ""), "posts_per_day is missing"),
        (LINKS + WARD.replace("= 3600", "= 0"), "token_life_s"),
        (LINKS + WARD.replace("= 3600", "= 1.5"), "whole number"),
        (LINKS + WARD + "revoke_within_s = true\n", "revoke_within_s"),
        (LINKS + WARD + "hub_reaches_server = 1\n", "true or false"),
        (LINKS + WARD + 'format = "reference"\n', "format"),
        (LINKS + WARD + "format = [1]\n", "format"),
        (LINKS + WARD + "client_cost = 1\n", "no key"),
    ],
)
def test_a_file_that_cannot_be_is_said_in_one_sentence(asked, tmp_path, text, words):
    done = holdfast_hub("advise", tmp_path / "none.toml") if text is None else asked(text)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


# --- the octets ---


@pytest.fixture(scope="module")
def measured():
    ways = [(BY_VALUE, CWT_NESTED), (PHANTOM, CWT_ENCRYPTED), (SPLIT, CWT_MAC), (INTROSPECTION, REFERENCE)]
    return {way: hub_tokens.octets_of(*way) for way in ways}


def test_the_octets_are_those_that_are_measured(measured):
    def near(octets, known):
        return abs(octets - known) <= 8

    whole, phantom = measured[BY_VALUE, CWT_NESTED]["first"], measured[PHANTOM, CWT_ENCRYPTED]["first"]
    split, asks = measured[SPLIT, CWT_MAC]["first"], measured[INTROSPECTION, REFERENCE]["first"]
    assert near(whole["hub to device"], advise.WHOLE_POST_LEN[CWT_NESTED])
    assert near(phantom["hub to device"], advise.WHOLE_POST_LEN[CWT_ENCRYPTED])
    assert near(split["hub to device"], advise.WHOLE_POST_LEN[CWT_MAC])
    assert near(phantom["client to hub"], advise.SHORT_POST_LEN[CWT_ENCRYPTED])
    assert near(split["client to hub"], advise.SHORT_POST_LEN[CWT_MAC])
    assert near(whole["device to hub"], advise.ANSWER_LEN)
    assert near(asks["device and AS"] + asks["device to hub"] - advise.ANSWER_LEN, advise.INTROSPECTION_LEN - 31)


def test_the_saving_is_between_client_and_hub_alone(measured):
    whole, phantom = measured[BY_VALUE, CWT_NESTED], measured[PHANTOM, CWT_ENCRYPTED]
    assert phantom["carried"] == 16
    assert phantom["first"]["client to hub"] < whole["first"]["client to hub"] / 3
    assert phantom["first"]["device and AS"] == 0
    assert phantom["again"]["hub and AS"] == 0 < phantom["first"]["hub and AS"]
