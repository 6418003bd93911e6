"""Runs the attacks, each against victims of its own, and judges by what the kernel let happen.

Never as root, and never unconfined: before the first attack a harmless program must have shown
that its process is under seccomp, no_new_privs and Landlock.
"""

import os
import platform
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from umi_lite.errors import UserError
from umi_lite.sandbox.attacks import (
    crashes,
    exhaustion,
    files,
    kernel,
    network,
    poisoning,
    processes,
    protocol,
    secrets,
)
from umi_lite.sandbox.attacks.attack import Attack
from umi_lite.sandbox.attacks.scene import Scene
from umi_lite.sandbox.result import Level, Result
from umi_lite.sandbox.sandbox import Sandbox

FAMILIES: dict[str, Sequence[Attack]] = {
    "files": files.ATTACKS,
    "secrets of the parent": secrets.ATTACKS,
    "network": network.ATTACKS,
    "processes": processes.ATTACKS,
    "kernel interfaces": kernel.ATTACKS,
    "resource exhaustion": exhaustion.ATTACKS,
    "crashes": crashes.ATTACKS,
    "protocol spoofing": protocol.ATTACKS,
    "output poisoning": poisoning.ATTACKS,
}

Verdict = Literal["held", "known", "through", "unclear"]
# EPERM, EACCES, EROFS, ENOSYS; at `full` also what is not there at all: ENOENT, ESRCH.
_REFUSED = frozenset({1, 13, 30, 38})
_HIDDEN = _REFUSED | {2, 3}
_ERRNO = re.compile(r"\[Errno (\d+)\]")


@dataclass(frozen=True)
class Outcome:
    """What came of one attack.

    Attributes:
        verdict: `held`; `through` it did what it tried; `known` the same, at a level that does
            not promise to stop it; `unclear` it ended in a way that shows neither.
        why: what was seen.
    """

    family: str
    attack: str
    verdict: Verdict
    why: str


def run_suite(level: Level, seen: Callable[[Outcome], None] = lambda _: None) -> list[Outcome]:
    """Run all attacks at a level.

    Args:
        seen: called with each outcome as it is there.

    Raises:
        UserError: this process is root, or the level is not to be had here.
    """
    if os.geteuid() == 0:
        raise UserError("the attacks never run as root: use an ordinary user")
    outcomes: list[Outcome] = []
    # A secret of the host's own, for those who look for its environment.
    os.environ["UMI_SANDBOX_CANARY"] = "umi-canary-host"
    with Sandbox(level) as sandbox:
        show_confined(sandbox)
        for family, attacks in FAMILIES.items():
            for attack in attacks:
                if attack.machine not in (None, platform.machine()):
                    continue
                verdict, why = _run(attack, sandbox, level)
                outcomes.append(Outcome(family, attack.name, verdict, why))
                seen(outcomes[-1])
    return outcomes


def show_confined(sandbox: Sandbox) -> None:
    """See from outside that a harmless program's process is under the sandbox.

    Raises:
        UserError: it is not.
    """
    sandbox.start()
    with sandbox.session() as session:
        # Its process id as it is inside; the leaf forked ahead of the next program is another.
        inside = session.run("import os\nos.getpid()").value
        assert sandbox.pid is not None
        states = [Path(f"/proc/{pid}/status").read_text() for pid in descendants(sandbox.pid)]
        own = [s for s in states if re.search(rf"^NSpid:.*\b{inside}$", s, re.MULTILINE)]
    asked = sandbox.run(
        "import os, socket\nheld = []\n"
        "for attempt in (socket.socket, lambda: os.listdir('/'), lambda: open('/etc/passwd')):\n"
        "    try: attempt()\n    except OSError: held.append(1)\n"
        "len(held), 0 in os.getresuid()"
    )
    held = len(own) == 1 and "Seccomp:\t2" in own[0] and "NoNewPrivs:\t1" in own[0]
    if not held or asked.value != "(3, False)":
        raise UserError(f"programs are not confined at level {sandbox.start()}: {asked}")


def _run(attack: Attack, sandbox: Sandbox, level: Level) -> tuple[Verdict, str]:
    supervisor = sandbox.pid
    with Scene() as scene:
        result = sandbox.run(scene.program(attack.program), attack.limits)
        through = _through(attack, scene, result)
    after = sandbox.run("6 * 7")
    if (after.value, sandbox.pid) != ("42", supervisor):
        through = f"the sandbox was disturbed: {after}"
    if through is not None:
        return ("known" if level in attack.known else "through"), through
    end, why = _end(attack, result, level)
    return ("held" if end in attack.ends else "unclear"), why


def _through(attack: Attack, scene: Scene, result: Result) -> str | None:
    said = "".join(filter(None, (result.stdout, result.value, result.error)))
    if scene.token in said:
        return "the kernel allowed it"
    if scene.secret in said or "umi-canary-host" in said:
        return "it read a secret"
    if (touched := scene.touched()) is not None:
        return touched
    longest = attack.limits.seconds + 2.0
    if result.seconds > longest:
        return f"it ran for {result.seconds:.1f} s"
    return attack.check(result) if attack.check is not None else None


def _end(attack: Attack, result: Result, level: Level) -> tuple[str, str]:
    """How the program ended, in the words of `Attack.ends`, and the same for people."""
    told = f"{result.status}: {result.error or result.value or result.stdout[:80]}"
    refusal = _ERRNO.search(result.error or "")
    refused = {*(_HIDDEN if level == "full" else _REFUSED), *attack.errnos}
    if result.status == "error" and refusal and int(refusal.group(1)) in refused:
        return ("denied" if "denied" in attack.ends else "error"), told
    return result.status, told


def descendants(pid: int) -> list[int]:
    """A process, its children, theirs, and so on."""
    return [pid, *(deeper for child in children(pid) for deeper in descendants(child))]


def children(pid: int) -> list[int]:
    """The processes that this one has started and not waited for."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
