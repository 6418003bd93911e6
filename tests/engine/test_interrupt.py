"""An evaluation that is interrupted: it ends at once, and what turns say stays the same."""

import threading
from itertools import count

from umi_lite.engine.context import Context
from umi_lite.engine.engine import Engine
from umi_lite.engine.request import Request

TEXT = "The quick brown fox jumps over the lazy dog and runs into the wood. "


def requests(engine: Engine) -> list[Request]:
    """Return three turns for two slots; two begin with the same text, so one copies a cache."""
    encode = engine.language("planner").encode
    texts = (TEXT * 8, "Say something else. " + TEXT * 4, TEXT * 8 + "It is")
    made = [encode(text, special=False) for text in texts]
    return [
        Request("planner", ids, max_tokens=8, episode=f"episode {at}")
        for at, ids in enumerate(made)
    ]


def answers(engine: Engine) -> list[tuple[tuple[int, ...], list[int]]]:
    """Return the ids of each turn, and what the cache holds for it at its end."""
    engine.forget()
    asked, found = requests(engine), {}
    for request in asked:
        engine.submit(request)
    while len(found) < len(asked):
        for request, turn in engine.step():
            found[request] = turn.ids, engine.cached("planner", request.episode)
            engine.release(request.episode)
    return [found[request] for request in asked]


def test_turns_say_the_same_whenever_they_are_interrupted(engine, monkeypatch):
    undisturbed = answers(engine)
    decode, stopped = Context.decode, []

    def recorded(context: Context, entries) -> bool:
        stopped.append(decode(context, entries))
        return stopped[-1]

    monkeypatch.setattr(Context, "decode", recorded)
    over = threading.Event()

    def interrupt() -> None:
        for at in count():
            if over.wait((0.002, 0.05, 0.01, 0.2)[at % 4]):
                return
            engine.interrupt()

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        assert answers(engine) == undisturbed
    finally:
        over.set()
        thread.join()
    assert stopped.count(True) > 5
    assert answers(engine) == undisturbed


def test_an_evaluation_is_finished_though_interrupts_never_end(engine, monkeypatch):
    decode, stopped = Context.decode, []

    def interrupted(context: Context, entries) -> bool:
        engine.interrupt()
        stopped.append(decode(context, entries))
        return stopped[-1]

    monkeypatch.setattr(Context, "decode", interrupted)
    answers(engine)
    assert len(stopped) % 5 == 0 and stopped == [True, True, True, True, False] * (
        len(stopped) // 5
    )
