"""Bootstrapping: what is kept, what counts as a duplicate, and that a kill loses nothing."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from scripted import Scripted
from tiny_lora import write_adapter
from typer.testing import CliRunner

from umi_lite.bundle.bundle import write_bundle
from umi_lite.cli.app import app
from umi_lite.data import traces
from umi_lite.data.toolworld import GIVE_UP, load
from umi_lite.errors import UserError
from umi_lite.evals.bootstrap import BootstrapConfig, Summary, actions, bootstrap
from umi_lite.evals.journal import Journal
from umi_lite.protocol.prompts import render
from umi_lite.protocol.roles import step_text
from umi_lite.protocol.trajectory import ROLES, Answer, Observation, Plan, Trajectory

MADE_BY = {"bundle": "r/bundle", "sha256": "0" * 64}


def tasks(count: int) -> list[Trajectory]:
    """Tasks of one call, with tools that all differ in order: asked one after the other."""
    made = load("train", 200, seed=5).trajectories
    return [t for t in made if t.meta["calls"] == 1 and t.gold != GIVE_UP][:count]


def gold(task: Trajectory) -> list[str]:
    return [step_text(s, task.tools) for s in task.steps if not isinstance(s, Observation)]


def reworded(task: Trajectory) -> list[str]:
    first = task.steps[0]
    assert isinstance(first, Plan)
    other = first.model_copy(update={"thought": "In other words."})
    return [step_text(other, task.tools), *gold(task)[1:]]


def twice(task: Trajectory) -> list[str]:
    """Right, by a longer way: calls what it needs not, is refused, and goes on."""
    return ["First a look.\nNext: caller", "no_such_tool {}", *gold(task)]


WRONG = ["No idea.\nNext: give_up"]


def run(
    out: Path, asked: Sequence[Trajectory], turns: Sequence, **config
) -> tuple[Summary, Scripted]:
    engine = Scripted(*turns)
    return bootstrap(engine, asked, out, BootstrapConfig(**config), made_by=MADE_BY), engine


def kept(out: Path) -> list[Trajectory]:
    loaded = traces.load(out)
    assert not loaded.dropped
    return loaded.trajectories


def test_what_ended_right_is_kept_once_a_kind(tmp_path: Path) -> None:
    (task,) = tasks(1)
    out = tmp_path / "mine.jsonl"
    turns = [*WRONG, *gold(task), *reworded(task), *twice(task), *gold(task)]
    summary, engine = run(out, [task], turns, tries=5, keep=3)
    assert not engine.turns
    counts = (summary.questions, summary.solved, summary.tries, summary.right)
    assert counts == (1, 1, 5, 4) and (summary.duplicates, summary.kept) == (2, 2)
    made = kept(out)
    assert [t.id for t in made] == [f"{task.id}-try1", f"{task.id}-try3"]
    assert [t.gold for t in made] == [task.gold] * 2
    how = made[1].meta["bootstrap"]
    assert (how["bundle"], how["try"], how["task"]) == ("r/bundle", 3, task.id)
    assert made[1].meta["family"] == task.meta["family"]
    # An error in the middle is part of what is learned from.
    assert [s.error for s in made[1].steps if isinstance(s, Observation)] == [True, False]
    # All of a role's turns can be trained on.
    for view in ROLES:
        sample = render(made[1], view, engine.template, engine)
        assert sample is not None and sum(sample.mask) > 0


def test_greedy_first_then_sampled_each_with_a_seed_of_its_own(tmp_path: Path) -> None:
    (task,) = tasks(1)
    turns = [*WRONG, *WRONG, *gold(task)]
    _, engine = run(tmp_path / "a.jsonl", [task], turns, tries=3, keep=1, seed=7)
    asked = [(r.temperature, r.seed) for r in engine.asked]
    assert asked[0][0] == 0.0 and {t for t, _ in asked[1:]} == {0.7}
    assert len({seed for _, seed in asked}) == len(asked)


def test_a_question_with_enough_is_tried_no_more(tmp_path: Path) -> None:
    one, two = tasks(2)
    out = tmp_path / "mine.jsonl"
    ordered = sorted([one, two], key=lambda t: [tool.name for tool in t.tools])
    turns = [*gold(ordered[0]), *WRONG, *gold(ordered[1])]
    summary, engine = run(out, ordered, turns, tries=9, keep=1)
    assert (summary.tries, summary.kept, len(engine.turns)) == (3, 2, 0)
    assert [t.id[-4:] for t in kept(out)] == ["try0", "try1"]


def test_what_a_limit_ended_is_not_kept(tmp_path: Path) -> None:
    (task,) = tasks(1)
    cut = [*gold(task)[:-1], f"{task.gold} and then …"]
    call = gold(task)[:2]
    stuck = [*call, *call, *gold(task)]
    summary, _ = run(tmp_path / "a.jsonl", [task], [*cut, *stuck[:4], *gold(task)], tries=3)
    assert (summary.right, summary.tries) == (1, 3)
    assert [t.id[-4:] for t in kept(tmp_path / "a.jsonl")] == ["try2"]


def test_a_kill_loses_nothing_and_changes_nothing(tmp_path: Path) -> None:
    (task,) = tasks(1)
    whole, out = tmp_path / "whole.jsonl", tmp_path / "killed.jsonl"
    turns = [*gold(task), *WRONG, *twice(task)]
    run(whole, [task], turns, tries=3, keep=2)
    with pytest.raises(KeyboardInterrupt):
        run(out, [task], [*turns[:5], KeyboardInterrupt()], tries=3, keep=2)
    part = tmp_path / "killed.jsonl.part"
    assert not out.exists()
    assert kept(tmp_path) == kept(whole), "the .part file is not a source"
    assert len(part.read_text().splitlines()) == 3  # the settings, and two tries that ended
    with part.open("a") as file:
        file.write('{"task": "half a l')
    _, engine = run(out, [task], twice(task), tries=3, keep=2)
    assert len(engine.asked) == len(twice(task))
    assert out.read_bytes() == whole.read_bytes()
    assert not part.exists()


def test_more_tries_go_on_where_nothing_was_kept(tmp_path: Path) -> None:
    (task,) = tasks(1)
    out = tmp_path / "mine.jsonl"
    with pytest.raises(UserError, match=r"nothing was kept.*0 of 1 questions.*mine.jsonl.part"):
        run(out, [task], WRONG * 2, tries=2)
    assert not out.exists()
    summary, engine = run(out, [task], gold(task), tries=3)
    assert (summary.tries, summary.kept, len(engine.turns)) == (3, 1, 0)


def test_other_settings_do_not_go_on(tmp_path: Path) -> None:
    (task,) = tasks(1)
    with pytest.raises(UserError, match="nothing"):
        run(tmp_path / "a.jsonl", [task], WRONG, tries=1, seed=1)
    with pytest.raises(UserError, match="other settings"):
        run(tmp_path / "a.jsonl", [task], [], tries=2, seed=2)


def test_what_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    (task,) = tasks(1)
    for split in ("test", "ood"):
        held_out = load(split, 1).trajectories
        with pytest.raises(UserError, match="held out"):
            run(out, held_out, [])
    with pytest.raises(UserError, match="no gold"):
        run(out, [task.model_copy(update={"gold": None})], [])
    with pytest.raises(UserError, match="two questions"):
        run(out, [task, task], [])
    with pytest.raises(UserError, match="no question"):
        run(out, [], [])
    with pytest.raises(UserError, match="all attempts the same"):
        BootstrapConfig(temperature=0)
    out.write_text("")
    with pytest.raises(UserError, match="exists already"):
        run(out, [task], [])
    assert not out.with_name("a.jsonl.part").exists()


def test_actions_are_decisions_and_calls(tmp_path: Path) -> None:
    (task,) = tasks(1)
    said = task.model_copy(update={"steps": (*task.steps[:-1], Answer(text="Otherwise told."))})
    assert actions(said) == actions(task)
    quit_ = task.model_copy(update={"steps": (*task.steps[:-2], Plan(thought="", next="give_up"))})
    assert actions(quit_) != actions(task)


def test_a_broken_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_text('{"a": 1}\nnonsense\n')
    with pytest.raises(UserError, match=r"j:2: not a JSON object"):
        Journal(path)


def test_the_command_runs_a_bundle(base_gguf: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("UMI_LITE_CACHE", str(tmp_path / "cache"))
    adapters = {
        view: write_adapter(tmp_path / f"{view}-lora.gguf", seed=i) for i, view in enumerate(ROLES)
    }
    bundle = write_bundle(tmp_path / "b", base_gguf=base_gguf, adapters=adapters, tools="toolworld")
    out = tmp_path / "mine.jsonl"
    command = ["data", "bootstrap", "toolworld", "--out", str(out), "-b", str(bundle.path)]
    command += ["-n", "2", "--tries", "2", "--slots", "2", "--n-ctx", "900", "--json"]
    ended = CliRunner().invoke(app, command)
    part = tmp_path / "mine.jsonl.part"
    if ended.exit_code == 0:
        assert len(kept(out)) == json.loads(ended.output.splitlines()[-1])["kept"] > 0
    else:
        # Adapters of noise solve nothing: all tries were made, and that is what is told.
        assert "nothing was kept" in str(ended.exception)
        rows = [json.loads(line) for line in part.read_text().splitlines()]
        assert len(rows) == 5 and all(row["why"] for row in rows[1:])
    ended = CliRunner().invoke(app, [*command, "--split", "ood"])
    assert isinstance(ended.exception, UserError) and "held out" in str(ended.exception)
