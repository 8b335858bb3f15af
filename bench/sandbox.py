"""Times sandboxed programs against bare starts of Python, in turn, two at a time.

    sandbox.py TRIMTAB PROGRAMS ROUNDS

Both do the same: `pass`, by the system's Python, isolated. TRIMTAB may be several words.
"""

import os
import shlex
import subprocess
import sys
import tempfile
import time

PYTHON = "/usr/bin/python3"
AT_ONCE = 2


def bare(n: int) -> float:
    """Seconds for `n` starts. A new one begins as soon as one ends."""
    begun = time.monotonic()
    running, left = 0, n
    while left or running:
        if left and running < AT_ONCE:
            os.posix_spawn(PYTHON, [PYTHON, "-I", "-c", "pass"], {})
            running, left = running + 1, left - 1
        else:
            os.wait()
            running -= 1
    return time.monotonic() - begun


def sandboxed(trimtab: list[str], n: int) -> float:
    """Seconds for `n` programs in sandboxes."""
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as programs:
        programs.write('{"source": "pass"}\n' * n)
        programs.flush()
        command = [*trimtab, "sandbox", "--programs", programs.name, "--jobs", str(AT_ONCE)]
        begun = time.monotonic()
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        took = time.monotonic() - begun
    outcomes = done.stdout.splitlines()
    assert len(outcomes) == n and all('"exited":0' in line for line in outcomes)
    return took


def main() -> None:
    trimtab, n, rounds = shlex.split(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    bare(AT_ONCE)
    for _ in range(rounds):
        without, within = bare(n), sandboxed(trimtab, n)
        each = 1000 * within / n
        print(f"{n} programs: bare {without:.1f} s, sandboxed {within:.1f} s ({each:.1f} ms each): {within / without:.2f} times")


if __name__ == "__main__":
    main()
