"""Any repository as one more shape: its files, with our annotations on every ServiceAccount in them."""

import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from annotate import annotated
from replay import ENDINGS, LINK, SUBMODULE, Git, Reading


def files(repository):
    """The files of its newest commit, without links and submodules."""
    git = Git(repository)
    for entry in git.run("ls-tree", "-r", "-z", "HEAD").split(b"\0")[:-1]:
        head, path = entry.split(b"\t", 1)
        mode, _, name = head.decode().split()
        if mode not in (LINK, SUBMODULE):
            path, content = os.fsdecode(path), git.blob(name)
            yield path, annotated(content) if path.endswith(ENDINGS) else content
    git.close()


def pairs(directory):
    """What replay.py's reader finds below a directory: every ServiceAccount that declares a role of its own."""
    found = {}
    for path in Path(directory).rglob("*"):
        if path.name.endswith(ENDINGS) and path.is_file():
            for pair, audience in Reading(path.read_bytes()).declared.items():
                found.setdefault("/".join(pair), set()).add(audience)
    return [pair for pair, audiences in found.items() if len(audiences) == 1]
