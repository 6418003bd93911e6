"""Kernel interfaces that ordinary programs do not need and that have had holes."""

from umi_lite.sandbox.attacks.attack import Attack, denied

_RUN_MACHINE_CODE = (
    "import mmap\n"
    "page = mmap.mmap(-1, 4096, prot=7)\n"
    "page.write({code})\n"
    "at = ctypes.addressof(ctypes.c_char.from_buffer(page))\n"
    "if ctypes.CFUNCTYPE(ctypes.c_int)(at)() > 0: won()"
)
# mov eax, 20 (getpid of i386); int 0x80; ret
_I386_GETPID = r'b"\xb8\x14\x00\x00\x00\xcd\x80\xc3"'

ATTACKS = (
    *denied(
        {
            "io_uring": "ring = ctypes.create_string_buffer(256)\n"
            'call("io_uring_setup", 1, ctypes.addressof(ring))',
            "userfaultfd": 'call("userfaultfd", 1)',
            "bpf": "attributes = ctypes.create_string_buffer(128)\n"
            'call("bpf", 0, ctypes.addressof(attributes), 128)',
            "perf events": "attributes = ctypes.create_string_buffer(128)\n"
            'call("perf_event_open", ctypes.addressof(attributes), 0, -1, -1, 0)',
            "add a key": 'call("add_key", b"user", b"umi", b"x", 1, -2)',
            "join a keyring": 'call("keyctl", 1, 0)',
            **{
                f"a new {name} namespace": f'call("unshare", {flag:#x})'
                for name, flag in {
                    "user": 0x10000000,
                    "mount": 0x20000,
                    "process": 0x20000000,
                    "network": 0x40000000,
                    "IPC": 0x8000000,
                }.items()
            },
            "enter a namespace": 'call("setns", 4, 0)',
            "mount": 'call("mount", b"none", b"/", b"tmpfs", 0, 0)',
            "open a file system": 'call("fsopen", b"tmpfs", 0)',
            "clone a mount": 'call("open_tree", -100, b"/", 1)',
            "change root": 'call("chroot", b"/")',
            "a file in memory": 'os.memfd_create("umi")',
            "a secret file in memory": 'call("memfd_secret", 0)',
            "SysV shared memory": 'call("shmget", 0, 4096, 0o1600)',
            "SysV semaphores": 'call("semget", 0, 1, 0o1600)',
            "SysV messages": 'call("msgget", 0, 0o1600)',
            "POSIX messages": 'call("mq_open", b"umi", 0o102, 0o600, 0)',
            "POSIX shared memory": "import _posixshmem\n"
            '_posixshmem.shm_open("/umi-attack", os.O_CREAT | os.O_RDWR, 0o600)',
            "file system events": 'call("fanotify_init", 0x200, 0)',
            "a filter of its own": 'call("seccomp", 2, 0, 0)',
            "rules of its own": 'call("landlock_create_ruleset", 0, 0, 1)',
            "another personality": 'call("personality", 0x0040000)',
            "a file handle": "handle = (ctypes.c_uint32 * 40)(128)\nmount = ctypes.c_int()\n"
            'call("name_to_handle_at", -100, b"/", ctypes.addressof(handle), '
            "ctypes.addressof(mount), 0)",
            "timers": 'timer = ctypes.c_int()\ncall("timer_create", 1, 0, ctypes.addressof(timer))',
            "epoll": 'call("epoll_create1", 0)',
            "an event descriptor": 'call("eventfd2", 0, 0)',
            "a timer descriptor": 'call("timerfd_create", 1, 0)',
            "a pipe": "os.pipe()",
            "splice": 'call("splice", 0, 0, 4, 0, 1, 0)',
            "type into the terminal": "import fcntl\nfcntl.ioctl(0, 0x5412, b'x')",
            "signals by file descriptor": "import fcntl\nfcntl.fcntl(4, 8, os.getpid())",
            "become somebody else": 'call("setuid", os.getuid())',
            "take capabilities": "head = (ctypes.c_uint32 * 2)(0x20080522, 0)\n"
            "none = (ctypes.c_uint32 * 6)()\n"
            'call("capset", ctypes.addressof(head), ctypes.addressof(none))',
            "raise a limit": "bound = (ctypes.c_uint64 * 2)(4096, 4096)\n"
            'call("prlimit64", 0, 7, ctypes.addressof(bound), 0)',
            "leave the filter's mode": 'call("prctl", 22, 0, 0)',
        }
    ),
    Attack(
        "call as i386",
        _RUN_MACHINE_CODE.format(code=_I386_GETPID),
        ends=("crash",),
        machine="x86_64",
    ),
    Attack(
        "call as x32",
        "if libc.syscall(0x40000000 + 39) > 0: won()",
        ends=("crash",),
        machine="x86_64",
    ),
    Attack(
        "a local descriptor table",
        'call("modify_ldt", 0, 0, 0)\nwon()',
        machine="x86_64",
    ),
)
