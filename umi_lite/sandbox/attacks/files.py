"""Files of the user's: read, changed, made. Nothing may be written anywhere."""

from umi_lite.sandbox.attacks.attack import Attack, denied

_NEXT_TO_IT = 'FOLDER + "/new"'

ATTACKS = (
    *denied(
        {
            "read a file": "leak = open(CANARY).read(); print(leak)",
            "read by way of /proc/self/root": 'print(open("/proc/self/root" + CANARY).read())',
            "read by way of ..": 'print(open("/usr/../" + CANARY).read())',
            "read by way of a library folder": (
                'up = os.path.dirname(os.__file__) + "/.." * 20\nprint(open(up + CANARY).read())'
            ),
            "map a file": (
                "import mmap\nfd = os.open(CANARY, os.O_RDONLY)\n"
                "print(mmap.mmap(fd, 0, prot=mmap.PROT_READ)[:])"
            ),
            "hold a file by O_PATH": "os.open(CANARY, 0o10000000)",
            "open with openat2": (
                "how = (ctypes.c_uint64 * 3)(0, 0, 0)\n"
                'call("openat2", -100, CANARY.encode(), ctypes.addressof(how), 24)'
            ),
            "overwrite a file": 'open(CANARY, "w").write("gone")',
            "append to a file": 'open(CANARY, "a").write("more")',
            "change a file in place": 'open(CANARY, "r+b").write(b"X")',
            "truncate by path": "os.truncate(CANARY, 0)",
            "truncate on opening to read": "os.open(CANARY, os.O_RDONLY | os.O_TRUNC)",
            "delete a file": "os.unlink(CANARY)",
            "rename a file": f"os.rename(CANARY, {_NEXT_TO_IT})",
            "hard-link a file": f"os.link(CANARY, {_NEXT_TO_IT})",
            "make a symbolic link": f"os.symlink(CANARY, {_NEXT_TO_IT})",
            "make a file": f'open({_NEXT_TO_IT}, "w")',
            "make a folder": f"os.mkdir({_NEXT_TO_IT})",
            "make a named pipe": f"os.mkfifo({_NEXT_TO_IT})",
            "make a nameless file": "os.open(FOLDER, os.O_TMPFILE | os.O_RDWR)",
            "change a file's mode": "os.chmod(CANARY, 0o777)",
            "change a file's times": "os.utime(CANARY, (1, 1))",
            "set an extended attribute": 'os.setxattr(CANARY, "user.x", b"1")',
            "list a folder": "print(os.listdir(FOLDER))",
            "list the root folder": 'print(os.listdir("/"))',
            "list the homes": 'print(os.listdir("/home"))',
            "read the password file": 'print(open("/etc/passwd").read())',
            "write into /tmp": 'open("/tmp/umi-attack", "x")',
            "write into /dev/shm": 'open("/dev/shm/umi-attack", "x")',
            "write into the working folder": 'open("umi-attack", "x")',
            "write into the standard library": 'open(os.path.dirname(os.__file__) + "/u.py", "x")',
            "change folder": "os.chdir(FOLDER)",
            "watch a folder": 'call("inotify_init1", 0)',
        }
    ),
    Attack("read a file's metadata", "os.stat(CANARY)\nwon()", known=("standard",)),
    Attack(
        "ask whether a file is there",
        "if os.path.exists(CANARY): won()",
        ends=("ok",),
        known=("standard",),
    ),
    Attack(
        "read where a link points",
        'print(os.readlink(FOLDER + "/link"))\nwon()',
        known=("standard",),
    ),
)
