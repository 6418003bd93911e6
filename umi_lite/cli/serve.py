"""`umi serve`: an OpenAI-compatible server for a bundle."""

from pathlib import Path
from typing import Annotated

import typer

from umi_lite.cli.options import (
    DEFAULT_BUNDLE,
    BundleOption,
    Limits,
    McpOptions,
    Roles,
    SamplingOptions,
    ToolsOption,
    home,
    with_groups,
)
from umi_lite.errors import UserError


@with_groups
def serve(
    bundle: BundleOption = DEFAULT_BUNDLE,
    port: Annotated[int, typer.Option(min=0, max=65535, help="port; 0 for a free one")] = 8080,
    host: Annotated[
        str, typer.Option(help="address to listen on; one of other machines needs a token")
    ] = "127.0.0.1",
    token_file: Annotated[
        Path | None,
        typer.Option(help="file with the token that requests need; default $UMI_SERVE_TOKEN"),
    ] = None,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(help="site whose pages may ask, as https://HOST (repeatable); default none"),
    ] = None,
    tools: ToolsOption = None,
    name: Annotated[
        str | None, typer.Option(help="name of the model for clients; default the run's")
    ] = None,
    show_thoughts: Annotated[
        bool, typer.Option(help="thoughts and tool turns as reasoning_content")
    ] = False,
    save: Annotated[
        bool, typer.Option(help="keep the episodes in the trace store, shown at /")
    ] = True,
    slots: Annotated[int, typer.Option(min=1, help="concurrent episodes")] = 4,
    queue: Annotated[int, typer.Option(min=0, help="waiting requests; more get status 429")] = 16,
    tool_threads: Annotated[
        int, typer.Option(min=1, help="concurrent calls of the server's tools")
    ] = 4,
    max_body_mb: Annotated[
        float, typer.Option(min=0.01, help="maximum size of a request, in MB")
    ] = 4.0,
    drain_seconds: Annotated[
        float, typer.Option(min=0, help="seconds that open requests have after SIGTERM")
    ] = 30.0,
    *,
    mcp: McpOptions,
    limits: Limits,
    sampling_options: SamplingOptions,
    roles: Roles,
) -> None:
    """Serve a bundle to OpenAI clients, until Ctrl-C.

    Addresses: /v1/chat/completions, /v1/models, /health, /metrics; / shows the traces.
    """
    try:
        from umi_lite.serve.server import Access, Capacity, read_token
        from umi_lite.serve.server import serve as run
    except ModuleNotFoundError as err:
        if (err.name or "").partition(".")[0] not in ("starlette", "uvicorn", "prometheus_client"):
            raise
        raise UserError(f"umi serve needs {err.name}: pip install 'umi-lite[serve]'") from None
    from rich.console import Console

    from umi_lite.bundle.bundle import load_bundle
    from umi_lite.serve.store import TraceStore

    opened = load_bundle(bundle)
    run(
        opened,
        Console(stderr=True),
        access=Access(
            host,
            port,
            read_token(token_file),
            tuple(cors_origin or ()),
            int(max_body_mb * 1_000_000),
        ),
        capacity=Capacity(queue, tool_threads, drain_seconds),
        overrides=roles.overrides(slots=slots),
        bounds=limits.bounds(opened.spec.bounds),
        sampling=sampling_options.sampling(opened.spec.sampling),
        tools=home(tools),
        mcp=mcp.servers(),
        name=name,
        show_thoughts=show_thoughts,
        store=TraceStore() if save else None,
        views=roles.views,
        elsewhere=roles.elsewhere,
        timeout=roles.timeout,
    )
