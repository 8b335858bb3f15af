"""Trains on the million rows, resumes when finished, is killed in the middle, resumes there.

    million_rows.py TRIMTAB FOLDER          called by million_rows.sh
"""

import json
import shutil
import signal
import sys
import time
from pathlib import Path

from measure import finish, measure, start


def events(run):
    """What has happened in a run folder so far."""
    try:
        text = (run / "events.jsonl").read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    whole, _, _ = text.rpartition("\n")
    return [json.loads(line) for line in whole.splitlines()]


def main():
    trimtab, folder = sys.argv[1], Path(sys.argv[2])
    shutil.copy(Path(__file__).with_suffix(".toml"), folder)
    run = folder / "run"

    def command():
        return [trimtab, "run", folder / "million_rows.toml", "--out", run, "--quiet"]

    def tell(label, taken):
        print(f"{label:<42}{taken}", flush=True)

    size = (folder / "million.jsonl").stat().st_size
    print(f"1,000,000 rows of 384 features, {size / 1e9:.1f} GB of JSONL")
    shutil.rmtree(run, ignore_errors=True)
    tell("trains, from the file to the report", measure(command()))
    for happened in events(run):
        if happened["event"] == "cell-finished":
            name, secs = f"{happened['kind']} {happened['name']}", happened["wall_secs"]
            print(f"    {name:<38}{secs:6.2f} s wall")
    tell("resumes, finished: all of it", measure(command()))

    shutil.rmtree(run)
    since = time.monotonic()
    process = start(command())
    while process.poll() is None:
        if any(happened["event"] == "cell-finished" for happened in events(run)):
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.01)
    killed = finish(process, since)
    before = events(run)
    n_done = sum(happened["event"] == "cell-finished" for happened in before)
    if killed.status != -signal.SIGKILL or n_done == 0:
        sys.exit(f"it ended before it could be killed: exit status {killed.status}")
    tell(f"killed after cell {n_done}", killed)

    began = time.time()
    taken = measure(command())
    resumed = events(run)[len(before) :]
    at = {}
    for happened in resumed:
        at.setdefault(happened["event"], happened["at"] - began)
    cell = next(happened for happened in resumed if happened["event"] == "cell-finished")
    # The clock of a cell stops before the cell is stored: it began no later than this.
    computing = cell["at"] - began - cell["wall_secs"]
    print(f"resumes, unfinished: data in memory after {at['loaded']:.2f} s,")
    print(f"    computing again after {computing:.2f} s, the next cell stored after {at['cell-finished']:.2f} s")
    tell("    to the report", taken)
    shutil.rmtree(run)


if __name__ == "__main__":
    main()
