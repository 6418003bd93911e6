"""Names of several servers' tools: unique, and each stays the same while its tool is there."""

import re
from collections.abc import Iterable, Mapping

from umi_lite.tools.mcp.config import next_free

# A server and the name that it gives its tool.
Origin = tuple[str, str]
# A call names its tool before the first space (`protocol.roles`).
_UNFIT = re.compile(r"[^\w.:/-]+")


def unique_names(
    origins: Iterable[Origin], taken: Iterable[str] = (), before: Mapping[str, Origin] | None = None
) -> dict[str, Origin]:
    """Return the name that an agent sees of each tool, with its origin.

    A tool keeps its own name where no other tool has it, else it is `SERVER__TOOL`. Characters
    that a call cannot have in a name become `_`.

    Args:
        origins: in their order; one that is repeated is named once.
        taken: names of other tools.
        before: the names so far; tools that are still there keep theirs.
    """
    wanted = dict.fromkeys(origins)
    made = {name: origin for name, origin in (before or {}).items() if origin in wanted}
    named = set(made.values())
    used = {*taken, *made}
    rest = [origin for origin in wanted if origin not in named]
    short = [_UNFIT.sub("_", tool) for _, tool in rest]
    for (server, tool), name in zip(rest, short, strict=True):
        if not name.strip("_") or name in used or short.count(name) > 1:
            name = f"{server}__{name}"
        name = next_free(name, used)
        used.add(name)
        made[name] = (server, tool)
    order = {origin: at for at, origin in enumerate(wanted)}
    return dict(sorted(made.items(), key=lambda item: order[item[1]]))
