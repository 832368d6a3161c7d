"""Command lines of child processes that die with their parent, however it dies."""

import os
import signal
import sys

from django.conf import settings

# Runs in the child before it becomes the command: asks the kernel for SIGTERM on the parent's death, then looks whether
# that death came first. A wrapper rather than `preexec_fn`, which may deadlock a parent with threads. Linux only;
# elsewhere the children of a parent that was killed with SIGKILL must be ended by hand.
_GUARD = """
import os, sys
parent, signal_number = int(sys.argv[1]), int(sys.argv[2])
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, signal_number, 0, 0, 0)
if os.getppid() != parent:
    sys.exit("the parent process has gone")
os.execvp(sys.argv[3], sys.argv[3:])
"""


def dying_with_parent(*command: str, by: signal.Signals = signal.SIGTERM) -> list[str]:
    """Return the command line that runs ``command`` (a program on PATH or its path) and ends it by signal ``by``.

    It must be started from the main thread: the kernel watches the thread that starts a child, not the process.
    """
    return [sys.executable, "-I", "-S", "-c", _GUARD, str(os.getpid()), str(int(by)), *command]


def management_command(name: str, *arguments: str) -> list[str]:
    """Return the command line of ``manage.py name`` that dies with this process."""
    return dying_with_parent(sys.executable, str(settings.BASE_DIR / "manage.py"), name, *arguments)


def exit_reason(code: int) -> str:
    """Return why a process ended, from its return code: ``exit code 1`` or ``signal SIGKILL``."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
