"""Reads one shape in every way there is, and compares what is found."""

import hashlib
import json
import subprocess
import sys

import commands
import real
import repositories
from reader import declared


def check(program, directory, is_real):
    """Prints what all ways found, or ends with 1."""
    found = {way: planned(line) for way, line in lines(program, directory)}
    digests = {way: hashlib.sha256("\n".join(places).encode()).hexdigest()[:16] for way, places in found.items()}
    pairs = sorted({place.split(" ")[0] for place in found["the directory"]})
    other = sorted(real.pairs(directory / "checkout"))
    if not is_real:
        found["PyYAML"] = sorted(declared(directory / "checkout"))
        digests["PyYAML"] = hashlib.sha256("\n".join(found["PyYAML"]).encode()).hexdigest()[:16]
    if len(set(digests.values())) != 1 or pairs != other:
        for way, digest in digests.items():
            print(f"{len(found[way])} ServiceAccounts, digest {digest}: {way}", file=sys.stderr)
        differing = sorted(set(pairs) ^ set(other))
        sys.exit(f"{len(other)} ServiceAccounts: ci/replay.py; differing: {differing[:10]}")
    print(f"same ServiceAccounts: {len(pairs)}, digest {digests['the directory']}: {', '.join(found)}, ci/replay.py\n")


def lines(program, directory):
    """For each way a line that plans for an account without roles, so that every ServiceAccount is in what it prints."""
    runs = commands.Program(program, directory, "empty.json")
    (directory / "empty.json").write_text(repositories.ACCOUNT)
    warm = runs.restored(runs.before)
    yield "packs", runs.line("plan", directory / "r.git")
    yield "several packs", runs.line("plan", directory / "several.git")
    yield "libgit2 (loose objects)", runs.line("plan", directory / "loose.git")
    yield "the cache of the commit before", f"{warm} && {runs.line('plan', directory / 'r.git', runs.cache)}"
    yield "that cache again", runs.line("plan", directory / "r.git", runs.cache)
    yield "a work tree", runs.line("plan", directory / "checkout")
    yield "the directory", runs.line("plan", f"--directory {directory}/checkout")
    yield "the directory and the cache", runs.line("plan", f"--directory {directory}/checkout", runs.cache)


def planned(line):
    """The ServiceAccounts whose roles would be made, each with its place, as the other reader writes them."""
    printed = subprocess.run(["sh", "-c", line], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    made = [change for cluster in json.loads(printed)["clusters"] for change in cluster["changes"]]
    places = [(change["serviceAccount"], change["location"]) for change in made if change["action"] == "create"]
    return sorted(f"{pair} {place['path']}:{place['line']}" for pair, place in places)
