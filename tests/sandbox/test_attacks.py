"""Every attack, at every level, never as root and only after confinement was checked."""

import os

import pytest
from typer.testing import CliRunner

from umi_lite.cli.app import app
from umi_lite.errors import UserError
from umi_lite.sandbox.attacks import report
from umi_lite.sandbox.attacks.report import outcomes
from umi_lite.sandbox.attacks.suite import FAMILIES, Outcome, run_suite

ATTACKS = [(family, attack) for family, attacks in FAMILIES.items() for attack in attacks]


@pytest.fixture(scope="module")
def outcome_of(level):
    return {(o.family, o.attack): o for o in outcomes(level)}


@pytest.mark.parametrize(
    ("family", "attack"), ATTACKS, ids=[f"{family}: {attack.name}" for family, attack in ATTACKS]
)
def test_an_attack_is_held(outcome_of, level, family, attack):
    if attack.machine is not None and (family, attack.name) not in outcome_of:
        pytest.skip(f"for {attack.machine}")
    outcome = outcome_of[family, attack.name]
    # What a level does not promise must be seen to get through, else the promise is too small.
    expected = "known" if level in attack.known else "held"
    assert outcome.verdict == expected, outcome


def test_there_are_enough_and_no_two_have_a_name():
    names = [(family, attack.name) for family, attack in ATTACKS]
    assert len(set(names)) == len(names) >= 80
    assert len(FAMILIES) == 9


def test_nothing_but_metadata_is_known_to_get_through():
    known = [attack for _, attack in ATTACKS if attack.known]
    assert all(attack.known == ("standard",) for attack in known)
    assert {attack.name for attack in known} == {
        "read a file's metadata",
        "ask whether a file is there",
        "read where a link points",
    }


@pytest.mark.parametrize(
    ("verdict", "code"), [("held", 0), ("known", 0), ("through", 1), ("unclear", 1)]
)
def test_an_unclear_outcome_counts_as_failed(monkeypatch, verdict, code):
    seen = [Outcome("files", "read a file", verdict, "why")]
    monkeypatch.setattr(report, "outcomes", lambda level: iter(seen))
    assert CliRunner().invoke(app, ["sandbox", "test", "--level", "full"]).exit_code == code


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be refused")
def test_root_is_refused():
    with pytest.raises(UserError, match="never run as root"):
        run_suite("full")
