"""Renders chat templates as transformers does, but with one fixed date."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from traceback import walk_tb
from typing import Any

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.parser
import jinja2.sandbox

from umi_lite.errors import UserError

# What `strftime_now` prints from. Training and inference must write the same prompt, and a prefix
# kept on disk must still fit tomorrow. It is the date that Llama 3's templates print by default.
TODAY = datetime(2024, 7, 26)

Messages = Sequence[Mapping[str, str]]


class BadTemplate(UserError):
    """The chat template cannot serve a growing transcript."""


class _Refused(Exception):
    """The template called `raise_exception`."""


class _Generation(jinja2.ext.Extension):
    """`{% generation %}...{% endgeneration %}`: marks what an assistant writes; prints its body.

    A call block, as in transformers, so that what is set inside stays inside.
    """

    tags = {"generation"}  # noqa: RUF012  # pyright: ignore[reportIncompatibleVariableOverride]

    def parse(self, parser: jinja2.parser.Parser) -> jinja2.nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        call = self.call_method("_body")
        return jinja2.nodes.CallBlock(call, [], [], body).set_lineno(line)

    def _body(self, caller: Callable[[], str]) -> str:
        return caller()


def _raise(message: str) -> None:
    raise _Refused(message)


def _strftime_now(form: str) -> str:
    return TODAY.strftime(form)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Write JSON without escaping HTML, unlike jinja's own filter."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


class Jinja:
    """A parsed chat template.

    Args:
        source: the jinja text.
        tokens: the texts of special tokens by the name that templates know (`bos_token`).

    Raises:
        BadTemplate: it does not parse; one line with the line's number.
    """

    def __init__(self, source: str, tokens: Mapping[str, str]):
        env: Any = jinja2.sandbox.ImmutableSandboxedEnvironment(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[_Generation, jinja2.ext.loopcontrols],
        )
        env.filters["tojson"] = _tojson
        env.globals |= {"raise_exception": _raise, "strftime_now": _strftime_now}
        try:
            self._template = env.from_string(source)
        except jinja2.TemplateSyntaxError as err:
            raise BadTemplate(
                f"the chat template is not valid jinja: line {err.lineno}: {_one_line(err)}"
            ) from None
        except Exception as err:  # jinja folds constants while it compiles: 1 / 0 fails here
            raise BadTemplate(f"the chat template is not valid jinja: {_one_line(err)}") from None
        self._tokens = dict(tokens)

    def render(self, messages: Messages, *, prompt: bool) -> str:
        """Return a conversation's text.

        Args:
            messages: `role` and `content` of each.
            prompt: append what an assistant's turn begins with.

        Raises:
            BadTemplate: the template refused it or failed; one line.
        """
        try:
            # Templates ask `tools is none`: transformers passes both, so that they are defined.
            return self._template.render(
                messages=list(messages),
                tools=None,
                documents=None,
                add_generation_prompt=prompt,
                **self._tokens,
            )
        except _Refused as err:
            reason = f"the chat template refused the conversation: {_one_line(err)}"
        except Exception as err:  # a template is a program: any error is its own
            reason = f"the chat template failed{_place(err)}: {_one_line(err)}"
        raise BadTemplate(reason)


def _place(err: Exception) -> str:
    """Return ` in line 3`, where the template's line is known."""
    frames = walk_tb(err.__traceback__)
    lines = [line for frame, line in frames if frame.f_code.co_filename == "<template>"]
    return f" in line {lines[-1]}" if lines else ""


def _one_line(err: Exception) -> str:
    said = " ".join(str(err).split())
    known = isinstance(err, jinja2.TemplateError | _Refused)
    return said if known and said else f"{type(err).__name__}: {said}".rstrip(": ")
