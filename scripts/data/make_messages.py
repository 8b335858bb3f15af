#!/usr/bin/env python3
"""Makes docs/tutorials/messages.csv: 900 made-up messages to a help desk, each urgent or not, for a tutorial.

    python3 scripts/data/make_messages.py            # writes the file
    python3 scripts/data/make_messages.py --check    # compares it

A message is four clauses. Each of them speaks for its label with probability .45, against it with .1, and else says nothing of it; so
whoever reads the first clause alone is right far less often than whoever reads all. No text of others is in it.
"""

import csv
import io
import pathlib
import random
import sys

OUT = pathlib.Path(__file__).resolve().parents[2] / "docs/tutorials/messages.csv"
URGENT = [
    "the server is down", "nobody can log in", "orders are being lost", "customers are shouting at us", "the site shows errors everywhere",
    "we lose money every minute", "the payment fails for everyone", "data have vanished", "the alarm does not stop", "it must be fixed today",
]
CALM = [
    "there is no hurry", "it is a small thing", "just a question", "whenever you have time", "the colour looks a bit off",
    "a nicer font would be good", "next month is fine", "we found a way around it", "only an idea for later", "thanks for the good work",
]
NEUTRAL = [
    "we use the newest version", "this is about the shop page", "I wrote to you last week", "the screen is attached", "my colleague saw it as well",
    "we are on the second floor", "it began on Tuesday", "the browser is a common one", "please call the office", "the account is the old one",
    "our team has nine people", "I tried it twice", "the manual says little", "it concerns the export", "you know our number",
]


def message(draw: random.Random, urgent: bool) -> str:
    own, other = (URGENT, CALM) if urgent else (CALM, URGENT)
    clauses = []
    while len(clauses) < 4:
        at = draw.random()
        clause = draw.choice(own if at < 0.45 else other if at < 0.55 else NEUTRAL)
        if clause not in clauses:
            clauses.append(clause)
    return ". ".join(clause[0].upper() + clause[1:] for clause in clauses) + "."


def text() -> str:
    draw = random.Random(0)
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["ticket", "message", "priority"])
    seen = set()
    while len(seen) < 900:
        urgent = len(seen) % 2 == 0
        words = message(draw, urgent)
        if words not in seen:
            seen.add(words)
            rows.writerow([f"T{len(seen):04}", words, "urgent" if urgent else "can wait"])
    return out.getvalue()


if __name__ == "__main__":
    made = text()
    if "--check" in sys.argv:
        sys.exit(0 if OUT.read_text() == made else f"{OUT} is not what this makes")
    OUT.write_text(made)
