"""Turn one small open LLM into a three-role agent, and run it offline.

The names of `__all__` are imported when they are first used: `import umi_lite` loads neither
torch nor llama.cpp.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from umi_lite.agent.episode import Bounds, Sampling
    from umi_lite.agent.trace import Trace
    from umi_lite.api import Agent
    from umi_lite.bundle.bundle import Bundle, load_bundle
    from umi_lite.bundle.open import open_roles
    from umi_lite.engine.engine import Engine
    from umi_lite.errors import UserError
    from umi_lite.protocol.trajectory import Trajectory
    from umi_lite.recipe.schema import Recipe, load_recipe
    from umi_lite.tools.python import python_tool
    from umi_lite.tools.tools import Toolbox, tool

_HOMES = {
    "Agent": "api",
    "Bounds": "agent.episode",
    "Bundle": "bundle.bundle",
    "Engine": "engine.engine",
    "Recipe": "recipe.schema",
    "Sampling": "agent.episode",
    "Toolbox": "tools.tools",
    "Trace": "agent.trace",
    "Trajectory": "protocol.trajectory",
    "UserError": "errors",
    "load_bundle": "bundle.bundle",
    "load_recipe": "recipe.schema",
    "open_roles": "bundle.open",
    "python_tool": "tools.python",
    "tool": "tools.tools",
}
__version__ = "0.1.0"
__all__ = [
    "Agent",
    "Bounds",
    "Bundle",
    "Engine",
    "Recipe",
    "Sampling",
    "Toolbox",
    "Trace",
    "Trajectory",
    "UserError",
    "load_bundle",
    "load_recipe",
    "open_roles",
    "python_tool",
    "tool",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"umi_lite has no {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"umi_lite.{_HOMES[name]}"), name)
