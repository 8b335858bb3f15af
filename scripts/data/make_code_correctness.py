#!/usr/bin/env python3
"""Makes the built-in set `code-correctness`: is this program correct?

    make_code_correctness.py SHARED --trimtab TRIMTAB [--out DIR]

SHARED holds `data/human_eval`; TRIMTAB is the program of this repository, whose `sandbox` command runs every candidate. Python 3.11
alone; some ten minutes on two cores. What is drawn follows from the SHA-256 of names, so the same candidates come out every time; labels
come from running the tests, and a candidate whose runs disagree is left out.

A candidate is a reference solution of HumanEval with one to four edits, each at a place drawn by hash, written out by `ast.unparse`. Some
edits are meant to break it (another comparison, an operator, a constant off by one, a condition negated, a statement left out, arguments
swapped, another variable, another value returned), and some to leave it as it is (a comparison turned round, a branch and its negation
swapped, names changed, a step through a variable, `x += 1` written out, a statement that does nothing). The reference itself is not among
them, so "was it edited?" is not the answer; nor is "which edit?", for what counts is whether the tests pass. Every problem has as many
correct candidates as wrong ones, at most MOST of each, so the problem says nothing either.

Features are of two kinds, half floats in files of their own. `code-static`, for a weak supervisor that reads the program: sizes, counts
over the syntax tree, names that are not defined or not used, conditions that are constant, ways to the end without a value. `code-run`,
for a strong student: partial execution, which is what the examples of the description come to when they are run in the sandbox. (An
even weaker supervisor needs no file: a bag of words over the text.)
"""

import argparse
import ast
import copy
import gzip
import hashlib
import json
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

ROUNDS = 24
MOST = 5
RUNS = 2
TEST_EVERY = 3
# Of processor time; by the clock far more, so that labels do not depend on how busy the machine is.
SECONDS = 5
BY_THE_CLOCK = 120


def drawn(name: str, n: int) -> int:
    """A number below `n`."""
    return int.from_bytes(hashlib.sha256(f"trimtab:{name}".encode()).digest()[:8], "big") % n


def rank(name: str) -> bytes:
    return hashlib.sha256(f"trimtab:{name}".encode()).digest()


# Edits. Each is a list of places: functions that edit a tree in place, found in a fresh copy, so that the nth place of a copy is the nth
# of every other.

COMPARISONS = {
    ast.Lt: [ast.LtE, ast.Gt], ast.LtE: [ast.Lt, ast.GtE], ast.Gt: [ast.GtE, ast.Lt], ast.GtE: [ast.Gt, ast.LtE],
    ast.Eq: [ast.NotEq], ast.NotEq: [ast.Eq], ast.In: [ast.NotIn], ast.NotIn: [ast.In],
}
TURNED = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE, ast.Eq: ast.Eq, ast.NotEq: ast.NotEq}
OPERATORS = {
    ast.Add: [ast.Sub], ast.Sub: [ast.Add], ast.Mult: [ast.Add, ast.FloorDiv], ast.Div: [ast.FloorDiv, ast.Mult],
    ast.FloorDiv: [ast.Div, ast.Mult], ast.Mod: [ast.FloorDiv], ast.Pow: [ast.Mult],
}


def blocks(tree):
    for node in ast.walk(tree):
        for field in ("body", "orelse"):
            block = getattr(node, field, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                yield node, block


def locals_of(function) -> list[str]:
    """Names bound in a function, its arguments first."""
    names = [a.arg for a in function.args.args]
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id not in names:
            names.append(node.id)
    return names


def breaking(function) -> list:
    """Edits that may break it: (kind, edit)."""
    places = []

    def place(kind, edit):
        places.append((kind, edit))

    names = locals_of(function)
    for node in ast.walk(function):
        if isinstance(node, ast.Compare):
            for i, op in enumerate(node.ops):
                for other in COMPARISONS.get(type(op), []):
                    place("comparison", lambda n=node, i=i, o=other: n.ops.__setitem__(i, o()))
        if isinstance(node, (ast.BinOp, ast.AugAssign)):
            for other in OPERATORS.get(type(node.op), []):
                place("operator", lambda n=node, o=other: setattr(n, "op", o()))
        if isinstance(node, ast.BoolOp):
            other = ast.Or if isinstance(node.op, ast.And) else ast.And
            place("operator", lambda n=node, o=other: setattr(n, "op", o()))
        if isinstance(node, ast.Constant):
            if type(node.value) is int:
                for step in (1, -1):
                    place("off by one", lambda n=node, s=step: setattr(n, "value", n.value + s))
            elif type(node.value) is bool:
                place("constant", lambda n=node: setattr(n, "value", not n.value))
            elif type(node.value) is str and len(node.value) == 1:
                place("constant", lambda n=node: setattr(n, "value", ""))
        if isinstance(node, (ast.If, ast.While, ast.IfExp)):
            place("negated", lambda n=node: setattr(n, "test", ast.UnaryOp(ast.Not(), n.test)))
        if isinstance(node, ast.comprehension) and node.ifs:
            place("condition left out", lambda n=node: n.ifs.pop())
        if isinstance(node, ast.Call):
            if len(node.args) >= 2:
                place("arguments", lambda n=node: n.args.reverse())
            if isinstance(node.func, ast.Name) and node.func.id == "range" and len(node.args) <= 2:
                for step in (1, -1):
                    def widen(n=node, s=step):
                        n.args[-1] = ast.BinOp(n.args[-1], ast.Add() if s > 0 else ast.Sub(), ast.Constant(1))
                    place("off by one", widen)
            if isinstance(node.func, ast.Name) and node.func.id in ("min", "max"):
                place("function", lambda n=node: setattr(n.func, "id", "max" if n.func.id == "min" else "min"))
            if isinstance(node.func, ast.Name) and node.func.id in ("sorted", "abs", "set", "reversed") and node.args:
                place("function", lambda n=node: setattr(n.func, "id", "list" if n.func.id != "abs" else "int"))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names and len(names) > 1:
            others = [name for name in names if name != node.id]
            other = others[drawn(f"{node.id}:{getattr(node, 'lineno', 0)}:{getattr(node, 'col_offset', 0)}", len(others))]
            place("variable", lambda n=node, o=other: setattr(n, "id", o))
        if isinstance(node, ast.Slice):
            if node.lower is not None:
                place("off by one", lambda n=node: setattr(n, "lower", ast.BinOp(n.lower, ast.Add(), ast.Constant(1))))
            if node.upper is not None:
                place("off by one", lambda n=node: setattr(n, "upper", ast.BinOp(n.upper, ast.Sub(), ast.Constant(1))))
        if isinstance(node, ast.Return) and node.value is not None:
            place("value", lambda n=node: setattr(n, "value", ast.Constant(None)))
            if isinstance(node.value, ast.Name):
                others = [name for name in names if name != node.value.id]
                if others:
                    place("value", lambda n=node, o=others[0]: setattr(n, "value", ast.Name(o, ast.Load())))
    for owner, block in blocks(function):
        for i, statement in enumerate(block):
            is_docstring = owner is function and i == 0 and isinstance(statement, ast.Expr)
            if not is_docstring and not isinstance(statement, (ast.FunctionDef, ast.Pass)):
                def drop(b=block, i=i):
                    b[i] = ast.Pass()
                    if len(b) > 1:
                        del b[i]
                place("left out", drop)
    return places


def keeping(function) -> list:
    """Edits that are meant to change nothing."""
    places = []

    def place(kind, edit):
        places.append((kind, edit))

    names = locals_of(function)
    for node in ast.walk(function):
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in TURNED:
            def turn(n=node):
                n.left, n.comparators[0] = n.comparators[0], n.left
                n.ops[0] = TURNED[type(n.ops[0])]()
            place("turned", turn)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            def swap(n=node):
                n.left, n.right = n.right, n.left
            place("factors", swap)
        if isinstance(node, ast.If) and node.orelse:
            def branches(n=node):
                n.test = ast.UnaryOp(ast.Not(), n.test)
                n.body, n.orelse = n.orelse, n.body
            place("branches", branches)
        if isinstance(node, ast.IfExp):
            def arms(n=node):
                n.test = ast.UnaryOp(ast.Not(), n.test)
                n.body, n.orelse = n.orelse, n.body
            place("branches", arms)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range" and len(node.args) == 1:
            place("range", lambda n=node: n.args.insert(0, ast.Constant(0)))
        if isinstance(node, ast.Constant) and type(node.value) is int and 0 < node.value < 100:
            def split(n=node):
                # A sum of the same value, in place of the constant: the tree has no way up, so the node itself changes its kind.
                value = n.value
                n.__class__ = ast.BinOp
                n.left, n.op, n.right = ast.Constant(value - 1), ast.Add(), ast.Constant(1)
            place("sum", split)
    for owner, block in blocks(function):
        for i, statement in enumerate(block):
            if isinstance(statement, ast.Return) and statement.value is not None:
                def through(b=block, i=i):
                    value = b[i].value
                    b[i].value = ast.Name("result_value", ast.Load())
                    b.insert(i, ast.Assign([ast.Name("result_value", ast.Store())], value, lineno=0))
                place("through a variable", through)
            if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
                def out(b=block, i=i):
                    s = b[i]
                    b[i] = ast.Assign([s.target], ast.BinOp(ast.Name(s.target.id, ast.Load()), s.op, s.value), lineno=0)
                place("written out", out)
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                def idle(b=block, i=i):
                    name = b[i].targets[0].id
                    b.insert(i + 1, ast.Assign([ast.Name(name, ast.Store())], ast.Name(name, ast.Load()), lineno=0))
                place("idle", idle)
    for name in names:
        if name not in [a.arg for a in function.args.args]:
            def rename(f=function, old=name):
                for node in ast.walk(f):
                    if isinstance(node, ast.Name) and node.id == old:
                        node.id = f"{old}_2"
            place("renamed", rename)
    return places


def entry_of(tree, name):
    return next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name)


def candidate(problem: dict, number: int) -> str | None:
    """The program after its edits."""
    tree = ast.parse(problem["prompt"] + problem["canonical_solution"])
    seed = f"{problem['task_id']}:{number}"
    n_keeping = 1 + drawn(f"{seed}:keeping", 3)
    n_breaking = [0, 0, 1, 1, 1, 2][drawn(f"{seed}:breaking", 6)]
    kinds = ["keeping"] * n_keeping + ["breaking"] * n_breaking
    kinds.sort()
    for i, kind in enumerate(kinds):
        function = entry_of(tree, problem["entry_point"])
        places = (keeping if kind == "keeping" else breaking)(function)
        if not places:
            continue
        # First a kind of edit, then a place: common kinds do not crowd out the others.
        names = sorted({name for name, _ in places})
        name = names[drawn(f"{seed}:{i}:kind", len(names))]
        of_kind = [edit for its, edit in places if its == name]
        try:
            of_kind[drawn(f"{seed}:{i}:place", len(of_kind))]()
        except (AttributeError, ValueError, TypeError):
            return None
        ast.fix_missing_locations(tree)
        try:
            tree = ast.parse(ast.unparse(tree))
        except (SyntaxError, ValueError, TypeError):
            return None
    return ast.unparse(tree)


# Running.

def sandboxed(trimtab: str, sources: list[str]) -> list[dict]:
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        for source in sources:
            file.write(json.dumps({"source": source}) + "\n")
        file.flush()
        command = [trimtab, "sandbox", "--programs", file.name, "--cpu", str(SECONDS), "--time", str(BY_THE_CLOCK), "--jobs", "2"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(outcomes) == len(sources)
    return outcomes


DONE = "every test passed"


def with_tests(source: str, problem: dict) -> str:
    return f"{source}\n\n{problem['test']}\n\ncheck({problem['entry_point']})\nprint({DONE!r})\n"


def passes(outcome: dict) -> bool:
    return outcome["status"] == {"exited": 0} and outcome["stdout"].endswith(DONE + "\n")


# Partial execution: examples of the description.

SEPARATORS = re.compile(r"\s*(?:==>|==|=>|->|➞|→|=|returns?|should return|should be equal to|# *returns?)\s*")


def examples(problem: dict) -> list[tuple[str, str]]:
    """Calls of the function in its description, and the values that stand beside them."""
    entry = problem["entry_point"]
    tree = ast.parse(problem["prompt"] + "    pass\n")
    text = ast.get_docstring(entry_of(tree, entry), clean=True) or ""
    lines = text.splitlines()
    found = []
    for i, line in enumerate(lines):
        start = line.find(f"{entry}(")
        if start < 0:
            continue
        depth, end = 0, None
        for j in range(start + len(entry), len(line)):
            depth += line[j] in "([{"
            depth -= line[j] in ")]}"
            if depth == 0:
                end = j + 1
                break
        if end is None:
            continue
        call, rest = line[start:end], line[end:]
        if line.strip().startswith(">>>") and not SEPARATORS.match(rest):
            call = line.strip()[3:].strip().split(" #")[0]
            value = lines[i + 1] if i + 1 < len(lines) else ""
        else:
            match = SEPARATORS.match(rest)
            value = rest[match.end():] if match else ""
            value = value.split(" #")[0]
        value = value.strip().rstrip(".;,")
        try:
            ast.parse(call, mode="eval")
            ast.literal_eval(value)
        except (SyntaxError, ValueError):
            continue
        found.append((call, value))
    return found[:8]


def with_examples(source: str, found: list[tuple[str, str]]) -> str:
    lines = [source, "import math as _math"]
    for call, value in found:
        lines += [
            "try:",
            f"    _got, _want = ({call}), ({value})",
            "    _same = _got == _want or (isinstance(_want, float) and abs(_got - _want) < 1e-6)",
            "    print('pass' if _same else 'none' if _got is None else 'fail' if type(_got) is type(_want) else 'type', flush=True)",
            "except Exception:",
            "    print('error', flush=True)",
        ]
    return "\n".join(lines) + "\n"


def executed(outcome: dict, n: int) -> list[float]:
    words = outcome["stdout"].split()[:n]
    share = lambda word: words.count(word) / n if n else 0.0
    return [
        float(n == 0), min(n, 8) / 4, share("pass"), share("fail"), share("type"), share("none"), share("error"),
        float(len(words) < n), float(n > 0 and share("pass") == 1),
    ]


# Static analysis.

BUILTINS = set(dir(__builtins__)) | set(dir(__import__("builtins")))


def static(source: str, entry: str) -> list[float]:
    tree = ast.parse(source)
    function = entry_of(tree, entry)
    nodes = list(ast.walk(function))
    count = lambda *kinds: sum(isinstance(n, kinds) for n in nodes)
    ops = [type(op) for n in nodes if isinstance(n, ast.Compare) for op in n.ops]
    stored = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    loaded = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    arguments = {a.arg for n in nodes if isinstance(n, (ast.FunctionDef, ast.Lambda)) for a in n.args.args}
    inner = {n.name for n in nodes if isinstance(n, ast.FunctionDef)}
    imported = {a.asname or a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom)) for a in n.names}
    top = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
    known = stored | arguments | inner | imported | top | BUILTINS
    returns = [n for n in nodes if isinstance(n, ast.Return)]
    constants = [n.value for n in nodes if isinstance(n, ast.Constant) and type(n.value) is int]
    tests = [n.test for n in nodes if isinstance(n, (ast.If, ast.While, ast.IfExp))]
    names_in = lambda n: {m.id for m in ast.walk(n) if isinstance(m, ast.Name)}

    def ends(block) -> bool:
        last = block[-1]
        if isinstance(last, (ast.Return, ast.Raise)):
            return True
        if isinstance(last, ast.If):
            return bool(last.orelse) and ends(last.body) and ends(last.orelse)
        if isinstance(last, (ast.While, ast.For)):
            return any(isinstance(n, ast.Return) for n in ast.walk(last)) and isinstance(last, ast.While)
        return False

    same_sides = sum(ast.dump(n.left) == ast.dump(n.comparators[0]) for n in nodes if isinstance(n, ast.Compare))
    unchanged_loops = sum(
        1 for n in nodes if isinstance(n, ast.While)
        and not names_in(n.test) & {m.id for m in ast.walk(n) if isinstance(m, ast.Name) and isinstance(m.ctx, ast.Store)}
    )
    unread_loops = sum(
        1 for n in nodes if isinstance(n, ast.For) and not {m.id for m in ast.walk(n.target) if isinstance(m, ast.Name)}
        & {m for s in n.body for m in names_in(s)}
    )
    idle = sum(isinstance(n, ast.Assign) and isinstance(n.value, ast.Name) and isinstance(n.targets[0], ast.Name)
               and n.value.id == n.targets[0].id for n in nodes)
    bounds = [n for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "range"]
    shifted = sum(isinstance(a, ast.BinOp) and isinstance(a.right, ast.Constant) for n in bounds for a in n.args)
    empty = sum(len(b) == 1 and isinstance(b[0], ast.Pass) for _, b in blocks(function))
    return [
        len(nodes) / 100,
        count(ast.If, ast.IfExp) / 4, count(ast.For, ast.While, ast.comprehension) / 4,
        ops.count(ast.Lt) / 2 + ops.count(ast.Gt) / 2, ops.count(ast.LtE) / 2 + ops.count(ast.GtE) / 2,
        ops.count(ast.Eq) / 2, ops.count(ast.NotEq) / 2,
        count(ast.Not) / 2, count(ast.BoolOp) / 2, count(ast.BinOp) / 4,
        sum(c == -1 or c < 0 for c in constants), sum(c == 2 for c in constants) / 2,
        len(returns) / 4, float(any(isinstance(r.value, ast.Constant) and r.value.value is None for r in returns)),
        float(not returns), float(bool(returns) and not ends(function.body)),
        min(len(loaded - known), 2), min(len(stored - loaded), 2), min(len({a.arg for a in function.args.args} - loaded), 2),
        min(sum(isinstance(t, ast.Constant) or not names_in(t) for t in tests), 2),
        min(same_sides, 2), min(unchanged_loops, 2), min(unread_loops, 2), min(idle, 2), min(shifted, 2), min(empty, 2),
    ]


def halves(rows: list[list[float]]) -> bytes:
    return b"".join(struct.pack(f"<{len(row)}e", *row) for row in rows)


def packed(rows: list[dict]) -> bytes:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return gzip.compress(text.encode(), compresslevel=9, mtime=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--trimtab", required=True)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "data")
    arguments = parser.parse_args()
    with gzip.open(arguments.shared / "data/human_eval/HumanEval.jsonl.gz", "rt", encoding="utf-8") as lines:
        problems = sorted((json.loads(line) for line in lines), key=lambda p: rank(p["task_id"]))
    made = []
    for problem in problems:
        reference = ast.unparse(ast.parse(problem["prompt"] + problem["canonical_solution"]))
        seen = {reference}
        for number in range(ROUNDS):
            source = candidate(problem, number)
            if source is not None and source not in seen:
                seen.add(source)
                made.append((problem, number, source))
    print(f"{len(made)} candidates", file=sys.stderr)
    runs = [sandboxed(arguments.trimtab, [with_tests(s, p) for p, _, s in made]) for _ in range(RUNS)]
    verdicts = list(zip(*([passes(o) for o in run] for run in runs)))
    agree = [(p, n, s, v[0]) for (p, n, s), v in zip(made, verdicts) if len(set(v)) == 1]
    print(f"{len(agree)} agree, {sum(v for *_, v in agree)} pass", file=sys.stderr)
    rows, tests, chosen = [], [], []
    kept = 0
    for problem in problems:
        of_problem = [(n, s, v) for p, n, s, v in agree if p is problem]
        right = [c for c in of_problem if c[2]]
        wrong = [c for c in of_problem if not c[2]]
        n = min(len(right), len(wrong), MOST)
        if n == 0:
            continue
        name = problem["task_id"].replace("HumanEval/", "h")
        split = "test" if kept % TEST_EVERY == TEST_EVERY - 1 else "train"
        kept += 1
        tests.append({"problem": name, "entry": problem["entry_point"], "test": problem["test"]})
        for number, source, verdict in sorted(right[:n] + wrong[:n]):
            label = "correct" if verdict else "wrong"
            rows.append({"id": f"{name}/{number}", "problem": name, "text": source, "label": label, "split": split})
            chosen.append((problem, source))
    found = {p["task_id"]: examples(p) for p in problems}
    outcomes = sandboxed(arguments.trimtab, [with_examples(s, found[p["task_id"]]) for p, s in chosen])
    run = [executed(o, len(found[p["task_id"]])) for (p, _), o in zip(chosen, outcomes)]
    read = [static(s, p["entry_point"]) for p, s in chosen]
    folder = arguments.out / "code-correctness"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "code-correctness.jsonl.gz").write_bytes(packed(rows))
    (folder / "tests.jsonl.gz").write_bytes(packed(tests))
    (folder / "code-static.f16").write_bytes(halves(read))
    (folder / "code-run.f16").write_bytes(halves(run))
    print(
        f"{len(rows)} rows of {kept} problems; {len(read[0])} and {len(run[0])} features; "
        f"{sum(bool(found[p['task_id']]) for p in problems)} problems with examples",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
