#!/usr/bin/env python3
"""Replays the history of a Git repository through mode sync, and checks every run with a reader of its own.

Every ServiceAccount of the history is given our annotations first, in a copy; then the program applies commit after
commit to a sandbox, with the defaults, as a pipeline would. After each run the roles are compared with what PyYAML
finds in the same files. The repository itself is only read.

    ci/replay.py REPOSITORY... [--commits 400] [--step 1] [--until HEAD] [--json]

Needs git, PyYAML with libyaml, and the program built. A commit that changes no manifest is left out. A guard that
refuses is confirmed as its hint says, as whoever runs the pipeline would do it. After Ctrl-C it tells what it has.
Ends with 1 if a role is missing, was retired wrongly, or is held without a reason that the reader bears out, or for
more than PATIENCE further commits although its ServiceAccount is nowhere to be seen.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import yaml

from annotate import MANAGED, ROLE_ARN, ROLES, Loader, annotated, chunks, role_of

ISSUER = "oidc.eks.eu-west-1.amazonaws.com/id/14758F1AFD44C09B7992073CCF00B43D"
ENDINGS = (".yaml", ".yml", ".json")
LINK, SUBMODULE = "120000", "160000"
# For how many further commits a removal may be held.
PATIENCE = 10
LFS = b"version https://git-lfs.github.com/spec/"


class Git:
    """The objects of one repository."""

    def __init__(self, directory):
        self.directory = str(directory)
        command = ["git", "-C", self.directory, "cat-file", "--batch"]
        self.reader = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, *arguments):
        command = ["git", "-C", self.directory, *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout

    def blob(self, name):
        self.reader.stdin.write(name.encode() + b"\n")
        self.reader.stdin.flush()
        header = self.reader.stdout.readline().split()
        if header[-1] == b"missing":
            # A partial copy has not every large file.
            return b""
        content = self.reader.stdout.read(int(header[2]))
        self.reader.stdout.read(1)
        return content

    def close(self):
        self.reader.stdin.close()
        self.reader.wait()
        self.reader.stdout.close()

    def commits(self, until, limit):
        """The last first parents that change a manifest, the oldest first."""
        patterns = [f"*{ending}" for ending in ENDINGS]
        return self.run("rev-list", "--first-parent", until, "--", *patterns).decode().split()[:limit][::-1]

    def changes(self, before, after):
        """(path, mode, object) of every file that differs; without a mode where there is none any more."""
        arguments = ["diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev"]
        if before is None:
            before = self.run("hash-object", "-t", "tree", "/dev/null").decode().strip()
        fields = self.run(*arguments, before, after).split(b"\0")
        for head, path in zip(fields[0::2], fields[1::2]):
            _, mode, _, name, status = head.decode().split()
            yield path, (None if status == "D" else mode), name


class Reading:
    """What one file says: the ServiceAccounts that declare a role, those without a namespace, and what is unread."""

    def __init__(self, content):
        self.declared, self.unplaced, self.unread, self.invalid = {}, set(), [], set()
        self.is_pointer = content.startswith(LFS)
        self.text = content.decode(errors="replace")
        self.parses = True
        for start, chunk in chunks(self.text.lstrip("\ufeff")):
            try:
                documents = self.documents(chunk)
            except (yaml.YAMLError, ValueError, TypeError, RecursionError):
                self.parses = False
                documents = []
                if MANAGED in chunk:
                    self.unread.append(chunk)
            for document in documents:
                self.read(document)

    @staticmethod
    def documents(chunk):
        if chunk.lstrip().startswith("{") and not chunk.lstrip().startswith("{{"):
            try:
                return [json.loads(chunk)]
            except ValueError:
                pass
        # PyYAML ends a stream at `...`; so does Kubernetes' reader, with what is before it.
        return [yaml.load(chunk, Loader=Loader)] if MANAGED in chunk or "{{" in chunk else []

    def read(self, value):
        if not isinstance(value, dict):
            return
        if isinstance(value.get("items"), list):
            for item in value["items"]:
                self.read(item)
        metadata = value.get("metadata")
        if value.get("kind") != "ServiceAccount" or not isinstance(metadata, dict):
            return
        annotations = metadata.get("annotations")
        if value.get("apiVersion") != "v1" or not isinstance(annotations, dict) or annotations.get(MANAGED) != "true":
            return
        namespace, name = metadata.get("namespace"), metadata.get("name")
        if not is_name(name):
            self.unread.append(f"name: {name}\nnamespace: {namespace}\n")
        elif namespace is None or namespace == "":
            self.unplaced.add(name)
        elif not is_name(namespace) or "." in namespace:
            self.unread.append(f"name: {name}\nnamespace: {namespace}\n")
        elif len(role_of(namespace, name)) > 64 or annotations.get(ROLE_ARN) != ROLES + role_of(namespace, name):
            self.invalid.add((namespace, name))
        else:
            self.declared[namespace, name] = annotations.get("eks.amazonaws.com/audience")

    def may_be(self, pair):
        """Whether what is unread may be a ServiceAccount."""
        return pair in self.invalid or pair[1] in self.unplaced or any(may_be(text, *pair) for text in self.unread)

    def spells(self, pair):
        """Whether a ServiceAccount is there for whoever reads it: in a template, with errors, or without a namespace."""
        if pair in self.invalid or pair[1] in self.unplaced:
            return True
        spelled = re.compile(rf"^\s+(?:- )?name:\s*[\"']?{re.escape(pair[1])}[\"']?\s*$", re.M)
        within = re.compile(rf"^\s+namespace:\s*[\"']?{re.escape(pair[0])}[\"']?\s*$", re.M)
        return any(spelled.search(text) and within.search(text) for text in self.unread)


def is_name(text):
    return isinstance(text, str) and re.fullmatch(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?", text) is not None


def may_be(text, namespace, name):
    """Whether a document that was not read may hold a ServiceAccount: each of its names may be any other."""
    return "{{" in text or "${" in text or not text.startswith("name: ") or name in text


class Truth:
    """What a commit declares, and what it was before."""

    def __init__(self):
        self.files = {}
        self.declared = set()

    def update(self, readings, changes):
        for path, mode, name in changes:
            if mode is None:
                self.files.pop(path, None)
            elif path.decode(errors="replace").endswith(ENDINGS) or mode in (LINK, SUBMODULE):
                self.files[path] = (mode, name, readings.get(name) if mode not in (LINK, SUBMODULE) else None)
        found = {}
        for _, _, reading in self.files.values():
            for pair, audience in (reading.declared if reading else {}).items():
                found.setdefault(pair, set()).add(audience)
        self.declared = {pair for pair, audiences in found.items() if len(audiences) == 1}

    def places(self, pair, before, test):
        """The files that pass a test and are not what they were."""
        files = self.files.items()
        return [path for path, file in files if file[2] and before.get(path, (0, 0))[1] != file[1] and test(file[2], pair)]


class Removal:
    """A ServiceAccount that was declared and is not any more."""

    def __init__(self, pair, commit, before):
        self.pair, self.commit, self.before = pair, commit, before
        self.first, self.held, self.reason, self.end = None, 0, None, None
        self.is_stuck, self.is_still_there = False, False


class Replay:
    def __init__(self, arguments, source, directory):
        self.arguments = arguments
        self.git = Git(source)
        self.directory = Path(directory)
        self.copy = self.directory / "copy.git"
        self.iam = self.directory / "iam.json"
        self.readings = {}
        self.made, self.confirmed, self.removals, self.open = set(), 0, [], {}
        self.wrong, self.missing, self.untrue, self.failed = [], [], [], []
        self.codes = Counter()

    def rewrite(self, commits):
        """Makes the copy; returns its commits and what each of them changed. Only manifests and links keep their content."""
        subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch", "main", self.copy], check=True)
        command = ["git", "-C", self.copy, "fast-import", "--quiet", "--date-format=raw"]
        stream = subprocess.Popen(command, stdin=subprocess.PIPE)
        write = stream.stdin.write
        changes, marks, before = [], {}, None

        def mark(name, content):
            if name not in marks:
                marks[name] = len(marks) + 1
                write(b"blob\nmark :%d\ndata %d\n%s\n" % (marks[name], len(content), content))
            return b":%d" % marks[name]

        for commit in commits:
            date = self.git.run("rev-list", "--no-walk", "--timestamp", commit).decode().split()[0]
            changed = sorted(self.git.changes(before, commit), key=lambda change: change[1] is not None)
            lines = []
            for path, mode, name in changed:
                quoted = b'"' + re.sub(rb'(["\\])', rb"\\\1", path).replace(b"\n", b"\\n") + b'"'
                if mode is None:
                    lines.append(b"D %s\n" % quoted)
                    continue
                if mode == SUBMODULE:
                    content = name.encode()
                elif mode == LINK:
                    content = mark(name, self.git.blob(name))
                elif path.decode(errors="replace").endswith(ENDINGS):
                    if name not in self.readings:
                        new = annotated(self.git.blob(name), self.arguments.namespace)
                        self.readings[name] = Reading(new)
                        mark(f"manifest {name}", new)
                    content = mark(f"manifest {name}", b"")
                else:
                    content = mark("anything else", b"no manifest\n")
                lines.append(b"M %s %s %s\n" % (mode.encode(), content, quoted))
            message = f"replay of {commit}".encode()
            head = f"commit refs/heads/main\nmark :{len(marks) + 1}\ncommitter Replay <replay@example.com> {date} +0000\n"
            marks[f"commit {commit}"] = len(marks) + 1
            write(head.encode() + b"data %d\n%s\n" % (len(message), message) + b"".join(lines))
            changes.append(changed)
            before = commit
        stream.stdin.close()
        if stream.wait():
            raise SystemExit("replay.py: git fast-import failed")
        listed = ["git", "-C", self.copy, "rev-list", "--first-parent", "--reverse", "main"]
        return subprocess.run(listed, check=True, stdout=subprocess.PIPE).stdout.decode().split(), changes

    def apply(self, commit):
        """One run; a guard is confirmed as its hint says."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "IRSA_GITOPS_CLUSTER_NAME": "replay",
            "IRSA_GITOPS_OIDC_PROVIDER": ISSUER,
        }
        command = [self.arguments.program, "apply", str(self.copy), "--revision", commit, "--mode", "sync"]
        command += ["--sandbox", str(self.iam), "--format", "json"]
        for _ in range(4):
            run = subprocess.run(command, env=environment, capture_output=True, text=True)
            confirm = re.search(r"--allow-(?:removals \d+|empty)", run.stderr + run.stdout)
            if run.returncode != 5 or not confirm:
                break
            self.confirmed += 1
            command += confirm[0].split()
        self.codes[run.returncode] += 1
        if run.returncode not in (0, 7):
            self.failed.append((commit, run.returncode, (run.stderr or run.stdout).strip()[-500:]))
            return []
        return [change for cluster in json.loads(run.stdout)["clusters"] for change in cluster["changes"]]

    def roles(self):
        """The roles that somebody can assume."""
        state = json.loads(self.iam.read_text()) if self.iam.exists() else {"roles": []}
        found = set()
        for role in state["roles"]:
            tags = {tag["key"]: tag["value"] for tag in role["tags"]}
            if "=" not in role["name"] and "role.k8s.aws/quarantined-at" not in tags:
                found.add(tuple(tags["serviceaccount.k8s.aws/stack"].split("/")))
        return found

    def go(self):
        commits = self.git.commits(self.arguments.until, self.arguments.commits)
        copies, changes = self.rewrite(commits)
        self.git.close()
        truth, runs = Truth(), 0
        for number, copy in enumerate(copies):
            declared, before = truth.declared, dict(truth.files)
            truth.update(self.readings, changes[number])
            for pair in declared - truth.declared:
                if pair in self.made:
                    self.open[pair] = Removal(pair, commits[number], before)
                    self.removals.append(self.open[pair])
            for pair in truth.declared & set(self.open):
                self.open.pop(pair).end = "declared again"
            if (len(copies) - 1 - number) % self.arguments.step:
                continue
            try:
                changes_of_run = self.apply(copy)
            except KeyboardInterrupt:
                return number, runs
            runs += 1
            self.check(number, commits[number], truth, {change.get("serviceAccount"): change for change in changes_of_run})
        return len(commits), runs

    def check(self, number, commit, truth, run):
        roles = self.roles()
        self.made |= roles
        for pair in truth.declared - roles:
            change = run.get("/".join(pair), {})
            (self.wrong if pair in self.made else self.missing).append((pair, commit, change.get("reason")))
        for pair, removal in list(self.open.items()):
            places = truth.places(pair, removal.before, Reading.spells)
            if pair not in roles:
                removal.end = "retired"
                del self.open[pair]
                if places:
                    self.wrong.append((pair, commit, f"may be in {places[0].decode(errors='replace')}"))
                continue
            change = run.get("/".join(pair), {})
            removal.reason = change.get("reason")
            removal.held += 1
            removal.first = number if removal.first is None else removal.first
            removal.is_still_there = bool(places)
            removal.is_stuck |= number - removal.first >= PATIENCE and not places
            if not self.is_true(pair, removal, truth, change):
                self.untrue.append((pair, commit, change.get("reason")))

    def is_true(self, pair, removal, truth, change):
        """Whether the file that a hold names may have taken the ServiceAccount in."""
        named = re.search(r"`([^`]+)`", change.get("reason") or "")
        if change.get("action") != "held" or not named:
            return False
        path = named[1].encode()
        mode, name, reading = truth.files.get(path, (None, None, None))
        before = removal.before.get(path, (None, None, None))
        if change.get("reasonCode") == "invalid-manifest":
            return True
        if mode is None or (mode, name) == before[:2]:
            return False
        if mode in (LINK, SUBMODULE) or reading.is_pointer:
            return True
        is_own = before[2] is not None and pair in before[2].declared
        return is_own or reading.may_be(pair) or (not reading.parses and pair[1] in reading.text)


COLUMNS = ["commits", "runs", "roles made", "removals", "retired at once", "retired later", "declared again", "held: still there"]
COLUMNS += ["held: others", "wrong", "missing", "untrue reasons", f"stuck after {PATIENCE}", "seconds"]


def replay(arguments, source):
    start = time.monotonic()
    with tempfile.TemporaryDirectory(dir=arguments.work) as directory:
        replay = Replay(arguments, source, directory)
        commits, runs = replay.go()
    count = lambda test: sum(map(test, replay.removals))
    numbers = [
        commits,
        runs,
        len(replay.made),
        len(replay.removals),
        count(lambda removal: removal.end == "retired" and not removal.held),
        count(lambda removal: removal.end == "retired" and removal.held > 0),
        count(lambda removal: removal.end == "declared again"),
        count(lambda removal: removal.end is None and removal.is_still_there),
        count(lambda removal: removal.end is None and not removal.is_still_there),
        len(replay.wrong),
        len(replay.missing),
        len(replay.untrue),
        count(lambda removal: removal.is_stuck),
        round(time.monotonic() - start),
    ]
    holds = [
        {
            "serviceAccount": "/".join(removal.pair),
            "removedBy": removal.commit,
            "runs": removal.held,
            "end": removal.end or "held",
            "isStillThere": removal.is_still_there,
            "reason": removal.reason,
        }
        for removal in replay.removals
        if removal.held
    ]
    faults = {"wrong": replay.wrong, "missing": replay.missing, "untrue": replay.untrue, "failed": replay.failed}
    shown = lambda fault: ["/".join(part) if isinstance(part, tuple) else part for part in fault]
    faults = {kind: [shown(fault) for fault in found] for kind, found in faults.items()}
    name = arguments.name or str(Path(source).resolve())
    found = {"repository": name, **dict(zip(COLUMNS, numbers)), "confirmed": replay.confirmed}
    return {**found, "exitCodes": dict(replay.codes), "holds": holds, "faults": faults}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("repositories", nargs="+", metavar="REPOSITORY", help="a Git directory")
    parser.add_argument("--commits", type=int, default=400, help="how many are replayed (default 400)")
    parser.add_argument("--step", type=int, default=1, help="apply only every Nth one (default 1)")
    parser.add_argument("--until", default="HEAD", help="the last one (default HEAD)")
    parser.add_argument("--namespace", help="the namespace of ServiceAccounts that have none (default: they get none)")
    parser.add_argument("--name", help="what the repository is called in the table")
    parser.add_argument("--program", default="target/debug/irsa-gitops")
    parser.add_argument("--work", help="where the copy is made (default: the directory for temporary files)")
    parser.add_argument("--json", action="store_true", help="everything that was found, one line a repository")
    arguments = parser.parse_args()
    arguments.program = str(Path(arguments.program).resolve())
    is_bad = False
    if not arguments.json:
        print("| repository | " + " | ".join(COLUMNS) + " |\n|---|" + "---|" * len(COLUMNS), flush=True)
    for source in arguments.repositories:
        found = replay(arguments, source)
        if arguments.json:
            print(json.dumps(found), flush=True)
        else:
            print(f"| {found['repository']} | " + " | ".join(str(found[column]) for column in COLUMNS) + " |", flush=True)
            for kind, faults in found["faults"].items():
                for fault in faults[:20]:
                    print(kind, *fault, file=sys.stderr)
        is_bad |= any(found["faults"].values()) or found[COLUMNS[-2]] > 0
    sys.exit(1 if is_bad else 0)


if __name__ == "__main__":
    main()
