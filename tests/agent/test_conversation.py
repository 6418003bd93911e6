"""Several turns in one transcript: what each reads, taking back, running again, stopping."""

import pytest
from scripted import Scripted

from umi_lite.agent.agent import Agent
from umi_lite.agent.bounds import Bounds, Sampling
from umi_lite.agent.conversation import Conversation
from umi_lite.agent.trace import Trace
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Answer, User
from umi_lite.tools.tools import Toolbox

CALLER, DONE, GIVE_UP = "Look.\nNext: caller", "Done.\nNext: summarizer", "No.\nNext: give_up"


def double(n: int) -> int:
    """Twice the number."""
    return 2 * n


def talk(*turns, **sampling) -> tuple[Conversation, Scripted]:
    engine = Scripted(*turns)
    agent = Agent(engine, Toolbox([double]), Bounds(max_calls=1), Sampling(**sampling))
    return Conversation(agent), engine


def texts(made: Conversation) -> list[str]:
    trace = made.trace()
    assert trace is not None
    steps = trace.trajectory.steps
    return [trace.trajectory.instruction, *(s.text for s in steps if isinstance(s, User))]


def test_each_turn_continues_the_transcript():
    made, engine = talk(CALLER, 'double {"n": 3}', DONE, "It is 6.", DONE, "It was 6.")
    assert made.say("Double 3.").answer == "It is 6."
    assert made.say("What was it?").answer == "It was 6."
    assert texts(made) == ["Double 3.", "What was it?"]
    prompt = engine.prompt(4)
    assert prompt.startswith(engine.prompt(2))
    assert "It is 6.<|im_end|>\n<|im_start|>user\nWhat was it?<|im_end|>" in prompt
    assert [turn.text for turn in made.turns] == ["Double 3.", "What was it?"]
    whole = made.trace()
    assert whole is not None and len(whole.turns) == 5 + 2
    assert Trace.model_validate_json(whole.model_dump_json()) == whole
    # The exact prompts of all turns are in it.
    for index, asked in zip((0, 1, 3, 4, 5, 6), range(6), strict=True):
        assert "".join(text for text, _ in whole.prompt(index)) == engine.prompt(asked)
    assert [turn.at for turn in whole.turns] == sorted(turn.at for turn in whole.turns)


def test_calls_are_counted_per_turn():
    made, _ = talk(*[CALLER, 'double {"n": 3}', DONE, "It is 6."] * 2)
    made.say("Double 3.")
    assert made.say("Again.").stop == "answer"


def test_a_turn_without_an_answer_is_part_of_the_transcript_without_its_loose_end():
    made, engine = talk(CALLER, 'double {"n": 3}', CALLER, GIVE_UP, DONE, "Yes.")
    assert made.say("Double 3 twice.").stop == "max_calls"
    assert made.say("Fly.").stop == "give_up"
    assert made.say("Well?").answer == "Yes."
    prompt = engine.prompt(4)
    assert "Result: 6\nFly.<|im_end|>" in prompt
    assert f"{GIVE_UP}<|im_end|>\n<|im_start|>user\nWell?" in prompt


def test_undo():
    made, engine = talk(DONE, "One.", DONE, "Two.", DONE, "Three.")
    assert made.undo() is None
    made.say("First?")
    made.say("Second?")
    assert made.undo() == "Second?"
    assert made.say("Third?").answer == "Three."
    assert texts(made) == ["First?", "Third?"] and "Two." not in engine.prompt(4)
    assert (made.undo(), made.undo(), made.undo()) == ("Third?", "First?", None)
    assert made.trace() is None


def test_retry_is_sampled_otherwise():
    made, engine = talk(DONE, "One.", DONE, "Two.", DONE, "Three.", DONE, "Four.")
    assert made.retry() is None
    made.say("First?")
    again = made.retry()
    assert again is not None and again.answer == "Two." and texts(made) == ["First?"]
    made.retry()
    seen = [(request.temperature, request.seed) for request in engine.asked[::2]]
    assert seen == [(0.0, 0), (0.7, 1009), (0.7, 2018)]
    made.say("Next?")
    assert engine.asked[-2].temperature == 0
    warm, engine = talk(DONE, "One.", DONE, "Two.", temperature=0.3, seed=5)
    warm.say("First?")
    warm.retry()
    assert (engine.asked[2].temperature, engine.asked[2].seed) == (0.3, 1014)


def test_retry_votes_as_the_turn_before_it():
    made, engine = talk(DONE, DONE, "One.", DONE, DONE, "Two.", votes=2)
    made.say("First?")
    again = made.retry()
    assert again is not None and again.answer == "Two." and len(engine.asked) == 6


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("broken")])
def test_a_turn_that_is_stopped_leaves_nothing(error):
    made, engine = talk(DONE, "One.", DONE, error, DONE, "Two.", error, DONE, "Three.")
    made.say("Same?")
    with pytest.raises(type(error)):
        made.say("Same?")
    assert texts(made) == ["Same?"] and len(engine.released) == 2
    # What was stopped is run as it was meant, after what was finished.
    made.retry()
    assert texts(made) == ["Same?", "Same?"] and engine.asked[-1].temperature == 0
    with pytest.raises(type(error)):
        made.retry()
    last = made.turns[-1].trace.trajectory.steps[-1]
    assert texts(made) == ["Same?", "Same?"] and last == Answer(text="Two.")
    made.retry()
    assert made.turns[-1].trace.answer == "Three."


def test_a_system_text_is_read_before_the_next_message():
    made, engine = talk(DONE, "Oui.", DONE, "Si.", DONE, "Ja.")
    made.system = "Speak French."
    made.say("Yes?")
    assert "<|im_start|>user\nSpeak French.\n\nYes?<|im_end|>" in engine.prompt(0)
    made.retry()
    assert "user\nSpeak French.\n\nYes?<|im_end|>" in engine.prompt(2)
    made.say("And?")
    assert "user\nAnd?<|im_end|>" in engine.prompt(4) and made.system == ""
    made.undo()
    made.undo()
    assert made.system == "Speak French."
    made.begin_again()
    assert (made.system, made.turns, made.trace()) == ("", [], None)


def test_an_empty_text_and_saving(tmp_path):
    made, _ = talk(DONE, "One.")
    with pytest.raises(UserError, match="the message is empty"):
        made.say(" ")
    made.save(tmp_path / "none.json")
    assert not (tmp_path / "none.json").exists()
    made.say("First?")
    made.save(tmp_path / "one.json")
    assert Trace.load(tmp_path / "one.json") == made.trace()


def test_the_real_model_reads_only_what_is_new(engine):
    few = Bounds(max_calls=1, max_thought_tokens=30, max_call_tokens=30, max_answer_tokens=20)
    engine.forget()
    made = Conversation(Agent(engine, Toolbox([double]), few))
    first = made.say("What is twice 3?")
    second = made.say("And twice 4?")
    read = second.turns[0]
    spoken = sum(turn.prompt_tokens + turn.generated for turn in first.turns[:1])
    assert read.reused >= spoken - 8 and read.evaluated < read.prompt_tokens / 2
