"""Calls of a chat model a second, against a scripted server: our client, plain asyncio and httpx, and inspect_ai.

    llm.py CALL_MANY SCRIPTED_SERVER [--calls N] [--in-flight N] [--latency-ms N] [--rounds N]     called by llm.sh

The clients take turns on one server, and send the same conversations. Timed is from the first call to the last answer,
in each client's own process: calls a second, processor time of the client a call, and its peak memory, which is that of
the whole process, with the interpreter where there is one. The Python clients make a tenth of the calls, for their time: the pool of httpx looks through all its connections
at each call, so that it does better with fewer in flight (`--in-flight 100`). The ideal is
calls in flight over latency; server and client share the machine's cores, so on a small machine neither reaches it.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

KINDS = ["trimtab", "httpx", "inspect_ai"]


def body(i):
    return {
        "model": "m",
        "messages": [{"role": "user", "content": f"What is {i} plus {i}?"}],
        "temperature": 1.0,
        "top_p": 1.0,
        "max_tokens": 512,
        "seed": i,
    }


async def call_httpx(url, calls, in_flight):
    limits = httpx.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
    numbers = iter(range(calls))
    n_answered = 0

    async def worker(client):
        nonlocal n_answered
        for i in numbers:
            response = await client.post(f"{url}/chat/completions", json=body(i))
            response.raise_for_status()
            text = response.json()["choices"][0]["message"]["content"]
            n_answered += text.startswith("What is")

    async with httpx.AsyncClient(limits=limits, timeout=None, trust_env=False) as client:
        await asyncio.gather(*(worker(client) for _ in range(in_flight)))
    return n_answered


async def call_inspect(url, calls, in_flight):
    config = GenerateConfig(max_connections=in_flight, max_tokens=512, temperature=1.0, top_p=1.0)
    model = get_model("openai-api/local/m", base_url=url, api_key="none", config=config)
    numbers = iter(range(calls))
    n_answered = 0

    async def worker():
        nonlocal n_answered
        for i in numbers:
            message = ChatMessageUser(content=f"What is {i} plus {i}?")
            output = await model.generate([message], config=GenerateConfig(seed=i))
            n_answered += output.completion.startswith("What is")

    await asyncio.gather(*(worker() for _ in range(in_flight)))
    return n_answered


def client(kind, url, calls, in_flight):
    """Runs one client in this process and prints what it took."""
    # Not timed, and not in the way of the others.
    global asyncio, httpx, ChatMessageUser, GenerateConfig, get_model
    import asyncio

    if kind == "httpx":
        import httpx
    else:
        from inspect_ai.model import ChatMessageUser, GenerateConfig, get_model

    call = {"httpx": call_httpx, "inspect_ai": call_inspect}[kind]
    since, cpu = time.monotonic(), time.process_time()
    n_answered = asyncio.run(call(url, calls, in_flight))
    taken = {"secs": time.monotonic() - since, "cpu_secs": time.process_time() - cpu}
    if n_answered != calls:
        sys.exit(f"{n_answered} of {calls} were answered")
    taken["peak_kib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps(taken))


def compare(options):
    server = subprocess.Popen(
        [options.scripted_server, "--latency-ms", str(options.latency_ms)],
        stdout=subprocess.PIPE, text=True,
    )
    try:
        url = server.stdout.readline().strip()
        calls = {
            "trimtab": options.calls,
            "httpx": max(options.calls // 10, 1),
            "inspect_ai": max(options.calls // 10, 1),
        }
        rounds = {kind: [] for kind in KINDS}
        for _ in range(options.rounds):
            for kind in KINDS:
                figures = [url, str(calls[kind]), str(options.in_flight)]
                if kind == "trimtab":
                    command = [options.call_many, *figures]
                else:
                    command = [sys.executable, __file__, "--client", kind, *figures]
                printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                rounds[kind].append(json.loads(printed.stdout.splitlines()[-1]))
    finally:
        server.kill()
        server.wait()
    ideal = options.in_flight / (options.latency_ms / 1000)
    print(
        f"{options.in_flight} in flight, {options.latency_ms} ms: ideal {ideal:.0f} calls a second;"
        f" medians of {options.rounds} rounds"
    )
    print(f"{'':<12}{'calls':>9}{'calls/s':>10}{'ms CPU a call':>15}{'MiB at most':>13}{'our speed to it':>17}{'its CPU to ours':>17}")
    ours = None
    for kind in KINDS:
        median = {
            key: statistics.median(taken[key] for taken in rounds[kind])
            for key in ["secs", "cpu_secs", "peak_kib"]
        }
        speed = calls[kind] / median["secs"]
        cpu_ms = 1000 * median["cpu_secs"] / calls[kind]
        ours = ours or (speed, cpu_ms)
        print(
            f"{kind:<12}{calls[kind]:>9}{speed:>10.0f}{cpu_ms:>15.3f}{median['peak_kib'] / 1024:>13.0f}"
            f"{ours[0] / speed:>17.1f}{cpu_ms / ours[1]:>17.1f}"
        )


if __name__ == "__main__":
    if sys.argv[1] == "--client":
        kind, url, calls, in_flight = sys.argv[2:]
        client(kind, url, int(calls), int(in_flight))
    else:
        parser = argparse.ArgumentParser()
        parser.add_argument("call_many")
        parser.add_argument("scripted_server")
        parser.add_argument("--calls", type=int, default=50_000)
        parser.add_argument("--in-flight", type=int, default=1000)
        parser.add_argument("--latency-ms", type=int, default=50)
        parser.add_argument("--rounds", type=int, default=3)
        compare(parser.parse_args())
