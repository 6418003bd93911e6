"""Paths of the interpreter and its packages: what a worker may read, what `full` shows."""

import glob
import importlib.util
import os
import shutil
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import PurePath

from umi_lite.errors import UserError

# Imported by sympy.
_COMPANIONS = {"sympy": ("sympy", "mpmath")}
_SYSTEM_LIBRARIES = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache")
_NIX = "/nix/store"
# The same on most machines, and too short to replace in a text.
_COMMON_PREFIXES = ("/", "/usr", "/usr/local", "/opt")


def interpreter() -> str:
    """Return the interpreter itself, not a virtual environment's link to it."""
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


def package_folder(packages: Sequence[str]) -> tuple[list[str], str | None]:
    """Return those of the packages that are installed, and the folder that holds them.

    Raises:
        UserError: they are in several folders.
    """
    specs = {name: importlib.util.find_spec(name) for name in packages}
    origins = {name: spec.origin for name, spec in specs.items() if spec and spec.origin}
    folders = {os.path.dirname(os.path.dirname(origin)) for origin in origins.values()}
    if len(folders) > 1:
        raise UserError(f"{', '.join(origins)} are in several folders; install them into one")
    return list(origins), next(iter(folders), None)


def readable(packages: Sequence[str], folder: str | None) -> list[str]:
    """Return what a worker can read: the standard library, the packages, time zones."""
    names = [name for package in packages for name in _COMPANIONS.get(package, (package,))]
    return [
        *_standard_library(),
        *(os.path.join(folder, name) for name in names if folder is not None),
        "/usr/share/zoneinfo",
    ]


def shown(packages: Sequence[str], folder: str | None) -> list[str]:
    """Return what `full` shows to the supervisor, read-only; nothing else exists there."""
    here = os.path.dirname(os.path.abspath(__file__))
    base = sys.base_prefix
    libraries = glob.glob(os.path.join(base, "lib*", "lib*.so*")) if base != "/usr" else []
    paths = [
        *readable(packages, folder),
        *_SYSTEM_LIBRARIES,
        _NIX,
        *libraries,
        interpreter(),
        here,
        os.path.join(os.path.dirname(here), "__init__.py"),
    ]
    return [path for path in dict.fromkeys(paths) if os.path.exists(path)]


def aliases(folder: str | None) -> list[tuple[str, str]]:
    """Return (path, alias) for paths that tracebacks may show, longest path first."""
    paths = sysconfig.get_paths()
    library = {paths["stdlib"], os.path.dirname(os.__file__), *_standard_library()}
    named = {path: "<python>" for path in library if "site-packages" not in path}
    if sys.base_prefix not in _COMMON_PREFIXES:
        named[sys.base_prefix] = "<python>"
    if folder is not None:
        named[folder] = "<packages>"
    named[os.path.dirname(os.path.dirname(os.path.abspath(__file__)))] = "<umi_lite>"
    return sorted(named.items(), key=lambda item: -len(item[0]))


def _standard_library() -> list[str]:
    paths = sysconfig.get_paths()
    base = {os.path.realpath(paths[key]) for key in ("stdlib", "platstdlib")}
    # In a virtual environment platstdlib is the environment's own; the base has it too.
    base.add(os.path.dirname(os.path.realpath(os.__file__)))
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    base |= {os.path.join(sys.base_exec_prefix, name, version) for name in ("lib", "lib64")}
    return sorted(path for path in base if os.path.isdir(path) and "site-packages" not in path)


def bwrap_program() -> str | None:
    """Return the path of bubblewrap, None if it is not installed."""
    return shutil.which("bwrap")


def bwrap_command(bwrap: str, shown: Sequence[str]) -> list[str]:
    """Return the words before a command that run it inside bubblewrap.

    Args:
        bwrap: path of bubblewrap.
        shown: existing paths; the command can read these, nothing else.
    """
    namespaces = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    namespaces += ["--unshare-cgroup-try", "--hostname", "sandbox"]
    if os.geteuid() == 0:
        # As root, no user namespace is needed; only the rights to become another user.
        rights = ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        rights = ["--unshare-user", "--cap-drop", "ALL"]
    # Created open to all: bubblewrap would close a parent folder that is closed outside.
    parents = {str(parent) for path in shown for parent in PurePath(path).parents}
    paths = [word for parent in sorted(parents - {"/"}) for word in ("--dir", parent)]
    paths += [word for path in shown for word in ("--ro-bind", path, path)]
    paths += ["--dev-bind", "/dev/null", "/dev/null", "--remount-ro", "/", "--chdir", "/"]
    # As process 1 the supervisor takes everything inside with it when it dies.
    return [bwrap, *namespaces, *rights, *paths, "--new-session", "--as-pid-1", "--"]
