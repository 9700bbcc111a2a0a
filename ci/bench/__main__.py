"""Prints the tables of docs/performance.md, in Markdown.

    SHAPE=clusters ROUNDS=5 python3 ci/bench [PART...]

PART is `shape`, `history`, `document` or `idle`; without one all are run. Needs git and PyYAML; rg, yq and valgrind are used
if they are there. What the variables set:

    SHAPE=similar|distinct|clusters   what the repository of `shape` holds (shapes.py), or the path of any other repository
    FILES=N                           of how many files it is; 20,000 without it
    COUNTED=N                         of how many files that one is over which instructions are counted; 0: they are not
    ROUNDS=N                          how often everything is run, of which the medians are shown; 5 without it
    PROGRAM=PATH                      a program that is built already
    WORK=DIRECTORY                    where the repositories are kept for the next time

Every round runs all commands one after the other, so that each pair of figures was taken side by side. Ends with 1 if
one way to read finds other ServiceAccounts than another.
"""

import contextlib
import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import commands
import parts
import real
import repositories
import same
from measure import instructions, interleaved, shell, table
from repositories import git, once, sandbox
from shapes import SHAPES


def shape(program, work, rounds):
    """Cold and warm reads of one shape, side by side with others who read the same."""
    name = os.environ.get("SHAPE", "clusters")
    files = int(os.environ.get("FILES", 20_000))
    counted = 0 if name not in SHAPES else int(os.environ.get("COUNTED", files // 10))
    directory = prepared(program, work, name, files)
    megabytes = repositories.size(directory / "r.git") / 1e6
    number = git(directory / "r.git", "ls-tree", "-r", "--name-only", "HEAD").count(b"\n") + 1
    digest = git(directory / "r.git", "rev-parse", "HEAD^{tree}").decode()
    print(f"## {name}: {number} files, pack of {megabytes:.0f} MB, tree {digest}\n")
    same.check(program, directory, name not in SHAPES)
    every = list(commands.commands(program, directory, name))
    median = interleaved(every, rounds)
    counts = counts_of(program, prepared(program, work, name, counted), name) if counted else {}
    show(every, median, counts, counted)
    show_goals(name, median)


def prepared(program, work, name, files):
    """The repositories of a shape, an account in which all its roles are as declared, and the caches."""
    if name in SHAPES:
        directory = once(repositories.shape, work / f"{name}-{files}", functools.partial(SHAPES[name], files))
    else:
        place = "+".join(Path(name).resolve().parts[1:])
        directory = once(repositories.shape, work / place, functools.partial(real.files, name))
    pairs = functools.partial(real.pairs, directory / "checkout")
    sandbox(directory / "iam.json", program, directory / "r.git", pairs, "HEAD~1")
    for line in commands.Program(program, directory).caches():
        shell(line, commands.codes(name))
    return directory


def counts_of(program, directory, name):
    every = commands.commands(program, directory, name)
    # Python takes minutes where each instruction is counted, and nobody needs the figure.
    return {c.name: instructions(c) for c in every if c.name not in (commands.PYTHON, commands.YQ)}


def show(every, median, counts, counted):
    base, base_count = median[commands.GIT], counts.get(commands.GIT)
    header = ["command", "seconds", "to git", "CPU seconds", "to git", "peak MiB"]
    header += [f"million instructions, {counted} files", "to git"] if counted else []
    rows = []
    for command in every:
        taken, count = median[command.name], counts.get(command.name)
        row = [command.name, f"{taken.wall:.3f}", f"{taken.wall / base.wall:.3f}", f"{taken.cpu:.3f}"]
        row += [f"{taken.cpu / base.cpu:.3f}", f"{taken.memory:.0f}"]
        if counted:
            row += [f"{count:.0f}", f"{count / base_count:.3f}"] if count else ["NOT COUNTED", ""]
        rows.append(row)
    table(header, rows)


def show_goals(name, median):
    """What is missed is in bold; beside it is the same of processor time."""
    rows = {}
    for verb, goal in commands.goals(name):
        if {goal.command, goal.reference} <= {None, *median}:
            figure = goal.figure(median, goal.column)
            text = f"{figure:.0f}" if goal.reference is None else f"{figure:.3f}"
            row = rows.setdefault(goal.work, [goal.work, f"{goal.most:.3g}"])
            row.append(text if figure <= goal.most else f"**{text}**")
            row.append(f"{goal.figure(median, 'cpu'):.3f}" if goal.column == "wall" else "")
    table(["work", "goal", *(title for verb in commands.VERBS for title in (verb, "CPU"))], rows.values())


PARTS = {"shape": shape, "history": parts.history, "document": parts.document, "idle": parts.idle}


def main():
    root, rounds = Path(__file__).resolve().parents[2], int(os.environ.get("ROUNDS", 5))
    program = os.environ.get("PROGRAM")
    if not program:
        subprocess.run(["cargo", "build", "--release", "--locked", "--quiet"], check=True, cwd=root)
        program = Path(os.environ.get("CARGO_TARGET_DIR", root / "target")) / "release/irsa-gitops"
    program = Path(program).resolve()
    kept = os.environ.get("WORK")
    with contextlib.nullcontext(kept) if kept else tempfile.TemporaryDirectory() as work:
        version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout.strip()
        megabytes, processors = program.stat().st_size / 1e6, os.cpu_count()
        print(f"{version}, {megabytes:.1f} MB; {processors} processors; medians of {rounds} rounds\n", flush=True)
        for part in sys.argv[1:] or PARTS:
            PARTS[part](program, Path(work).resolve(), rounds)


main()
