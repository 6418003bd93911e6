"""A tool whose schema cannot be used takes nothing from the others."""

import pytest
from scripted import Scripted

from umi_lite.agent.episode import Episode
from umi_lite.engine.language import callable_tools
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Tool, Trajectory

GOOD = Tool(name="now")


def bad(**argument) -> Tool:
    parameters = {"type": "object", "properties": {"a": argument}, "required": ["a"]}
    return Tool(name="odd", parameters=parameters)


@pytest.mark.parametrize(
    ("tool", "why"),
    [
        (bad(type="string", minLength=5, maxLength=3), "tool odd: its schema cannot be used:"),
        (bad(type="string", pattern="("), "tool odd, a: the pattern '(' is not a regular"),
        (Tool(name="odd", parameters={"type": "array"}), "tool odd: parameters are of type object"),
        (Tool(name="odd one"), "tool 'odd one': a name has no spaces"),
    ],
)  # fmt: skip
def test_a_bad_tool_is_named_and_the_others_stay(tool: Tool, why: str) -> None:
    kept, refused = callable_tools([tool, GOOD])
    assert kept == (GOOD,)
    ((name, said),) = refused.items()
    assert name == tool.name and said.startswith(why)
    assert "\n" not in said and len(said) < 200 and "start:" not in said


def test_an_episode_leaves_it_out_and_says_so() -> None:
    task = Trajectory(id="t", source="s", tools=(bad(pattern="("), GOOD), instruction="Do it.")
    engine = Scripted()
    with pytest.warns(UserWarning, match=r"tool odd, a: the pattern .* it is left out"):
        episode = Episode(task, engine)
    assert episode.trajectory.tools == (GOOD,)
    alone = task.model_copy(update={"tools": (bad(pattern="("),)})
    with pytest.raises(UserError, match="tool odd, a: the pattern"):
        Episode(alone, engine)
