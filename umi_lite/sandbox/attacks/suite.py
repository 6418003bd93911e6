"""The attack suite: runs each attack against its own victims and judges what the kernel allowed.

Never as root, and never unconfined: before the first attack a harmless program has to show that
its process is under seccomp, no_new_privs and Landlock.
"""

import os
import platform
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from umi_lite.errors import UserError
from umi_lite.sandbox.attacks import channel, kernel, system
from umi_lite.sandbox.attacks.attack import Attack
from umi_lite.sandbox.attacks.victims import Victims
from umi_lite.sandbox.result import Level, Result
from umi_lite.sandbox.sandbox import Sandbox

FAMILIES: dict[str, Sequence[Attack]] = {
    "files": system.FILES,
    "secrets of the parent": system.SECRETS,
    "network": system.NETWORK,
    "processes": system.PROCESSES,
    "kernel interfaces": kernel.INTERFACES,
    "resource exhaustion": kernel.EXHAUSTION,
    "crashes": channel.CRASHES,
    "protocol spoofing": channel.FORGERIES,
    "output poisoning": channel.POISONING,
}

Verdict = Literal["held", "known", "through", "unclear"]
# EPERM, EACCES, EROFS, ENOSYS; at `full` also ENOENT and ESRCH, for what does not exist there.
_REFUSED = frozenset({1, 13, 30, 38})
_HIDDEN = _REFUSED | {2, 3}
_ERRNO = re.compile(r"\[Errno (\d+)\]")


# An attack that may or may not have been held counts as a failure.
FAILED: tuple[Verdict, ...] = ("through", "unclear")


@dataclass(frozen=True)
class Outcome:
    """The outcome of one attack.

    Attributes:
        verdict: `held`; `through` (it did what it tried); `known` (the same, at a level that does
            not promise to stop it); `unclear` (it ended in a way that shows neither).
        why: what was observed.
    """

    family: str
    attack: str
    verdict: Verdict
    why: str

    @property
    def failed(self) -> bool:
        """True if the attack got through, or may have."""
        return self.verdict in FAILED


def run_suite(level: Level, seen: Callable[[Outcome], None] = lambda _: None) -> list[Outcome]:
    """Run all attacks at a level.

    Args:
        seen: called with each outcome.

    Raises:
        UserError: this process is root, or the level is not available here.
    """
    if os.geteuid() == 0:
        raise UserError("the attacks never run as root: use an ordinary user")
    outcomes: list[Outcome] = []
    # A secret of the host, for the attacks that look for its environment.
    os.environ["UMI_SANDBOX_CANARY"] = "umi-canary-host"
    with Sandbox(level) as sandbox:
        check_confined(sandbox)
        for family, attacks in FAMILIES.items():
            for attack in attacks:
                if attack.machine not in (None, platform.machine()):
                    continue
                verdict, why = _run(attack, sandbox, level)
                outcomes.append(Outcome(family, attack.name, verdict, why))
                seen(outcomes[-1])
    return outcomes


def check_confined(sandbox: Sandbox) -> None:
    """Check from outside that a harmless program's process is confined.

    Raises:
        UserError: it is not confined.
    """
    sandbox.start()
    with sandbox.session() as session:
        # Its process id as seen inside; the worker forked ahead is another process.
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
    with Victims() as victims:
        result = sandbox.run(victims.program(attack.program), attack.limits)
        through = _through(attack, victims, result)
    after = sandbox.run("6 * 7")
    if (after.value, sandbox.pid) != ("42", supervisor):
        through = f"the sandbox was disturbed: {after}"
    if through is not None:
        return ("known" if level in attack.known else "through"), through
    end, why = _end(attack, result, level)
    return ("held" if end in attack.ends else "unclear"), why


def _through(attack: Attack, victims: Victims, result: Result) -> str | None:
    said = "".join(filter(None, (result.stdout, result.value, result.error)))
    if victims.token in said:
        return "the kernel allowed it"
    if victims.secret in said or "umi-canary-host" in said:
        return "it read a secret"
    if (touched := victims.touched()) is not None:
        return touched
    longest = attack.limits.seconds + 2.0
    if result.seconds > longest:
        return f"it ran for {result.seconds:.1f} s"
    return attack.check(result) if attack.check is not None else None


def _end(attack: Attack, result: Result, level: Level) -> tuple[str, str]:
    """Return how the program ended, as in `Attack.ends`, and a line for people."""
    shown = f"{result.status}: {result.error or result.value or result.stdout[:80]}"
    refusal = _ERRNO.search(result.error or "")
    refused = {*(_HIDDEN if level == "full" else _REFUSED), *attack.errnos}
    if result.status == "error" and refusal and int(refusal.group(1)) in refused:
        return ("denied" if "denied" in attack.ends else "error"), shown
    return result.status, shown


def descendants(pid: int) -> list[int]:
    """Return a process, its children, their children, and so on."""
    return [pid, *(deeper for child in children(pid) for deeper in descendants(child))]


def children(pid: int) -> list[int]:
    """Return the processes that this one has started and not waited for."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
