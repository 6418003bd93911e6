"""Which of many tools an episode shows: the best for what the user says, and those searched for.

Where the docs of all tools take more of the context than there is room for, the system message has
the tool `search_tools` alone, so that it stays the same for every question; docs of the best tools
are read with the user's text, and those that a search finds with its result. Prompts stay
append-only, and the trajectory has each `Offer`.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest

from umi_lite.engine.request import ViewLanguage
from umi_lite.errors import UserError
from umi_lite.protocol.roles import SEARCH_TOOL, tool_line
from umi_lite.protocol.trajectory import Call, Observation, Offer, Plan, Tool, Trajectory, User
from umi_lite.tools.search import ToolIndex

# Parts of the context. Docs that together take at most ALL of it are in the system message. Else
# those read with one text of the user take at most CHOSEN, with all texts and searches SHOWN.
ALL, SHOWN, CHOSEN = 3 / 4, 1 / 2, 1 / 4
# More tools than these are not offered at once: a small model confuses them (docs/decisions.md).
AT_ONCE, FOUND = 12, 4


class Offers:
    """The tools that an episode may offer, and what of its context their docs may take.

    Args:
        index: of all tools.
        language: the tokenizer that docs are counted with.
        n_ctx: of the engine, in tokens.
        max_tools: how many are offered with a user's text; 0 for as many as have room.
        usable: returns those of some tools that can be called.
    """

    def __init__(
        self,
        index: ToolIndex,
        language: ViewLanguage,
        n_ctx: int,
        max_tools: int,
        usable: Callable[[Iterable[Tool]], tuple[Tool, ...]],
    ):
        self._index = index
        self._language = language
        self._n_ctx = n_ctx
        self._most = max_tools
        self._usable = usable

    def fit(self, tools: tuple[Tool, ...]) -> bool:
        """True if the docs of all these tools can be in the system message."""
        if self._most:
            return len(tools) <= self._most
        room = int(ALL * self._n_ctx)
        return all((room := room - self._tokens(tool)) >= 0 for tool in tools)

    def begin(self, trajectory: Trajectory, named: Iterable[str] = ()) -> Trajectory:
        """Return the trajectory with the tools to show: all, or those that fit its texts best.

        Args:
            named: tools that are shown whatever the texts say.

        Raises:
            UserError: a tool has the name of the search.
        """
        steps = trajectory.steps
        if trajectory.tools == (SEARCH_TOOL,):
            # What was shown before the last text stays.
            kept = steps[:-1] if steps and isinstance(steps[-1], User) else steps
            trajectory = trajectory.model_copy(update={"steps": kept})
        elif self.fit(trajectory.tools):
            return trajectory
        else:
            kept = ()
            trajectory = trajectory.model_copy(update={"tools": (SEARCH_TOOL,), "steps": ()})
        if any(tool.name == SEARCH_TOOL.name for tool in self._index.tools):
            raise UserError(
                f"tool {SEARCH_TOOL.name}: the search over tools has that name; rename it, or "
                f"raise --max-tools to show all {len(self._index.tools)}"
            )
        if not kept:
            trajectory = self._chosen(trajectory, trajectory.instruction, named)
        for step, after in zip_longest(steps[len(kept) :], steps[len(kept) + 1 :]):
            if isinstance(step, User):
                trajectory = self._chosen(trajectory, step.text)
            elif isinstance(step, Plan) and isinstance(after, Call):
                trajectory = self._chosen(trajectory, "", (after.tool,))
            trajectory = trajectory.with_step(step)
        return trajectory

    def _chosen(self, trajectory: Trajectory, text: str, named: Iterable[str] = ()) -> Trajectory:
        """Return the trajectory with the tools offered that a text and these names ask for."""
        room = self._left(trajectory)
        if not self._most:
            room = min(room, int(CHOSEN * self._n_ctx))
        shown = {tool.name for tool in trajectory.offered}
        wanted = set(named) - shown
        tools = tuple(tool for tool in self._index.tools if tool.name in wanted)
        best = self._new(trajectory, text, self._most or AT_ONCE, room)
        tools += tuple(tool for tool in best if tool.name not in wanted)
        return trajectory.with_step(Offer(tools=tools)) if tools else trajectory

    def search(self, call: Call, trajectory: Trajectory) -> tuple[Observation, Offer | None]:
        """Return the result of a search, and the tools that it makes callable."""
        need = str(call.arguments.get("need", ""))
        most = min(FOUND, self._most or FOUND)
        if tools := self._new(trajectory, need, most, self._left(trajectory)):
            names = ", ".join(tool.name for tool in tools)
            return Observation(content=f"found {names}"), Offer(tools=tools)
        found = self._index.matching(need, FOUND)
        shown = {tool.name for tool in trajectory.offered}
        if names := ", ".join(tool.name for tool in found if tool.name in shown):
            return Observation(content=f"no other tool than {names}"), None
        why = "no room for the docs of more tools" if found else "no tool has these words"
        return Observation(content=why, error=True), None

    def _new(self, trajectory: Trajectory, need: str, most: int, room: int) -> tuple[Tool, ...]:
        shown = {tool.name for tool in trajectory.offered}
        found = self._index.matching(need, most + len(shown))
        new = [tool for tool in found if tool.name not in shown]
        return tuple(self._within(self._usable(new[:most]), room))

    def _left(self, trajectory: Trajectory) -> int:
        """Return the tokens that docs may still take."""
        return int(SHOWN * self._n_ctx) - sum(map(self._tokens, trajectory.offered))

    def _within(self, tools: Iterable[Tool], room: int) -> Iterator[Tool]:
        """Yield the tools whose docs fit, together, into `room` tokens."""
        for tool in tools:
            tokens = self._tokens(tool)
            if tokens <= room:
                room -= tokens
                yield tool

    def _tokens(self, tool: Tool) -> int:
        return len(self._language.encode(f"{tool_line(tool)}\n", special=False))
