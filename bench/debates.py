"""Debates a second, and plain calls a second, against one scripted server.

    debates.py RELEASE_FOLDER [--debates N] [--in-flight N] [--latency-ms N]     called by debates.sh

A debate here is one round of two speeches and a judgement in both orders: four calls. Timed is the whole program, from its start to
its report, and the example `call_many` with as many calls. Server and client share the machine's cores.
"""

import argparse
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time


def experiment(url, in_flight):
    model = (
        f'{{ kind = "chat", address = "openai:scripted@{url}", '
        f"server = {{ max-concurrency = {in_flight} }} }}"
    )
    return f"""
name = "debates"
seeds = 1
[data]
set = "questions.jsonl"
[roles]
debater.model = {model}
judge.model = {model}
[[method]]
kind = "debate"
n-rounds = 1
"""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("release", type=pathlib.Path)
    parser.add_argument("--debates", type=int, default=10_000)
    parser.add_argument("--in-flight", type=int, default=200)
    parser.add_argument("--latency-ms", type=int, default=20)
    arguments = parser.parse_args()
    release = arguments.release.resolve()
    server = subprocess.Popen(
        [release / "scripted_server", "--script", "debate", "--latency-ms", str(arguments.latency_ms)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        url = server.stdout.readline().strip()
        n_calls = 4 * arguments.debates
        plain = subprocess.run(
            [release / "examples" / "call_many", url, str(n_calls), str(arguments.in_flight)],
            check=True,
            capture_output=True,
            text=True,
        )
        plain = json.loads(plain.stdout)
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            with open(folder / "questions.jsonl", "w") as questions:
                for i in range(arguments.debates):
                    row = {"question": f"Is {i} even?", "answers": ["Yes", "No"], "answer": i % 2}
                    questions.write(json.dumps(row) + "\n")
            (folder / "debates.toml").write_text(experiment(url, arguments.in_flight))
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            start = time.monotonic()
            subprocess.run([release / "trimtab", "run", "debates.toml", "--quiet"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
            secs = time.monotonic() - start
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            again = time.monotonic()
            subprocess.run([release / "trimtab", "run", "debates.toml", "--quiet"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
            again = time.monotonic() - again
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(f"{arguments.debates} debates, {n_calls} calls, {arguments.in_flight} in flight, {arguments.latency_ms} ms each")
        print(f"debates   {secs:8.1f} s   {n_calls / secs:8.0f} calls/s   {1000 * cpu / n_calls:6.2f} ms of processor a call   {after.ru_maxrss / 1024:6.0f} MB")
        print(f"plain     {plain['secs']:8.1f} s   {n_calls / plain['secs']:8.0f} calls/s   {1000 * plain['cpu_secs'] / n_calls:6.2f} ms of processor a call   {plain['peak_kib'] / 1024:6.0f} MB")
        print(f"ratio of calls a second, debates to plain: {plain['secs'] / secs:.2f}; run again, finished: {again:.1f} s")
    finally:
        server.kill()


if __name__ == "__main__":
    sys.exit(main())
