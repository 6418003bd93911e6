"""A chat in the terminal: turns streamed in colour, and commands that begin with `/`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umi_lite.agent.conversation import Conversation
from umi_lite.agent.show import label, show_trace, stream_to
from umi_lite.agent.trace import Trace, check_place, ending, keep
from umi_lite.chat_lines import lines
from umi_lite.errors import UserError
from umi_lite.protocol.roles import SYSTEM
from umi_lite.protocol.trajectory import ROLES, Tool, View
from umi_lite.sandbox.text import visible
from umi_lite.tools.search import index_of

if TYPE_CHECKING:
    from rich.console import Console

    from umi_lite.agent.bounds import Bounds, Sampling
    from umi_lite.bundle.bundle import Bundle
    from umi_lite.engine.placement import Overrides
    from umi_lite.serve.keeper import Keeper
    from umi_lite.serve.store import TraceStore
    from umi_lite.tools.mcp.servers import McpServers

_HELP = {
    "/tools [NEED]": "the tools, or those that fit a need",
    "/trace": "the transcript so far, with its cost",
    "/undo": "take the last turn back",
    "/retry": "run the last turn again, with another seed",
    "/save FILE": "write the trace to a file, as JSON",
    "/system [TEXT]": "a text to read before the next message",
    "/new": "begin again, with an empty transcript",
    "/exit": "end the chat, as Ctrl-D does",
}
_MOST_LISTED = 20


def chat(
    bundle: "Bundle",
    console: "Console",
    *,
    tools: str | None = None,
    mcp: "McpServers | None" = None,
    system: str = "",
    trace_path: Path | None = None,
    store: "TraceStore | None" = None,
    views: Iterable[View] = ROLES,
    bounds: "Bounds | None" = None,
    sampling: "Sampling | None" = None,
    elsewhere: Sequence[str] = (),
    overrides: "Overrides | None" = None,
    timeout: float | None = None,
) -> None:
    """Talk with a bundle's agent until the input ends.

    Args:
        tools: a tool set's name or a .py file; default the bundle's, none with `mcp`.
        mcp: servers whose tools are offered too.
        system: read before the first message.
        trace_path: a file for the trace as JSON, written again after each turn.
        store: keeps the chat as one episode, turn by turn. If that fails, a `Note` is issued.
        views, bounds, sampling, elsewhere, overrides, timeout: see `ask.ask`.

    Raises:
        UserError: unknown tools, or a `trace_path` that cannot be written.
    """
    from umi_lite.bundle.open import open_roles
    from umi_lite.console import dim
    from umi_lite.data.toolsets import open_tools
    from umi_lite.engine.placement import Overrides
    from umi_lite.serve.keeper import Keeper

    if trace_path is not None:
        check_place(trace_path)
    overrides = replace(overrides or Overrides(), episodes=1)
    where: Mapping[str, Any] = {"elsewhere": elsewhere, "overrides": overrides, "timeout": timeout}
    talk: Chat | None = None

    def noted(line: str) -> None:
        (dim(console) if talk is None else talk.note_in_turn)(line)

    with (
        open_tools(tools, bundle.spec.live_tools, mcp, noted) as toolbox,
        open_roles(bundle, views=views, note=dim(console), **where) as engine,
    ):
        agent = bundle.agent(engine, toolbox, bounds=bounds, sampling=sampling)
        keeper = None if store is None else Keeper(store)
        talk = Chat(Conversation(agent, system=system), console, trace_path, keeper)
        talk.run()


@dataclass
class Chat:
    """A conversation on a console; its trace is kept at `path` and by `keeper` after each turn."""

    conversation: Conversation
    console: "Console"
    path: Path | None
    keeper: "Keeper | None"

    def __post_init__(self) -> None:
        self._shown = stream_to(self.console)

    def run(self) -> None:
        """Answer what is typed, or comes from stdin, until it ends.

        Raises:
            KeyboardInterrupt: Ctrl-C where stdin is not a terminal.
        """
        import sys

        typed = sys.stdin.isatty()
        count = len(self.conversation.agent.toolbox)
        self._note(f"{count} {'tool' if count == 1 else 'tools'}; /help lists the commands")
        with lines(self._prompt()) as read:
            while True:
                try:
                    text = read()
                    if text is None or text in ("/exit", "/quit"):
                        break
                    if not typed and text:
                        self._put("user", text)
                    self._answer(text)
                except KeyboardInterrupt:
                    if not typed:
                        raise
                    self.console.print()
                    self._note("stopped; /retry runs it again, Ctrl-D ends the chat")
                except UserError as err:
                    self._note(str(err))
        self._end()

    def _answer(self, text: str) -> None:
        if not text:
            return
        if text.startswith("/") and not text.startswith("//"):
            name, _, rest = text.partition(" ")
            self._command(name, rest.strip())
        else:
            self._turn(lambda: self.conversation.say(text.removeprefix("/"), self._stream()))

    def _command(self, name: str, rest: str) -> None:
        commands: dict[str, Callable[[str], None]] = {
            "/help": self._help, "/tools": self._tools, "/trace": self._trace,
            "/undo": self._undo, "/retry": self._retry, "/save": self._save,
            "/system": self._system, "/new": self._new,
        }  # fmt: skip
        if name not in commands:
            raise UserError(
                f"no command {name}; there are {', '.join([*commands, '/exit'])}; a message "
                "that begins with / is typed with //"
            )
        commands[name](rest)

    def _turn(self, run: Callable[[], Trace | None]) -> None:
        """Run a turn, keep the trace, and print why an answer is missing or what was left out."""
        trace = run()
        if trace is None:
            raise UserError("nothing was said yet")
        self.console.print()
        if why := ending(trace):
            more = ", or begin again with /new" if trace.stop == "context" else ""
            self._note(f"{trace.stop}: {why}{more}")
        if trace.elided:
            self._note(f"the context is full: the first {trace.elided} results are no longer read")
        self._keep()

    def _keep(self) -> None:
        """Write the trace again, or remove that of an empty chat; a failure is a `Note`."""
        whole = self.conversation.trace()
        if whole is None:
            if self.keeper is not None:
                self.keeper.forget(self.conversation.id)
            return
        if self.path is not None:
            keep(whole, self.path)
        if self.keeper is not None:
            self.keeper(whole, False)

    def _help(self, rest: str) -> None:
        for name, what in _HELP.items():
            self._note(f"{name}  {what}")
        self._note("\\ at the end of a line continues it; Ctrl-C stops a turn")

    def _tools(self, need: str) -> None:
        box = self.conversation.agent.toolbox
        found = index_of(box).matching(need, _MOST_LISTED) if need else box.specs
        turns = self.conversation.turns
        shown = turns[-1].trace.trajectory.offered if turns else ()
        names = {tool.name for tool in shown}
        for tool in sorted(found, key=lambda tool: tool.name not in names)[:_MOST_LISTED]:
            mark = "*" if len(box) > len(names) and tool.name in names else " "
            self._note(self._cut(f"{mark} {_line(tool)}"))
        if len(found) > _MOST_LISTED:
            left = len(found) - _MOST_LISTED
            self._note(f"  … and {left} more: /tools NEED searches them, as the planner does")
        if not found:
            self._note("no tool fits" if need else "no tools")

    def _trace(self, rest: str) -> None:
        whole = self.conversation.trace()
        if whole is None:
            raise UserError("nothing was said yet")
        show_trace(whole, self.console)

    def _undo(self, rest: str) -> None:
        text = self.conversation.undo()
        if text is None:
            raise UserError("nothing was said yet")
        self._keep()
        self._note(self._cut(f"taken back: {' '.join(text.split())}"))
        if self.path is not None and not self.conversation.turns:
            self._note(f"{self.path} has it until the next message")

    def _retry(self, rest: str) -> None:
        self._turn(lambda: self.conversation.retry(self._stream()))

    def _save(self, rest: str) -> None:
        if not rest:
            raise UserError("name a file: /save FILE")
        path = Path(rest).expanduser()
        if self.conversation.trace() is None:
            raise UserError("nothing was said yet")
        check_place(path)
        self.conversation.save(path)
        self._note(f"saved to {path}")

    def _system(self, text: str) -> None:
        if text:
            self.conversation.system = text
            self._note("it is read before the next message")
            return
        engine = self.conversation.agent.engine
        views: list[View] = list(dict.fromkeys(engine.view_of(role) for role in ROLES))
        for view in views:
            self._note(f"{view}: {SYSTEM[view]}")
        held = self.conversation.system
        self._note(f"before the next message: {held}" if held else "/system TEXT adds to it")

    def _new(self, rest: str) -> None:
        self._end()
        if self.path is not None:
            self._note("the next message replaces the trace in that file")
        self.conversation.begin_again()
        self._note("an empty transcript")

    def _end(self) -> None:
        whole = self.conversation.trace()
        if whole is not None and self.path is not None:
            self._note(f"trace: {self.path}")
        elif whole is not None and self.keeper is not None and self.keeper.kept:
            self._note(f"trace: {whole.trajectory.id}")

    def note_in_turn(self, line: str) -> None:
        """Print what an MCP server reports while one of its tools is called."""
        self._shown("note", line)

    def _stream(self) -> Callable[[str, str], None]:
        self._shown = stream_to(self.console)
        return self._shown

    def _prompt(self) -> str:
        text = label("user", self.console)
        if not self.console.is_terminal or self.console.no_color:
            return text
        # readline counts what is not between these marks as characters on the screen.
        return f"\x01\x1b[1m\x02{text}\x01\x1b[0m\x02"

    def _put(self, speaker: str, text: str) -> None:
        stream_to(self.console)(speaker, f"{text}\n")

    def _note(self, text: str) -> None:
        self.console.out(visible(text), style="dim", highlight=False)

    def _cut(self, text: str) -> str:
        """Return a text that fits a line of the console."""
        width = max(20, self.console.width)
        return text if len(text) <= width else f"{text[: width - 1]}…"


def _line(tool: Tool) -> str:
    return f"{tool.name}  {' '.join(tool.description.split())}"
