"""The recipes that come with umi_lite, by name: one file, or a task merged with a model.

`toolworld/smollm2-135m` is a file of its own. `gsm8k/qwen3-4b` is `tasks/gsm8k` (data, lengths,
evaluation) with `models/qwen3-4b` (base, rates, quantization) merged over it.
"""

import os.path
from importlib.resources import files
from pathlib import Path
from typing import Any

from umi_lite.errors import UserError
from umi_lite.recipe.load import hint, merged, read_yaml

FOLDER = Path(str(files("umi_lite") / "recipes"))
_PARTS = ("models", "tables", "tasks", "variants")


def recipe_folder() -> Path:
    """Return the folder of the recipes that come with umi_lite."""
    return FOLDER


def part_names(kind: str) -> list[str]:
    """Return the names of the files of a kind: models, tables, tasks or variants."""
    return sorted(path.stem for path in (recipe_folder() / kind).glob("*.yaml"))


def recipe_names() -> list[str]:
    """Return all names, e.g. `toolworld/smollm2-135m`."""
    folder = recipe_folder()
    files = {str(path.relative_to(folder).with_suffix("")) for path in folder.glob("*/*.yaml")}
    whole = {name for name in files if not name.startswith(tuple(f"{p}/" for p in _PARTS))}
    joined = {f"{task}/{model}" for task in part_names("tasks") for model in part_names("models")}
    return sorted(whole | joined)


def recipe_files(path_or_name: str | Path) -> list[Path]:
    """Return the files that make a recipe: one, or a task's and a model's.

    Raises:
        UserError: neither a file nor a name.
    """
    path, name = Path(os.path.expanduser(path_or_name)), str(path_or_name)
    if path.is_file():
        return [path]
    names = recipe_names()
    if name not in names:
        tasks = sorted({known.partition("/")[0] for known in names})
        models = sorted({known.partition("/")[2] for known in names})
        raise UserError(
            f"no recipe {name!r}{hint(name, names)}; give a YAML file or TASK/MODEL of the tasks "
            f"{', '.join(tasks)} and the models {', '.join(models)}"
        )
    whole = recipe_folder() / f"{name}.yaml"
    task, _, model = name.partition("/")
    parts = [
        recipe_folder() / "tasks" / f"{task}.yaml",
        recipe_folder() / "models" / f"{model}.yaml",
    ]
    return [whole] if whole.is_file() else parts


def read_recipe(path_or_name: str | Path) -> dict[str, Any]:
    """Return a recipe's tree; where two files make it, the model is merged over the task.

    Raises:
        UserError: no such recipe, or a file that is not a YAML mapping.
    """
    files = recipe_files(path_or_name)
    if len(files) == 1:
        return read_yaml(files[0])
    task, model = map(read_yaml, files)
    return {"name": str(path_or_name).replace("/", "-"), **merged(task, model)}


def template_names() -> list[str]:
    """Return the names of the chat templates in `recipes/templates`."""
    return sorted(path.stem for path in (recipe_folder() / "templates").glob("*.jinja"))


def template_text(path_or_name: str) -> str:
    """Return a chat template: a jinja file's text, or one of `recipes/templates` by name.

    Raises:
        UserError: neither a file nor a name, or a file that is not UTF-8 text.
    """
    for path in (Path(os.path.expanduser(path_or_name)), _template_file(path_or_name)):
        if path.is_file():
            try:
                return path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as err:
                raise UserError(f"base.template: {path} cannot be read ({err})") from err
    names = ", ".join(template_names())
    raise UserError(f"base.template: no such file: {path_or_name}; templates by name: {names}")


def _template_file(name: str) -> Path:
    return recipe_folder() / "templates" / f"{name}.jinja"


def find_named(kind: str, path_or_name: str | Path) -> Path:
    """Return the file of a path, or of a name of a kind (`variants`, `tables`).

    Raises:
        UserError: neither a file nor a name; the message lists the names.
    """
    path, name = Path(os.path.expanduser(path_or_name)), str(path_or_name)
    if path.is_file():
        return path
    names = part_names(kind)
    if name in names:
        return recipe_folder() / kind / f"{name}.yaml"
    raise UserError(
        f"no {kind.removesuffix('s')} {name!r}{hint(name, names)}; give a YAML file or one of: "
        f"{', '.join(names)}"
    )
