"""A bundle's model card, `README.md`: what it is, how to run it, data, recipe, scores, limits.

Its last line holds a hash of the text above it: a card that was edited is the user's own, and is
kept when the bundle is written again.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from umi_lite.bundle.about import SPEAKS, About, about
from umi_lite.bundle.scores import ScoreRow, scores_of_run
from umi_lite.bundle.spec import BundleSpec, base_of, read_spec
from umi_lite.engine.gguf import read_header
from umi_lite.errors import UserError
from umi_lite.files import write_text, writing
from umi_lite.protocol.roles import SEES_TOOLS, SYSTEM
from umi_lite.protocol.trajectory import ROLES, View
from umi_lite.recipe.schema import Data, Recipe
from umi_lite.weights.hf_to_gguf import front_matter

CARD = "README.md"
_MARK = "<!-- written by umi export; SHA-256 of the text above: {} -->\n"
_MADE = re.compile(re.escape(_MARK).replace(re.escape("{}"), "([0-9a-f]{64})") + r"\Z")
_FORMS: dict[View, str] = {
    "backbone": "what each role writes, in turn",
    "planner": "a thought on one line, then `Next: caller`, `Next: summarizer` or `Next: give_up`",
    "caller": "`tool_name {…}`, the arguments as JSON",
    "summarizer": "the answer, as text",
}


def own_card(folder: Path) -> str | None:
    """Return the card of a folder if a user wrote or edited it; None for none or an exported one.

    Raises:
        UserError: it cannot be read, so it cannot be kept.
    """
    path = folder / CARD
    try:
        text = path.read_bytes().decode("utf-8") if path.exists() else None
    except (OSError, ValueError) as err:
        raise UserError(f"{path} cannot be read, so it cannot be kept: {err}") from None
    if text is None:
        return None
    made = _MADE.search(text)
    return None if made and _hash(text[: made.start()]) == made[1] else text


def renew_card(folder: Path, run_dir: Path) -> None:
    """Write a bundle's card again, with the scores in its run's folder, unless it is a user's own.

    Raises:
        UserError: the folder is not a bundle, or it cannot be written.
    """
    spec = read_spec(folder)
    if spec.recipe is None or own_card(folder) is not None:
        return
    header = read_header(base_of(folder, spec), "base")
    what = about(Recipe.model_validate(spec.recipe), spec.hf_id, header)
    with writing(folder / CARD):
        write_text(folder / CARD, card_text(what, spec, scores_of_run(run_dir, spec)))


def card_text(what: About, spec: BundleSpec, scores: Sequence[ScoreRow]) -> str:
    """Return the model card of a bundle.

    Args:
        spec: with the recipe that trained it.
        scores: of these weights; none if it was not measured.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("umi_lite.bundle", "pages"),
        autoescape=False,  # Markdown
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["place"] = _place
    environment.filters["cell"] = lambda text: text.replace("|", "\\|")
    recipe = Recipe.model_validate(spec.recipe)
    alone = [view for view, file in spec.views.items() if file.acts == "always"]
    text = environment.get_template("card.md.j2").render(
        front_matter=front_matter(what.front_matter()),
        what=what,
        spec=spec,
        recipe=recipe,
        recipe_yaml=_yaml(recipe),
        roles=[role for role in ROLES if role in spec.views],
        alone=alone,
        shared=[view for view in spec.views if view not in alone],
        own="" if spec.live_tools else " --tools my_tools.py",
        speaks=SPEAKS,
        system=SYSTEM,
        sees_tools=SEES_TOOLS,
        forms=_FORMS,
        scores=scores,
        files=[spec.base, *spec.views.values(), *spec.phrases.values()],
    )
    return text + _MARK.format(_hash(text))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _place(data: Data) -> str:
    """Return where a source's rows are from; of a path its last part."""
    if data.hub is not None:
        return f"{data.hub} ({data.config})" if data.config else data.hub
    return Path(data.path).name if data.path else "generated"


def _yaml(recipe: Recipe) -> str:
    """Return a recipe as the difference from the defaults."""
    import yaml

    tree = recipe.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude_none=True)
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=100)
