"""Processes that train in turns, and what each took: processor time and memory come from /proc."""

import json
import os
import subprocess
import sys
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


class Side:
    """A process that trains so many steps as it is told, a line each time, and answers with their losses as a JSON list."""

    def __init__(self, command, environment=None, stderr=None):
        self.process = subprocess.Popen(
            list(map(str, command)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=os.environ | (environment or {}),
        )
        self.losses = []
        self.run(0)
        self.idle_mb = self.peak_mb()

    def run(self, steps):
        """CPU and wall seconds of some steps."""
        cpu, wall = self.cpu_secs(), os.times().elapsed
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        wall = os.times().elapsed - wall
        if not line:
            sys.exit(f"a side ended: {self.process.args}")
        self.losses += json.loads(line)
        return self.cpu_secs() - cpu, wall

    def cpu_secs(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def peak_mb(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
        return int(kib) * 1024 / 1e6

    def close(self):
        self.process.stdin.close()
        self.process.wait()
