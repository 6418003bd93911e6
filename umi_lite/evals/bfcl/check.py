"""BFCL's own AST checker on the agent's calls: the verdict on a single-turn task."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from types import ModuleType, SimpleNamespace
from typing import Any

from umi_lite.data.bfcl import INSTALL
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Call, Trajectory

MODEL = "umi"
# Imports every provider's client; the checkers only look up in it whether the names' dots were
# replaced, which a grammar makes unnecessary.
_MODELS = "bfcl_eval.constants.model_config"
_LANGUAGES = {"simple_java": "JAVA", "simple_javascript": "JAVASCRIPT"}


def verdict(task: Trajectory, calls: Sequence[Call]) -> str:
    """Return what is wrong with the calls of a single-turn task, on one line; "" for nothing.

    irrelevance and live_irrelevance: there must be no call. live_relevance: at least one. All
    other categories: `ast_checker` of the package, which compares names, arguments and types
    with the possible answers; parallel calls may come in any order.

    Raises:
        UserError: the package `bfcl-eval` is not installed.
    """
    category = task.meta["split"]
    if category.endswith("irrelevance"):
        return f"called {calls[0].tool}, which does not fit" if calls else ""
    if category.endswith("relevance"):
        return "" if calls else "no call"
    check, languages = _checker()
    language = languages[_LANGUAGES.get(category, "PYTHON")]
    made = [{call.tool: call.arguments} for call in calls]
    functions, answers = task.meta["entry"]["function"], task.meta["answers"]
    try:
        found = check(functions, made, answers, language, category, MODEL)
    except Exception as err:
        # It expects what the possible answers have: a list where they have one, for example.
        return f"the checker failed: {type(err).__name__}: {err}"
    return "" if found["valid"] else _line(found)


@contextmanager
def without_models() -> Iterator[None]:
    """Let the package's checkers be imported without the clients of all its models."""
    kept = sys.modules.get(_MODELS)
    stub = ModuleType(_MODELS)
    vars(stub)["MODEL_CONFIG_MAPPING"] = {MODEL: SimpleNamespace(underscore_to_dot=False)}
    sys.modules[_MODELS] = stub
    try:
        yield
    except ModuleNotFoundError as err:
        if err.name is None or not err.name.startswith("bfcl_eval"):
            raise
        raise UserError(f"BFCL's checker is not installed: {INSTALL}") from None
    finally:
        del sys.modules[_MODELS]
        if kept is not None:
            sys.modules[_MODELS] = kept


@cache
def _checker() -> tuple[Callable[..., dict[str, Any]], Any]:
    with without_models():
        from bfcl_eval.constants.enums import Language
        from bfcl_eval.eval_checker.ast_eval.ast_checker import ast_checker
    return ast_checker, Language


def _line(found: dict[str, Any]) -> str:
    """Return the checker's first error, with its kind."""
    first = next(iter(found["error"]), "")
    return " ".join(f"{found['error_type']}: {first}".split())
