"""Makes the repositories that are measured, once for each directory: what is there already is taken as it is."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from shapes import service_account

ACCOUNT = """{"account": "123456789012", "quotas": {"roles": 100000},
"oidcProviders": [{"issuer": "oidc.example.com", "audiences": ["sts.amazonaws.com"]}]}"""


def git(directory, *arguments, **options):
    done = subprocess.run(["git", "-C", directory, *arguments], check=True, capture_output=True, **options)
    return done.stdout.strip()


def once(make, directory, *arguments):
    """Calls `make` for a directory that is not there; it appears there only when it is complete."""
    if not directory.exists():
        unfinished = directory.with_name(directory.name + ".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        make(unfinished, *arguments)
        unfinished.rename(directory)
    return directory


def bare(directory, commits):
    """A bare repository of one pack. A commit is its changes: pairs of a path and a content, `None` for a removal."""
    directory.mkdir()
    git(directory, "init", "--quiet", "--bare", "--initial-branch=main")
    importer = subprocess.Popen(["git", "-C", directory, "fast-import", "--quiet"], stdin=subprocess.PIPE)
    for number, changes in enumerate(commits):
        header = b"commit refs/heads/main\ncommitter A <a@example.com> %d +0000\ndata 1\nx\n"
        importer.stdin.write(header % (1_700_000_000 + number))
        for path, content in changes:
            change = b"D %s\n" if content is None else b"M 100644 inline %s\n"
            importer.stdin.write(change % os.fsencode(path))
            importer.stdin.write(b"" if content is None else b"data %d\n%s\n" % (len(content), content))
    importer.stdin.close()
    if importer.wait() != 0:
        raise SystemExit(f"git fast-import failed in {directory}")
    git(directory, "repack", "-adfq", "--threads=2")


def shape(directory, files):
    """`r.git` of two commits that differ in one file; the same in packs of 20 MB, in loose objects, and checked out."""
    bare(directory / "r.git", [files(), [edited(files())]])
    subprocess.run(["git", "clone", "-q", directory / "r.git", directory / "checkout"], check=True)
    shutil.copytree(directory / "r.git", directory / "several.git")
    git(directory / "several.git", "repack", "-adq", "--max-pack-size=20m")
    shutil.copytree(directory / "r.git", directory / "loose.git", ignore=shutil.ignore_patterns("pack-*"))
    for pack in (directory / "r.git/objects/pack").glob("*.pack"):
        with open(pack) as objects:
            git(directory / "loose.git", "unpack-objects", "-q", stdin=objects)


def edited(files):
    """The first of the files that has an image, with another one."""
    path, content = next(file for file in files if file[0].endswith(".yaml") and b" image: " in file[1])
    return path, content.replace(b" image: ", b" image: edited.", 1)


def history(directory, length):
    """400 ServiceAccounts, one of which is removed at once, and so many commits of something else behind that."""

    def commits():
        yield [(account(n), service_account(f"s{n}", "bar", True).encode()) for n in range(400)]
        yield [(account(0), None)]
        for n in range(length):
            text = f'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\n  namespace: bar\ndata:\n  n: "{n}"\n'
            yield [(f"apps/d{n % 40}/c.yaml", text.encode())]

    bare(directory / "r.git", commits())


def account(n):
    """Where a ServiceAccount of the history is."""
    return f"apps/d{n % 40}/s{n}.yaml"


def idle(directory, roles):
    """A repository whose files are ServiceAccounts."""
    files = [(f"apps/s{n}.yaml", service_account(f"s{n}", "bar", True).encode()) for n in range(roles)]
    bare(directory / "r.git", [files])


def large(directory, text):
    """A repository with one large document."""
    bare(directory / "r.git", [[("large.yaml", text)]])


def sandbox(path, program, repository, pairs, revision):
    """The file of an account with the roles of what `pairs` returns: `apply` finds none to write, and records its commit."""
    if not path.exists():
        unfinished = path.with_suffix(".unfinished")
        commit = git(repository, "rev-parse", revision).decode()
        roles = [role(number, pair, commit) for number, pair in enumerate(sorted(pairs()))]
        unfinished.write_text(json.dumps(json.loads(ACCOUNT) | {"roles": roles}))
        apply = [program, "apply", "--no-cache", *CLUSTER, "--sandbox", unfinished, "--format", "json"]
        done = subprocess.run([*apply, "--revision", revision, repository], stdout=subprocess.PIPE)
        if not done.stdout or json.loads(done.stdout)["summary"]["inSync"] != len(roles):
            raise SystemExit(f"the roles of {path} are not as declared: {done.stdout.decode()[-2000:]}")
        unfinished.rename(path)
    return path


def role(number, pair, commit):
    """A role as `apply` makes it."""
    namespace, name = pair.split("/")
    conditions = {
        "oidc.example.com:sub": f"system:serviceaccount:{namespace}:{name}",
        "oidc.example.com:aud": "sts.amazonaws.com",
    }
    provider = "arn:aws:iam::123456789012:oidc-provider/oidc.example.com"
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": conditions},
    }
    tags = {
        "role.k8s.aws/managed-by": "iam-service-account-controller",
        "role.k8s.aws/cluster": "prod",
        "serviceaccount.k8s.aws/stack": pair,
        "role.k8s.aws/commit": commit,
        "role.k8s.aws/last-commit": commit,
    }
    return {
        "name": f"k8s-sa_{namespace}_{name}",
        "id": f"AROA{number:017}",
        "trustPolicy": {"Version": "2012-10-17", "Statement": [statement]},
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
    }


CLUSTER = ["--cluster-name", "prod", "--oidc-provider", "oidc.example.com"]


def size(directory):
    """How many bytes the packs of a repository have."""
    return sum(entry.stat().st_size for entry in os.scandir(Path(directory) / "objects/pack"))
