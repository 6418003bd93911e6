"""Whose bounds and sampling hold in `umi eval` and `umi data bootstrap`."""

import json
from dataclasses import asdict, replace

import pytest
from scripted_bundle import scripted_bundle
from typer.testing import CliRunner

from umi_lite.cli.app import app
from umi_lite.data import wild
from umi_lite.data.bfcl import DEFAULT
from umi_lite.errors import UserError
from umi_lite.evals.bounds import bounds_of
from umi_lite.evals.simulated import ANSWERING
from umi_lite.protocol.roles import step_text
from umi_lite.protocol.trajectory import Observation

CALLER, CALL = "Look.\nNext: caller", 'calculator {"expression": "1 + 1"}'
TURNS = [CALLER, CALL, "Done.\nNext: summarizer", "It is 2."]
OWN = bounds_of("toolworld")
SET = {"max_thought_chars": 777, "max_call_tokens": 333}


def first_asked(tmp_path, monkeypatch, *command, **spec):
    """What the planner, the caller and the summarizer were asked for."""
    engine = scripted_bundle(tmp_path / "r" / "bundle", monkeypatch, *TURNS, **spec)
    ended = CliRunner().invoke(app, [*command])
    if ended.exception and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    return [engine.asked[at] for at in (0, 1, -1)], ended


EVAL = ("eval", "toolworld", "-n", "1", "--json")


def test_an_evaluations_own_bounds_hold_where_nothing_else_is_said(tmp_path, monkeypatch):
    (planner, caller, summarizer), ended = first_asked(tmp_path, monkeypatch, *EVAL)
    assert f"{{1,{OWN.max_thought_chars}}}" in planner.grammar
    assert [planner.max_tokens, caller.max_tokens, summarizer.max_tokens] == [
        *(OWN.max_thought_tokens, OWN.max_call_tokens, OWN.max_answer_tokens)
    ]
    assert planner.temperature == 0.0
    assert json.loads(ended.stdout)["stops"] == {"answer": 1}


def test_what_a_bundle_sets_holds_above_them_and_an_option_above_all(tmp_path, monkeypatch):
    spec = {"bounds": SET, "sampling": {"temperature": 0.3, "seed": 4}}
    (planner, caller, summarizer), _ = first_asked(tmp_path, monkeypatch, *EVAL, **spec)
    assert "{1,777}" in planner.grammar
    assert (caller.max_tokens, summarizer.max_tokens) == (333, OWN.max_answer_tokens)
    assert (planner.temperature, planner.seed) == (0.3, 4)
    options = ["--max-call-tokens", "222", "--temperature", "0.5", "--sampling-seed", "6"]
    (planner, caller, _), _ = first_asked(tmp_path, monkeypatch, *EVAL, *options, **spec)
    assert "{1,777}" in planner.grammar and caller.max_tokens == 222
    assert (planner.temperature, planner.seed) == (0.5, 6)


def test_the_seed_of_the_tasks_is_not_the_seed_of_the_sampling(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"changes nothing at temperature 0"):
        first_asked(tmp_path, monkeypatch, *EVAL, "--sampling-seed", "2")
    one, other = (
        first_asked(tmp_path, monkeypatch, *EVAL, "--seed", str(seed))[0][0].ids for seed in (1, 2)
    )
    assert one != other


def test_the_majority_of_several_episodes_is_an_option(tmp_path, monkeypatch):
    path = tmp_path / "test.jsonl"
    path.write_text(json.dumps({"problem": "1+1?", "solution": r"\boxed{2}"}) + "\n")
    command = ["eval", "math", "--path", str(path), "-n", "1", "--majority", "3"]
    turns = [turn for said in ("2", "3", "2") for turn in ("Done.\nNext: summarizer", said)]
    engine = scripted_bundle(tmp_path / "r" / "bundle", monkeypatch, *turns)
    ended = CliRunner().invoke(app, [*command, "--temperature", "0.7", "--json"])
    report = json.loads(ended.stdout)
    assert (report["majority"], report["results"][0]["answer"]) == (3, "2")
    assert len(engine.asked) == 6
    ended = CliRunner().invoke(app, command)
    assert "3 episodes at temperature 0 are all the same" in str(ended.exception)


def test_bootstrapping_holds_to_the_bundles_bounds_and_keeps_those_that_were_asked(
    tmp_path, monkeypatch
):
    given = []

    def bootstrap(*_, **options):
        given.append(options)
        raise UserError("nothing was kept")

    monkeypatch.setattr("umi_lite.evals.measure.bootstrap", bootstrap)
    command = ("data", "bootstrap", "toolworld", "-n", "1", "--out", str(tmp_path / "x.jsonl"))
    for options in ((), ("--max-call-tokens", "222")):
        with pytest.raises(UserError, match="nothing was kept"):
            first_asked(tmp_path, monkeypatch, *command, *options, bounds=SET)
    plain, asked = given
    assert plain["bounds"] == replace(OWN, **SET) and "bounds" not in plain["made_by"]
    assert asked["bounds"] == replace(OWN, **SET | {"max_call_tokens": 222})
    assert asked["made_by"]["bounds"] == asdict(asked["bounds"])


def test_simulated_tools_have_longer_turns(tmp_path, monkeypatch):
    monkeypatch.setattr("umi_lite.evals.simulated.Simulator", lambda *_, **__: FakeSimulator())
    path = tmp_path / "tasks.json"
    task = {"id": "a", "source": "toolalpaca", "instruction": "Hi", "tools": []}
    monkeypatch.setattr("umi_lite.evals.measure.load_tasks", lambda *_, **__: [trajectory(task)])
    command = ("eval", "simulated", "toolalpaca", "--path", str(path), "--out", str(tmp_path))
    endpoint = ("--simulator", "http://localhost:1/v1#m")
    (planner, *_), _ = first_asked(tmp_path, monkeypatch, *command, *endpoint)
    assert planner.max_tokens == ANSWERING.max_thought_tokens


class FakeSimulator:
    failure = None

    def toolbox(self, _):
        from umi_lite.tools.tools import Toolbox

        return Toolbox()


def trajectory(task):
    from umi_lite.protocol.trajectory import Trajectory

    return Trajectory.model_validate(task)


def test_bfcl_scores_its_possible_answers_and_a_bundle(tmp_path, monkeypatch):
    ended = CliRunner().invoke(app, ["eval", "bfcl", "--gold", "-n", "20", "--json"])
    report = json.loads(ended.stdout.splitlines()[-1])
    assert {name: rate["n"] for name, rate in report.items()} == {
        name: 16 if name in ("live_parallel", "live_relevance") else 20 for name in DEFAULT
    }
    assert all(rate["hits"] >= rate["n"] - 1 for rate in report.values())

    turns = ["No tool.\nNext: give_up"] * 6
    command = ["eval", "bfcl", "--category", "irrelevance", "--category", "multiple", "-n", "3"]
    engine = scripted_bundle(tmp_path / "r" / "bundle", monkeypatch, *turns)
    ended = CliRunner().invoke(app, [*command, "--json", "--out", str(tmp_path / "o.jsonl")])
    report = json.loads(ended.stdout.splitlines()[-1])
    measured = report.pop("measured")
    assert (measured["bundle"], measured["source"], measured["n"]) == ("r/bundle", "bfcl", 3)
    assert {name: (r["hits"], r["n"]) for name, r in report.items()} == {
        "multiple": (0, 3), "irrelevance": (3, 3),
    }  # fmt: skip
    assert len(engine.asked) == 6
    ended = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "o.jsonl")])
    assert "3/3" in ended.stdout and len(engine.asked) == 6
    first, *rows = (tmp_path / "o.jsonl").read_text().splitlines()
    assert json.loads(first)["bundle"] == "r/bundle" and len(rows) == 6


def test_wild_reports_as_toolworld_does(tmp_path, monkeypatch):
    task = wild.load("test", 1, seed=4711).trajectories[0]
    said = [step_text(s, task.tools) for s in task.steps if not isinstance(s, Observation)]
    scripted_bundle(tmp_path / "r" / "bundle", monkeypatch, *said)
    command = ["eval", "wild", "--split", "test", "-n", "1", "--seed", "4711", "--json"]
    report = json.loads(CliRunner().invoke(app, command).stdout)
    assert (report["success"]["hits"], report["success"]["n"]) == (1, 1)
    assert report["multi_call"]["n"] == (task.meta["calls"] > 1)
    assert [result["instruction"] for result in report["results"]] == [task.instruction]
