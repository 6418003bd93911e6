"""Landlock: which files a process may open; all other access to files is denied.

Source: the kernel's Documentation/userspace-api/landlock.rst. The syscall numbers are the
same on every architecture.
"""

import ctypes
import os
from collections.abc import Iterable

from umi_lite.sandbox.libc import syscall

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446
_WANT_VERSION = 1
_PATH_BENEATH = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
# Rights on files that each version of the interface knows, the last for all later ones.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_TCP = 0b11
_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11


def version() -> int:
    """Return the kernel's Landlock ABI, 0 if it has none or it is switched off."""
    try:
        return syscall(_CREATE, 0, 0, _WANT_VERSION)
    except OSError:
        return 0


def readable_only(paths: Iterable[str]) -> int:
    """Return a ruleset: these files and folders can be read, nothing else opened or changed.

    Where the kernel knows how, TCP, abstract sockets and signals to outside are denied too.

    Returns:
        Its file descriptor; `restrict` takes it.

    Raises:
        OSError: the kernel has no Landlock.
    """
    abi = version()
    rights = (1 << _FILE_RIGHTS.get(abi, 16)) - 1
    fields = [rights]
    if abi >= 4:
        fields.append(_TCP)
    if abi >= 6:
        fields.append(_ABSTRACT_SOCKETS_AND_SIGNALS)
    attributes = (ctypes.c_uint64 * len(fields))(*fields)
    ruleset = syscall(_CREATE, ctypes.addressof(attributes), ctypes.sizeof(attributes), 0)
    for path in paths:
        _allow_reading(ruleset, path)
    return ruleset


def restrict(ruleset: int) -> None:
    """Put this process under the ruleset. It needs no_new_privs."""
    syscall(_RESTRICT, ruleset, 0)


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def _allow_reading(ruleset: int, path: str) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is missing, or not readable, need not be allowed
    rights = _READ_FILE | (_READ_DIR if os.path.isdir(path) else 0)
    rule = _PathBeneath(rights, opened)
    try:
        syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.addressof(rule), 0)
    finally:
        os.close(opened)
