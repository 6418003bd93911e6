"""Values composed of nouns, thousands of each kind: roles have to copy them, not remember them."""

import random

from umi_lite.data.synth.drawing import Drawing
from umi_lite.data.synth.pools import POOLS, choice, draw

# {a} and {b} are nouns, {A} and {B} with a capital, {n} is a number. The other kinds are drawn
# from their pools.
_FORMS: dict[str, tuple[str, ...]] = {
    "folder": ("{a}", "{a}-{b}", "{a}_{b}", "{a}{n}", "{A}"),
    "stem": ("{a}", "{a}-{b}", "{a}_{b}", "{a}{n}", "my-{a}"),
    "branch": ("{a}", "{a}-{b}", "fix-{a}", "add-{a}-{b}", "feature/{a}", "{a}-{n}"),
    "project": ("{A}", "{A} {B}", "{a}-{b}", "{a}{n}"),
    "word": ("{a}", "{a}{b}"),
    "tag": ("{a}", "{a}-{b}"),
    "title": ("{A} {B}", "The {A}", "{A} and {B}", "{A} {n}"),
    "topic": ("{a}", "{a} and {b}", "how to repair a {a}", "the history of the {a}"),
    "task": ("clean the {a}", "buy a {a}", "bring the {a} to the {b}", "look for the {a}"),
    "message": (
        "the {a} is at the {b}", "add the {a}", "{a} and {b}", "remove the {a} from the {b}",
        "bring {n} {b} boxes", "I need the {a} today", "fix the {a}", "see you at the {a}",
    ),
    "product": ("{a}", "{a} {b}"),
    "company": ("{A} {B}", "{A} & {B}", "{A} Works"),
    "domain": ("{a}{b}.com", "{a}.org", "{a}-{b}.net"),
}  # fmt: skip


class ComposedDrawing(Drawing):
    """Draws the open kinds of values from compositions instead of the pools."""

    def pick(self, slot: str) -> str:
        if slot not in _FORMS:
            return super().pick(slot)
        return draw(self.rng, slot, self.split, lambda: _composed(self.rng, slot))


def _composed(rng: random.Random, slot: str) -> str:
    a, b = choice(rng, POOLS["noun"]), choice(rng, POOLS["noun"])
    form = choice(rng, _FORMS[slot])
    return form.format(a=a, b=b, A=a.capitalize(), B=b.capitalize(), n=rng.randint(2, 99))
