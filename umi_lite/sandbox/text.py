"""Bounding a text: head and tail kept, the middle named."""


def head_and_tail(text: str, limit: int, missing: int = 0) -> str:
    """The text, or its head and tail around `[… n characters left out …]`.

    The result has at most `limit` characters, or the marker's own about 40 where that is
    more. `missing` more characters were already taken out of the middle.
    """
    if len(text) <= limit and not missing:
        return text
    room = max(0, limit - 40)
    tail = min(len(text), room) // 2
    head = min(len(text), room) - tail
    cut = missing + len(text) - head - tail
    return f"{text[:head]}[… {cut} characters left out …]{text[len(text) - tail :]}"
