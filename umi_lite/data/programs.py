"""Many small programs at the price of one sandboxed process."""

import json
from collections.abc import Sequence

from umi_lite.protocol.errors import UserError
from umi_lite.sandbox.python import Limits, run_python

_LIMITS = Limits(seconds=60.0, cpu_seconds=60.0, output_chars=4_000_000)
_RUNNER = """\
import contextlib, io, json
results = []
for program in json.loads({programs!r}):
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            exec(compile(program, "<program>", "exec"), {{"__name__": "__main__"}})
        results.append(out.getvalue().strip())
    except Exception as error:
        results.append(None)
print(json.dumps(results))
"""


def run_together(programs: Sequence[str]) -> list[str | None]:
    """What each program prints, as the Python tool would give it; None where it raises.

    All run one after the other in one sandboxed process. So they could disturb each other:
    only for programs that we derived ourselves.

    Raises:
        UserError: there is no sandbox on this machine.
        RuntimeError: the process did not come to its end (60 s, 512 MiB).
    """
    result = run_python(_RUNNER.format(programs=json.dumps(list(programs))), _LIMITS)
    if result.status == "refused":
        raise UserError(str(result.error))
    if result.status != "ok":
        raise RuntimeError(f"the batch of {len(programs)} programs failed: {result.error}")
    return json.loads(result.stdout)
