"""An agent with the tools of an MCP server, here one of ten lines in this file.

    python examples/mcp_tools.py ["your question"]

It needs `pip install 'umi-lite[mcp]'`. `mcp` also takes a URL, or the path of an `mcp.json`.
"""

import sys

from umi_lite import Agent


def serve() -> None:
    from mcp.server import MCPServer
    from mcp_types import ToolAnnotations

    server = MCPServer("clock")

    @server.tool(annotations=ToolAnnotations(read_only_hint=True))
    def days_between(first: str, last: str) -> int:
        """The number of days between two dates, as YYYY-MM-DD."""
        from datetime import date

        return (date.fromisoformat(last) - date.fromisoformat(first)).days

    @server.tool(annotations=ToolAnnotations(destructive_hint=True))
    def delete_all_dates() -> str:
        """Delete all dates."""
        return "deleted"

    server.run("stdio")


def main(
    question: str = "How many days are between 2026-11-01 and 2026-11-29?",
    bundle: str | None = None,
) -> None:
    server = f"{sys.executable} {__file__} --serve"
    with Agent.load(bundle, mcp=server, confirm=lambda question: ask(question.line())) as agent:
        print("tools:", ", ".join(spec.name for spec in agent.toolbox.specs))
        trace = agent.run(question)
    print(trace.answer or f"no answer: {trace.stop}")


def ask(question: str) -> bool:
    return sys.stdin.isatty() and input(f"{question}: call it? ").lower().startswith("y")


if __name__ == "__main__":
    serve() if sys.argv[1:] == ["--serve"] else main(*sys.argv[1:2])
