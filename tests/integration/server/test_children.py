"""Child processes: they die with their parent, and their end is told in words."""

import signal
import subprocess
import sys
import time

import psutil
import pytest

from cache_streams.server.children import dying_with_parent, exit_reason

DEADLINE_S = 10.0


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (0, "exit code 0"),
        (2, "exit code 2"),
        (-9, "signal SIGKILL"),
        (-15, "signal SIGTERM"),
        (-200, "signal 200"),
    ],
)
def test_an_end_is_told_by_exit_code_or_signal(code: int, reason: str) -> None:
    assert exit_reason(code) == reason


def test_the_wrapper_becomes_the_command_and_keeps_its_process_id() -> None:
    with subprocess.Popen(
        dying_with_parent(sys.executable, "-c", "import os; print(os.getpid())"),
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert int(child.stdout.read()) == child.pid


def test_a_child_of_a_parent_that_is_gone_does_not_start() -> None:
    command = dying_with_parent(sys.executable, "-c", "print('started')")
    command[command.index("-c") + 2] = (
        "1"  # not the id of this process: the parent that it was made for has gone
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""


def test_the_signal_of_the_parents_death_can_be_chosen() -> None:
    script = (
        "import subprocess, sys, time\n"
        "from signal import SIGKILL\n"
        "from cache_streams.server.children import dying_with_parent\n"
        "stubborn = 'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)'\n"
        "child = subprocess.Popen(dying_with_parent(sys.executable, '-c', stubborn, by=SIGKILL), stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + DEADLINE_S
        while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
            time.sleep(0.01)
