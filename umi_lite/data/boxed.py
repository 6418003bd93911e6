r"""Finds the answer that a LaTeX solution marks with `\boxed{…}`."""

_BOXES = ("\\boxed", "\\fbox")


def boxed(text: str) -> str | None:
    r"""Return the content of the last `\boxed{...}` (or `\fbox`, or `\boxed 5`), braces nested.

    None where there is none or its braces do not close.
    """
    at = max(text.rfind(box) for box in _BOXES)
    if at < 0:
        return None
    rest = text[at:].removeprefix("\\boxed").removeprefix("\\fbox")
    if not rest.lstrip().startswith("{"):
        words = rest.split("$")[0].split()
        return words[0].rstrip(".") if words else None
    rest = rest.lstrip()
    depth = 0
    for i, char in enumerate(rest):
        escaped = i > 0 and rest[i - 1] == "\\"
        depth += 0 if escaped else (char == "{") - (char == "}")
        if depth == 0:
            return rest[1:i].strip()
    return None
