"""An LLM as judge, against a real server of the interface with scripted words."""

import json
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, chat_server
from datafiles import data_file
from typer.testing import CliRunner

from umi_lite.cli.app import app
from umi_lite.data import traces
from umi_lite.engine.client import Endpoint
from umi_lite.errors import UserError
from umi_lite.evals.judge import Judge, Question
from umi_lite.evals.judge_prompts import (
    read_pass,
    read_toolalpaca,
    read_win,
    solution,
    toolalpaca_prompt,
)
from umi_lite.evals.verdicts import judge_pass, judge_toolalpaca, judge_win, judged
from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan, Tool, Trajectory

GOLDEN = [{"tool": "find", "arguments": {"name": "axolotl"}}]


def episode(id_: str, answer: str | None = "It is {pink}.", golden: Any = GOLDEN) -> Trajectory:
    end = () if answer is None else (Answer(text=answer),)
    steps = (
        Plan(thought="A secret thought.", next="caller"),
        Call(tool="find", arguments={"name": "axolotl"}),
        Observation(content='{"colour": "pink"}'),
        Plan(thought="Done.", next="summarizer" if end else "give_up"),
        *end,
    )
    find = {"type": "object", "properties": {"name": {"type": "string"}}}
    return Trajectory(
        id=id_,
        source="toolalpaca",
        tools=(Tool(name="find", description="Find an animal.", parameters=find),),
        instruction=f"What colour is the axolotl {id_}?",
        steps=steps,
        meta={"golden": golden},
    )


def judge_at(server: ChatServer, **how: Any) -> Judge:
    return Judge(Endpoint(server.url, "judge"), **how)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def results(process: str, response: str) -> str:
    head = f"Fine.\n\n## Results \nProcess Correctness: {process} \n"
    return f"{head}Final Response Correctness: {response}"


@pytest.mark.parametrize(
    ("reply", "read"),
    [
        (results("Yes", "No"), ("yes", "no")),
        (results("Uncertain", "yes."), ("uncertain", "yes")),
        ("**Process Correctness:** **No**\n**Final Response Correctness**: Yes", ("no", "yes")),
        ("Process Correctness: [Yes]\nFinal Response Correctness: [No]", ("yes", "no")),
        ("Process Correctness: one of [Yes, No, Uncertain]", (None, None)),
        ("Process Correctness: Yes, at first.\n" + results("No", "No"), ("no", "no")),
        ("Process Correctness: Nothing is wrong", (None, None)),
        ("Final Response Correctness: Yes", (None, "yes")),
        ("", (None, None)),
    ],
)
def test_toolalpacas_results_are_read(reply, read):
    assert read_toolalpaca(reply) == read


def test_other_verdicts_are_read():
    assert read_pass("It is unsolved? No.\nVerdict: Solved") == "solved"
    assert read_pass("**Verdict:** Unsolved") == "unsolved"
    assert read_pass("Verdict: solvedish, Verdict: one of [Solved") is None
    assert read_win("Better: 1\nNo, wait.\nBetter: **2**") == "2"
    assert read_win("Better: Assistant 1") == "1"
    assert read_win("better: Tie.") == "tie"
    assert read_win("Better: 12") is None


def test_the_replies_that_toolalpaca_published_are_read_as_it_read_them():
    published = json.loads(data_file("toolalpaca/format_example_ToolAlpaca7b.json").read_text())
    statistics = published.pop("statistics")
    counts = {"process": {}, "response": {}, "both": 0}
    for record in (record for api in published.values() for record in api):
        if "process_correctness" not in record:
            continue  # the one that they could not judge
        process, response = read_toolalpaca(record["output"])
        assert process == record["process_correctness"].lower()
        assert response == record["final_response_correctness"].lower()
        for part, vote in (("process", process), ("response", response)):
            counts[part][vote.title()] = counts[part].get(vote.title(), 0) + 1
        counts["both"] += process == response == "yes"
    assert counts == {part: statistics[part] for part in counts}


def test_a_prompt_holds_what_is_judged_and_no_thought():
    asked = toolalpaca_prompt(episode("a"))
    for part in (
        'find: Find an animal.\nParameters: {"name": {"type": "string"}}',
        "## Task Instruction\nWhat colour is the axolotl a?",
        '## Standard Answer\n1. Function: find\nParameters: {"name": "axolotl"}\n',
        'Solution\n1. Function: find\nParameters: {"name": "axolotl"}\n'
        'Returns: {"colour": "pink"}\n2. Final Response: It is {pink}.',
    ):
        assert part in asked
    assert "secret" not in asked
    assert solution(episode("a", None)).endswith(
        "The assistant gave up.\n2. Final Response: (none was given)"
    )
    with pytest.raises(UserError, match="golden"):
        toolalpaca_prompt(episode("a", golden=None))


def test_toolalpaca_counts_and_records(tmp_path, monkeypatch):
    said = {"a": results("Yes", "Yes"), "b": results("Yes", "No"), "c": "No idea."}
    votes = tmp_path / "votes.jsonl"
    monkeypatch.setenv("OPENAI_API_KEY", "sesame")

    def say(body):
        (id_,) = [i for i in said if f"axolotl {i}?" in body["messages"][0]["content"]]
        return said[id_]

    with chat_server(say) as server:
        judge = judge_at(server)
        made = judge_toolalpaca([episode(i) for i in said], lambda q: judge.ask(q, votes))
    assert {part: rate.hits for part, rate in made.rates.items()} == {
        "process": 2, "response": 1, "both": 1,
    }  # fmt: skip
    assert made.rates["both"].n == 3 and 0 < made.rates["both"].low < 1 / 3
    assert (made.votes, made.unreadable) == (3, 1)
    assert made.verdicts["c"] == {"process": "uncertain", "response": "uncertain"}
    assert server.keys == {"Bearer sesame"}
    assert {(b["model"], b["temperature"]) for b in server.asked} == {("judge", 0.0)}
    kept = {row["id"]: row for row in rows(votes)}
    assert {i: row["reply"] for i, row in kept.items()} == said
    assert kept["a"]["prompt"] == toolalpaca_prompt(episode("a"))


def test_a_majority_of_votes(tmp_path):
    replies = ["Verdict: Solved", "Verdict: Unsolved", "Verdict: Solved", "?", "Verdict: Unsure"]

    def say(body):
        return replies[body["seed"]]

    with chat_server(say) as server:
        for votes, verdict in ((1, "solved"), (2, "unsure"), (3, "solved"), (5, "unsure")):
            judge = judge_at(server, votes=votes)
            path = tmp_path / "votes.jsonl"
            made = judge_pass([episode("a")], lambda q, j=judge, p=path: j.ask(q, p))
            assert made.verdicts["a"]["verdict"] == verdict
        # Each vote was asked for once: the file of votes answers for those before.
        assert sorted(body["seed"] for body in server.asked) == [0, 1, 2, 3, 4]
    assert made.unreadable == 1


def test_no_answer_is_unsolved_and_not_asked():
    made = judge_pass([episode("a", None)], lambda questions: {key: [] for key in questions})
    assert made.rates["unsolved"].hits == 1 and made.votes == 0


def test_both_orders_are_asked_so_that_a_place_wins_nothing(tmp_path):
    """One judge prefers what stands first, the other the better answer."""
    mine = [episode("a", "Good."), episode("b", "Bad."), episode("c", None)]
    theirs = [episode("a", "Bad."), episode("b", "Good."), episode("c", "Bad.")]

    def fair(body):
        shown = body["messages"][0]["content"]
        return f"Better: {1 if shown.index('Good.') < shown.index('Bad.') else 2}"

    for name, say, verdicts in (
        ("first", lambda _: "Better: 1", ["tie", "tie", "loss"]),
        ("fair", fair, ["win", "loss", "loss"]),
        ("tie", lambda _: "Better: Tie", ["tie", "tie", "loss"]),
    ):
        votes = tmp_path / f"{name}.jsonl"
        with chat_server(say) as server:
            judge = judge_at(server)
            made = judge_win(mine, theirs, lambda q, j=judge, p=votes: j.ask(q, p))
            assert len(server.asked) == 4
        assert [made.verdicts[i]["verdict"] for i in "abc"] == verdicts
        assert sorted(row["question"] for row in rows(votes)) == ["win"] * 2 + ["win-swapped"] * 2
    with pytest.raises(UserError, match="one of the two files only"):
        judge_win(mine, theirs[:2], lambda q: {})


def test_what_fails_for_a_while_is_asked_again(tmp_path):
    failures = [500, 429]

    def say(_):
        return failures.pop() if failures else "Verdict: Solved"

    with chat_server(say) as server:
        made = judge_at(server).ask([Question("a", "pass", "?")], tmp_path / "v.jsonl")
        assert list(made.values()) == [["Verdict: Solved"]]
        assert len(server.asked) == 3


def test_an_endpoint_that_refuses_is_one_line_and_loses_no_vote(tmp_path):
    votes = tmp_path / "v.jsonl"
    questions = [Question(str(i), "pass", f"{i}?") for i in range(6)]

    def say(body):
        return 400 if body["messages"][0]["content"] == "3?" else "Verdict: Solved"

    with chat_server(say) as server:
        judge = judge_at(server, parallel=1)
        with pytest.raises(UserError, match=r"endpoint .*/v1 \(judge\): .*refused with 400") as err:
            judge.ask(questions, votes)
        assert "\n" not in str(err.value)
        assert [row["id"] for row in rows(votes)] == ["0", "1", "2"]
        server.say = lambda _: "Verdict: Unsolved"
        with votes.open("a") as file:
            file.write('{"key": "ha')
        made = judge.ask(questions, votes)
    verdicts = [made[question][0].split()[-1] for question in questions]
    assert verdicts == ["Solved"] * 3 + ["Unsolved"] * 3
    assert [row["id"] for row in rows(votes)] == list("012345")


def test_no_server_is_one_line(tmp_path):
    judge = Judge(Endpoint("http://127.0.0.1:1/v1", "judge"), retries=0)
    with pytest.raises(UserError, match=r"endpoint http://127.0.0.1:1/v1 \(judge\)"):
        judge.ask([Question("a", "pass", "?")], tmp_path / "v.jsonl")


def test_the_command(tmp_path):
    mine, theirs = tmp_path / "mine.jsonl", tmp_path / "theirs.jsonl"
    traces.save([episode("a"), episode("b", None)], mine)
    traces.save([episode("a", "Bad."), episode("b", None)], theirs)
    with chat_server(lambda _: "Verdict: Solved\nBetter: 1") as server:
        command = ["eval", "judge", "pass", "--traces", str(mine)]
        command += ["--endpoint", f"{server.url}#judge", "--out", str(tmp_path / "v.jsonl")]
        ended = CliRunner().invoke(app, command)
        assert ended.exit_code == 0, ended.output
        assert "50%" in ended.output and "1 votes, 0 of them unreadable" in ended.output
        ended = CliRunner().invoke(app, [*command[:2], "win", *command[3:], "--json"])
        assert isinstance(ended.exception, UserError) and "--against" in str(ended.exception)
        win = [*command[:2], "win", *command[3:], "--against", str(theirs), "--json"]
        ended = CliRunner().invoke(app, win)
        assert json.loads(ended.output)["rates"]["tie"]["hits"] == 2


def test_what_cannot_be_judged(tmp_path):
    judge = Judge(Endpoint("http://127.0.0.1:1/v1", "judge"))
    path = tmp_path / "mine.jsonl"
    traces.save([episode("a"), episode("a")], path)
    with pytest.raises(UserError, match="two episodes"):
        judged("pass", path, None, judge, tmp_path / "v.jsonl")
    with pytest.raises(UserError, match="no judge 'fail'"):
        judged("fail", path, None, judge, tmp_path / "v.jsonl")
    # An episode that crashed at once would raise the rate by being left out.
    traces.save([episode("a").model_copy(update={"steps": ()})], path)
    with pytest.raises(UserError, match="cannot be judged"):
        judged("pass", path, None, judge, tmp_path / "v.jsonl")
