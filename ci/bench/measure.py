"""Runs commands side by side, and says what each took."""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """A line of shell; `before` is run first and not measured."""

    name: str
    line: str
    before: str = ":"
    codes: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Taken:
    wall: float
    cpu: float
    memory: float


# A process of its own starts what is measured: Linux counts the memory of whoever starts a program to that program's peak.
STARTER = """
import json, os, sys, time
started = time.monotonic()
child = os.posix_spawn("/bin/sh", ["sh", "-c", sys.argv[1]], os.environ, file_actions=[
    (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
_, status, used = os.wait4(child, 0)
wall = time.monotonic() - started
print(json.dumps([os.waitstatus_to_exitcode(status), wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""


def shell(line, codes=(0,)):
    """Runs a line of shell, which ends with one of these exit codes."""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", STARTER, line], check=True, capture_output=True, text=True)
    status, *figures = json.loads(done.stdout)
    if status not in codes:
        sys.exit(f"ended with {status}: {line}\n{done.stderr[-2000:]}")
    return Taken(*figures)


def run(command):
    shell(command.before)
    return shell(command.line, command.codes)


def interleaved(commands, rounds):
    """What each command takes, by its name: medians of rounds in which all run one after the other."""
    taken = {command.name: [] for command in commands}
    for number in range(rounds):
        for command in commands:
            taken[command.name].append(run(command))
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    columns = ("wall", "cpu", "memory")
    middle = lambda runs: Taken(*(statistics.median(getattr(run, column) for run in runs) for column in columns))
    return {name: middle(runs) for name, runs in taken.items()}


def instructions(command):
    """How many instructions a command and its children take, in millions; `None` where they cannot be counted."""
    if not shutil.which("valgrind"):
        return None
    shell(command.before)
    with tempfile.TemporaryDirectory() as logs:
        valgrind = ["valgrind", "--tool=callgrind", "--trace-children=yes", f"--log-file={logs}/%p.log"]
        valgrind += ["--callgrind-out-file=/dev/null", "sh", "-c", command.line]
        done = subprocess.run(valgrind, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if done.returncode not in command.codes:
            return None
        texts = [open(os.path.join(logs, name)).read() for name in os.listdir(logs)]
    return sum(int(count) for text in texts for count in re.findall(r"Collected : (\d+)", text)) / 1e6


def table(header, rows):
    """A table of Markdown whose columns but the first are numbers."""
    print("| " + " | ".join(header) + " |")
    print("|---|" + "---:|" * (len(header) - 1))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)
