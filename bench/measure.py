"""Runs a command and says what it took: wall and processor seconds, and the peak of its memory.

    measure.py LABEL COMMAND...
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass


@dataclass
class Taken:
    """What a process took, its threads and waited-for children included."""

    wall_secs: float
    cpu_secs: float
    peak_mb: float
    status: int

    def __str__(self):
        return f"{self.wall_secs:6.2f} s wall, {self.cpu_secs:6.2f} s CPU, {self.peak_mb:5.0f} MB at most"


def start(command, **options):
    """Starts a command; its output is not wanted."""
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **options
    )


def finish(process, since):
    """Waits for a process started at `since` (monotonic)."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Taken(
        wall_secs=time.monotonic() - since,
        cpu_secs=usage.ru_utime + usage.ru_stime,
        # Linux counts in units of 1024 bytes.
        peak_mb=usage.ru_maxrss * 1024 / 1e6,
        status=process.returncode,
    )


def measure(command, **options):
    """Runs a command to its end, which must be a good one."""
    since = time.monotonic()
    taken = finish(start(command, **options), since)
    if taken.status != 0:
        sys.exit(f"exit status {taken.status}: {' '.join(map(str, command))}")
    return taken


if __name__ == "__main__":
    print(f"{sys.argv[1]:<28}{measure(sys.argv[2:])}", flush=True)
