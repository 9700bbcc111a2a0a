"""What is measured on one shape, and what it has to be compared with."""

import functools
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from measure import Command
from repositories import CLUSTER
from shapes import KEY, SHAPES

READER = Path(__file__).with_name("reader.py")
GIT, GREP, RG = "git ls-tree, git cat-file --batch", "git grep -l --threads 2", "rg -l -j2 over a checkout"
PYTHON, YQ = "Python: byte filter, PyYAML's C loader", "rg -l -j2, yq"
SEVERAL, LOOSE = "git cat-file, packs of 20 MB", "git cat-file, loose objects"
VERBS = ("lint", "plan")


@dataclass(frozen=True)
class Goal:
    """A quotient of two commands' figures that is to be at most so much, or a figure of one."""

    work: str
    column: str
    most: float
    command: str
    reference: str | None = None

    def figure(self, median, column):
        return getattr(median[self.command], column) / (getattr(median[self.reference], column) if self.reference else 1)


def cat_file(repository):
    return f"git -C {repository} ls-tree -r --object-only HEAD | git -C {repository} cat-file --batch --buffer"


def codes(name):
    """How a run may end: in a repository that nobody made for this, problems are found."""
    return (0,) if name in SHAPES else (0, 4, 7)


class Program:
    """The lines of shell that run the program over one shape's repositories."""

    def __init__(self, program, directory, account="iam.json"):
        self.directory = directory
        flags = " ".join([*CLUSTER, "--sandbox", shlex.quote(str(directory / account))])
        self.verbs = {
            "lint": f"{program} lint --account 123456789012 --format json",
            "plan": f"{program} plan {flags} --format json",
        }
        self.cache, self.before, self.same = (directory / name for name in ("cache", "cache-before", "cache-same"))

    def line(self, verb, place, cache=None):
        cached = f"--cache-dir {cache}" if cache else "--no-cache"
        return f"{self.verbs[verb]} {cached} {place}"

    def restored(self, cache):
        return f"rm -rf {self.cache} && cp -r {cache} {self.cache}"

    def caches(self):
        """Lines that make the caches: of the commit before, and of what is checked out."""
        bare, checkout = f"--revision HEAD~1 {self.directory}/r.git", f"--directory {self.directory}/checkout"
        # A run that has nothing to remember makes no directory.
        yield f"rm -rf {self.before} {self.same} && mkdir {self.before} {self.same}"
        for verb in self.verbs:
            yield self.line(verb, bare, self.before)
            yield self.line(verb, checkout, self.same)

    def reads(self, verb):
        """Pairs of what a command is called and its line, and what has to be done before it."""
        bare, checkout = self.directory / "r.git", self.directory / "checkout"
        changed, same = self.restored(self.before), self.restored(self.same)
        yield f"{verb}, cold", self.line(verb, bare), ":"
        yield f"{verb}, one changed file", self.line(verb, bare, self.cache), changed
        yield f"{verb}, one changed file, work tree", self.line(verb, checkout, self.cache), changed
        yield f"{verb} --directory, cold", self.line(verb, f"--directory {checkout}"), ":"
        yield f"{verb} --directory, warm", self.line(verb, f"--directory {checkout}", self.cache), same
        if verb == "lint":
            yield "lint, cold, packs of 20 MB", self.line(verb, self.directory / "several.git"), ":"
            yield "lint, cold, loose objects", self.line(verb, self.directory / "loose.git"), ":"


def commands(program, directory, name):
    """All that is measured side by side; what needs a tool that is not there is left out."""
    runs = Program(program, directory)
    checkout, rg = directory / "checkout", f"rg -l -j2 {KEY} {directory}/checkout"
    yield Command(GIT, cat_file(directory / "r.git"))
    yield Command(GREP, f"git -C {directory}/r.git grep -l --threads 2 {KEY} HEAD")
    for verb in VERBS:
        for work, line, before in runs.reads(verb):
            yield Command(work, line, before, codes(name))
    yield Command(SEVERAL, cat_file(directory / "several.git"))
    yield Command(LOOSE, cat_file(directory / "loose.git"))
    yield Command("--version", f"{program} --version")
    if has("rg"):
        yield Command(RG, rg)
    if name in SHAPES:
        yield Command(PYTHON, f"{sys.executable} {READER} {checkout}")
    # Other files hold what the yq on PyYAML stops at, such as an image that it takes for an octal number.
    if name in ("similar", "clusters") and has("rg") and has("yq"):
        names = """xargs yq -r 'select(.kind == "ServiceAccount") | .metadata.name'"""
        yield Command(YQ, f"{rg} | {names}")


@functools.cache
def has(tool):
    """Whether a tool of others can be measured; it is said once where it cannot."""
    found = shutil.which(tool) is not None
    if not found:
        print(f"NOT RUN: what needs {tool}, which is not there", file=sys.stderr)
    return found


def goals(name):
    """The goals of each verb; only what shares nothing has others for a cold read."""
    wall, cpu = (0.9, 1.0) if name == "distinct" else (0.5, 0.8)
    for verb in VERBS:
        cold, warm, tree = (f"{verb}, {work}" for work in ("cold", "one changed file", "one changed file, work tree"))
        directory, again = f"{verb} --directory, cold", f"{verb} --directory, warm"
        for goal in (
            Goal("cold, bare, to git cat-file", "wall", wall, cold, GIT),
            Goal("the same, processor time", "cpu", cpu, cold, GIT),
            Goal("cold, bare, to rg -l -j2", "wall", 1.5, cold, RG),
            Goal("one changed file, bare, to git cat-file", "wall", 0.03, warm, GIT),
            Goal("one changed file, work tree, to git cat-file", "wall", 0.05, tree, GIT),
            Goal("--directory, cold, to rg -l -j2", "wall", 1.3, directory, RG),
            Goal("--directory, warm, to rg -l -j2", "wall", 1.1, again, RG),
            Goal("--directory, cold, to Python", "wall", 1 / 15, directory, PYTHON),
            Goal("--directory, cold, to rg and yq", "wall", 1 / 15, directory, YQ),
            Goal("peak memory, cold, MiB", "memory", 64, cold),
            Goal("peak memory, one changed file, MiB", "memory", 25, warm),
        ):
            yield verb, goal
