"""A conversation from Python: several turns in one transcript.

    python examples/chat.py

What was read stays in the cache, so a turn reads only what is new. `umi chat` does it in the
terminal.
"""

from umi_lite import Agent


def main(*questions: str, bundle: str | None = None) -> None:
    with Agent.load(bundle) as agent:
        talk = agent.chat(system="The user's name is Ann.")
        for question in questions or ("What is 12 * 34?", "And 12 * 35?"):
            trace = talk.say(question)
            print(question, "→", trace.answer or f"no answer: {trace.stop}")
        print("reused in the last turn:", sum(turn.reused for turn in trace.turns), "tokens")


if __name__ == "__main__":
    main()
