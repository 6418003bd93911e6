"""EXPERIMENTAL, never run yet: a worker on macOS, confined by the system's own sandbox.

`sandbox_init`, the call that sandbox-exec uses, applies the profile after the fork. It lacks
Linux's private process table, memory limit and parent-death signal.
"""

import ctypes
import ctypes.util
import resource
import sys
from typing import Any

_PROFILE = """\
(version 1)
(deny default)
(allow file-read* {readable})
(allow file-read-metadata)
(allow sysctl-read)
(allow signal (target self))
"""


def enter(limits: dict[str, Any]) -> None:
    """Put this process under rlimits and the profile, irrevocably.

    Raises:
        OSError: the system refused the profile.
    """
    for kind, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, limits["open_files"]),
        (resource.RLIMIT_AS, limits["memory_mib"] << 20),
    ):
        resource.setrlimit(kind, (value, value))
    folders = (sys.base_prefix, "/usr/lib", "/usr/share/zoneinfo", "/System/Library")
    readable = " ".join(f'(subpath "{folder}")' for folder in folders)
    library = ctypes.CDLL(ctypes.util.find_library("sandbox") or "libSystem.dylib")
    error = ctypes.c_char_p()
    profile = _PROFILE.format(readable=readable).encode()
    if library.sandbox_init(profile, ctypes.c_uint64(0), ctypes.byref(error)) != 0:
        raise OSError((error.value or b"sandbox_init").decode())
