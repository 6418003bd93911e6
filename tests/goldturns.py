"""Gold turns checked against what constrains a model's turns: the schemas and the grammars."""

from collections.abc import Iterable

import jsonschema
import llguidance

from umi_lite.protocol.grammar import call_grammar, plan_grammar
from umi_lite.protocol.roles import call_text, plan_text
from umi_lite.protocol.trajectory import Call, Plan, Trajectory


def check_turns(tasks: Iterable[Trajectory], max_thought_chars: int) -> None:
    """Assert that schemas and grammars allow all plans and calls."""
    bytes_ = llguidance.LLTokenizer("byte")
    for task in tasks:
        grammars = {Plan: plan_grammar(max_thought_chars), Call: call_grammar(task.tools)}
        for step in task.steps:
            if isinstance(step, Call):
                spec = next(tool for tool in task.tools if tool.name == step.tool)
                jsonschema.validate(step.arguments, spec.parameters)
                text = call_text(step, task.tools)
            elif isinstance(step, Plan):
                text = plan_text(step)
            else:
                continue
            matcher = llguidance.LLMatcher(bytes_, grammars[type(step)])
            assert matcher.consume_tokens(list(text.encode())), (text, matcher.get_error())
            assert matcher.is_accepting(), text
