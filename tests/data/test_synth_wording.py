"""Requests for tools without a wording: by the words of their names and of their descriptions."""

import random
from typing import Any

import pytest

from umi_lite.data.synth.catalog import catalog_of
from umi_lite.data.synth.describe import details, relative_clause
from umi_lite.data.synth.generate import load
from umi_lite.data.synth.generic import by_name, generic, plainer, with_clause
from umi_lite.data.synth.kinds import kind_of
from umi_lite.data.synth.plans import Company
from umi_lite.data.synth.wording import SynthTool
from umi_lite.protocol.trajectory import Call, Plan, Tool

TEXT: dict[str, Any] = {"type": "string"}


def own(name: str, description: str, *arguments: str) -> SynthTool:
    parameters = {
        "type": "object",
        "properties": {name: TEXT for name in arguments},
        "required": list(arguments),
    }
    return SynthTool(Tool(name=name, description=description, parameters=parameters), None, "own")


FILES = (
    own("read_file", "Read the complete contents of a file. DEPRECATED: Use another.", "path"),
    own("create_directory", "Create a new directory or ensure that it exists.", "path"),
    own("list_directory", "Get a detailed listing of all files in a path.", "path"),
    own(
        "list_directory_with_sizes",
        "Get a detailed listing of all files in a path, including sizes.",
        "path",
    ),
    own("move_file", "Move or rename files.", "source", "destination"),
    own("get_file_info", "Retrieve detailed metadata about a file.", "path"),
)


def asked(one: SynthTool, named: bool) -> str:
    tool = one.tool
    wording = by_name(tool.name, tool.description) if named else None
    wording = wording or plainer(generic(tool.name, tool.description))
    facts = tool.parameters["properties"]
    kinds = {name: kind_of(name, facts[name], one.context) for name in facts}
    (clause,) = wording.clauses(kinds, facts, one.verb)
    return clause.text


@pytest.mark.parametrize(
    ("tool", "by_its_name", "by_its_description"),
    [
        (FILES[1], "create the directory {path}", "create a new directory at {path}"),
        (FILES[2], "list the directory {path}", "a listing of all files in {path}"),
        (FILES[3], "list the directory {path} with sizes", "a listing of all files in {path}"),
        (FILES[4], "move the file {source} to {destination}", None),
        (FILES[5], "the file information of {path}", "the metadata about {path}"),
        (
            own("git_diff_staged", "Shows changes that are staged for commit", "repo_path"),
            "the staged git diff of the repository {repo_path}",
            "the changes of the repository {repo_path}",
        ),
        (
            own("git_commit", "Records changes to the repository", "repo_path", "message"),
            "commit in the repository {repo_path} with the message {message}",
            "record changes in the repository {repo_path} with the message {message}",
        ),
        (
            own("git_checkout", "Switches branches", "repo_path", "branch_name"),
            "checkout to the branch {branch_name} in the repository {repo_path}",
            "switch branches to the branch {branch_name} in the repository {repo_path}",
        ),
        (
            own("git_show", "Shows the contents of a commit", "repo_path", "revision"),
            "the contents of {revision} in the repository {repo_path}",
            "the contents of {revision} in the repository {repo_path}",
        ),
        (
            own("get_job_logs", "Get Job Logs", "job_id"),
            "job logs for job {job_id}",
            "job logs for job {job_id}",
        ),
        (own("get_job", "Get job", "job_id"), "the job {job_id}", "the job {job_id}"),
    ],
)
def test_requests_by_name_and_by_description(
    tool: SynthTool, by_its_name: str, by_its_description: str | None
) -> None:
    assert asked(tool, named=True) == by_its_name
    if by_its_description is not None:
        assert asked(tool, named=False) == by_its_description


def test_tools_whose_descriptions_begin_alike_are_asked_for_by_their_names() -> None:
    catalog = catalog_of(FILES, 0, "train")
    alike = {name for name, one in catalog.tools.items() if catalog.alike(one)}
    assert alike == {"list_directory", "list_directory_with_sizes"}
    made = load(FILES, seed=0, count=200).trajectories
    for task in made:
        calls = [step for step in task.steps if isinstance(step, Call)]
        if len(calls) == 1 and calls[0].tool.startswith("list_directory"):
            assert ("sizes" in task.instruction) == calls[0].tool.endswith("sizes")


def test_a_description_that_could_mean_another_tool_as_well_is_not_used_alone() -> None:
    tools = (
        own("read_text_file", "Read the complete contents of a file as text.", "path"),
        own("read_media_file", "Read a file and return it as base64.", "path"),
        own("move_file", "Move or rename files and directories.", "source", "destination"),
    )
    catalog = catalog_of(tools, 0, "train")
    alike = {name for name, one in catalog.tools.items() if catalog.alike(one)}
    assert alike == {"read_media_file"}
    for task in load(tools, seed=0, count=100).trajectories:
        called = {step.tool for step in task.steps if isinstance(step, Call)}
        if len(called) == 1:
            assert ("media" in task.instruction) == (called == {"read_media_file"})


def test_a_request_says_what_the_description_says_of_the_things() -> None:
    staged = "Shows changes that are staged for commit"
    made = with_clause(generic("git_diff_staged", staged), staged)
    assert made is not None and made.thing == "the changes that are staged for commit"
    assert relative_clause("Reads files that match, with a limit") == ""
    assert relative_clause("Lists the files. It has others that are hidden") == ""


def test_a_request_asks_for_details_that_the_description_names() -> None:
    text = "Retrieve detailed metadata about a file. Returns all of it, including {}."
    named = "size, creation time, and type"
    assert details(text.format(named)) == ("size", "creation time", "type")
    assert details(text.format("everything")) == ()
    assert details(text.format("all that one could ever want to know, and type")) == ()
    tool = own("get_file_info", text.format(named), "path")
    made = [task.instruction for task in load([tool, *FILES], seed=0, count=300).trajectories]
    assert any("the creation time of " in one for one in made)
    assert any("the size and type of " in one or "the type and size of " in one for one in made)


def test_a_deprecated_tool_is_offered_and_never_asked_for() -> None:
    company = Company(FILES, [own("buy_stock", "Buy shares of a company.", "ticker")])
    made = load(FILES, seed=0, count=120, company=company)
    assert any("deprecated" in drop.reason for drop in made.dropped)
    for task in made.trajectories:
        assert [tool.name for tool in task.tools] == [one.tool.name for one in FILES]
        assert not any(isinstance(s, Call) and s.tool == "read_file" for s in task.steps)


def test_what_no_tool_does_is_what_a_foreign_tool_does() -> None:
    foreign = [
        own("buy_stock", "Buy shares of a company.", "ticker"),
        own("cancel_flight", "Cancel a flight.", "flight_number"),
        own("get_recipe", "Get the recipe of a dish.", "dish"),
    ]
    made = load(FILES, seed=1, count=200, company=Company(FILES, foreign)).trajectories
    refused = [task for task in made if task.meta["kind"] == "unsupported"]
    assert len(refused) >= 10
    for task in refused:
        (plan,) = task.steps
        assert isinstance(plan, Plan) and plan.next == "give_up"
        assert task.meta["said"][0][0] in {one.tool.name for one in foreign}
    rest = [task for task in made if task.meta["kind"] == "one"]
    assert all(any(isinstance(step, Call) for step in task.steps) for task in rest)


def test_a_text_that_names_something_is_no_number() -> None:
    made = load([own("get_result", "Get a result.", "result_name")], seed=3, count=20).trajectories
    values = [str(s.arguments["result_name"]) for t in made for s in t.steps if isinstance(s, Call)]
    assert values and not any(value.isdigit() for value in values)


def test_revisions_and_kinds_of_branches_are_not_branch_names() -> None:
    listed = {"type": "string", "description": "Whether 'local', 'remote' or 'all' branches"}
    assert kind_of("revision", TEXT) == "revision"
    assert kind_of("branch_type", listed) == "text"
    assert kind_of("target", TEXT, frozenset({"diff"})) == "branch"
    assert kind_of("branch_name", TEXT) == "branch"
    made = load([own("show", "Show a commit.", "revision")], seed=3, count=30).trajectories
    values = {str(s.arguments["revision"]) for t in made for s in t.steps if isinstance(s, Call)}
    assert len(values) > 5
    assert all(v.startswith("HEAD") or len(v) == 7 for v in values), random.sample([*values], 3)


def test_values_are_composed_so_that_few_repeat_and_no_split_shares_one() -> None:
    company = Company(FILES)
    paths: dict[str, list[str]] = {}
    for split in ("train", "test"):
        made = load(FILES, seed=2, count=150, split=split, company=company).trajectories
        calls = [step for task in made for step in task.steps if isinstance(step, Call)]
        paths[split] = [str(path) for call in calls for path in call.arguments.values()]
    folders = {split: {path.split("/")[-1] for path in found} for split, found in paths.items()}
    assert len(folders["train"]) > 0.7 * len(paths["train"])
    assert len(folders["train"] & folders["test"]) < 0.1 * len(folders["test"])
