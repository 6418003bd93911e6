"""Other processes: made, run, signalled, slowed; a victim must go on as it was."""

import signal

from umi_lite.sandbox.attacks.attack import Attack, denied

_CHILD_ENDS = "\nif pid == 0: os._exit(0)"

ATTACKS = (
    *denied(
        {
            "fork": "pid = os.fork()" + _CHILD_ENDS,
            "clone without flags": f'pid = call("clone", {int(signal.SIGCHLD)}, 0, 0, 0, 0)'
            + _CHILD_ENDS,
            "clone3": (
                f"asked = (ctypes.c_uint64 * 11)(0, 0, 0, 0, {int(signal.SIGCHLD)})\n"
                'pid = call("clone3", ctypes.addressof(asked), 88)' + _CHILD_ENDS
            ),
            "clone a sibling": (
                f'pid = call("clone", 0x8000 | {int(signal.SIGCHLD)}, 0, 0, 0, 0)' + _CHILD_ENDS
            ),
            "a thread in a new namespace": (
                'pid = call("clone", 0x3D0F00 | 0x20000000, 0, 0, 0, 0)' + _CHILD_ENDS
            ),
            "run a program": 'os.execv("/bin/true", ["true"])',
            "run a program by descriptor": 'call("execveat", -100, b"/bin/true", 0, 0, 0)',
            "run a shell": 'import subprocess\nsubprocess.run(["/bin/sh", "-c", ":"])',
            "spawn": 'os.posix_spawn("/bin/true", ["true"], {})',
            "os.system": 'if os.system(":") == 0: won()\nraise PermissionError(1, "no shell")',
            "multiprocessing": (
                "import multiprocessing\n"
                'multiprocessing.get_context("fork").Process(target=print).start()'
            ),
            "kill a process": f"os.kill(VICTIM, {int(signal.SIGKILL)})",
            "stop a process": f"os.kill(VICTIM, {int(signal.SIGSTOP)})",
            "stop a process's thread": f'call("tgkill", VICTIM, VICTIM, {int(signal.SIGSTOP)})',
            "stop by the old call": f'call("tkill", VICTIM, {int(signal.SIGSTOP)})',
            "queue a signal": (
                "info = ctypes.create_string_buffer(128)\n"
                f'call("rt_sigqueueinfo", VICTIM, {int(signal.SIGTERM)}, ctypes.addressof(info))'
            ),
            "reach the supervisor by signal": "os.kill(os.getppid(), 0)",
            "reach everybody by signal": "os.kill(-1, 0)",
            "reach the process group by signal": "os.kill(0, 0)",
            "signal by handle": 'call("pidfd_send_signal", 0, 0, 0, 0)',
            "slow a process down": "os.setpriority(os.PRIO_PROCESS, VICTIM, 19)",
            "pin a process": "os.sched_setaffinity(VICTIM, {0})",
            "reschedule a process": (
                "os.sched_setscheduler(VICTIM, os.SCHED_IDLE, os.sched_param(0))"
            ),
            "limit a process": (
                "bound = (ctypes.c_uint64 * 2)(1, 1)\n"
                'call("prlimit64", VICTIM, 0, ctypes.addressof(bound), 0)'
            ),
            "advise on a process's memory": 'call("process_madvise", 0, 0, 0, 0, 0)',
            "move a process's memory": 'call("move_pages", VICTIM, 0, 0, 0, 0, 0)',
            "write another process's memory": (
                "buffer = ctypes.create_string_buffer(8)\n"
                "vector = (ctypes.c_uint64 * 2)(ctypes.addressof(buffer), 8)\n"
                "at = ctypes.addressof(vector)\n"
                'call("process_vm_writev", VICTIM, at, 1, at, 1, 0)'
            ),
            "leave the session": "os.setsid()",
            "leave the process group": "os.setpgid(0, 0)",
            "outlive the supervisor": 'call("prctl", 1, 0)',
            "adopt orphans": 'call("prctl", 36, 1)',
        }
    ),
    Attack(
        "be root",
        "if 0 in (os.getuid(), os.geteuid(), os.getgid(), *os.getresuid()): won()",
        ends=("ok",),
    ),
)
