#!/usr/bin/env bash
# Prints the tables of docs/performance.md. Needs git and python3; rg, yq and PyYAML are
# measured if they are there.
#
#   FILES=100000 ROUNDS=5 ci/bench.sh
#
# SIMILAR=1 makes files that resemble each other and ServiceAccounts alone in their files, as rendered releases
# are; without it every file is all its own, and every ServiceAccount has a Deployment behind it.
# PROGRAM=PATH measures a program that is built already; WORK=DIRECTORY keeps the repository there for the next time.
#
# Every round runs all commands one after the other, so that each pair of figures was taken side by side.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -n "${PROGRAM:-}" ] || cargo build --release --locked --quiet
work="${WORK:-$(mktemp -d)}"
[ -n "${WORK:-}" ] || trap 'rm -rf "$work"' EXIT
FILES="${FILES:-100000}" ROUNDS="${ROUNDS:-5}" python3 - "$work" "${PROGRAM:-${CARGO_TARGET_DIR:-$PWD/target}/release/irsa-gitops}" <<'PYTHON'
import importlib.util, os, random, shutil, statistics, subprocess, sys, time

work, program = sys.argv[1], sys.argv[2]
files, rounds = int(os.environ["FILES"]), int(os.environ["ROUNDS"])
git, checkout = f"{work}/r.git", f"{work}/checkout"
random.seed(1)
words = ["%06x" % random.getrandbits(24) for _ in range(4000)]

def image():
    w = random.choices(words, k=4)
    return "    - name: %s\n      image: registry.example.com/%s/%s:%s\n" % (w[0], w[1], w[2], w[3])

similar = "SIMILAR" in os.environ
templates = [[image() for _ in range(130)] for _ in range(300)]

def manifest(n, edit=""):
    text = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-%d\n  namespace: ns-%d\nspec:%s\n  containers:\n" % (n, n % 200, edit)
    images = list(templates[n % 300])
    for at in range(4) if similar else range(len(images)):
        images[random.randrange(len(images)) if similar else at] = image()
    text += "".join(images)
    if n % 20 == 0:
        role = "arn:aws:iam::123456789012:role/k8s-sa_ns-%d_app-%d" % (n % 200, n)
        text = ("apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: app-%d\n  namespace: ns-%d\n  annotations:\n"
                "    security.kaluza.com/iam-role-managed: \"true\"\n    eks.amazonaws.com/role-arn: %s\n" % (n, n % 200, role)) + ("" if similar else "---\n" + text)
    return text.encode()

def commit(importer, parent, changes):
    importer.write(b"commit refs/heads/main\ncommitter A <a@example.com> %d +0000\ndata 1\nx\n" % (1700000000 + parent))
    for n, content in changes:
        importer.write(b"M 100644 inline apps/ns-%d/app-%d.yaml\ndata %d\n%s\n" % (n % 200, n, len(content), content))

if not os.path.exists(checkout):
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", git], check=True)
    importer = subprocess.Popen(["git", "-C", git, "fast-import", "--quiet"], stdin=subprocess.PIPE)
    commit(importer.stdin, 0, ((n, manifest(n)) for n in range(files)))
    commit(importer.stdin, 1, [(7, manifest(7, " {}"))])
    importer.stdin.close()
    importer.wait()
    subprocess.run(["git", "-C", git, "repack", "-adfq", "--threads=2"], check=True)
    subprocess.run(["git", "clone", "-q", git, checkout], check=True)

several, loose = f"{work}/several.git", f"{work}/loose.git"
if not os.path.exists(loose):
    shutil.copytree(git, several)
    subprocess.run(["git", "-C", several, "repack", "-adq", "--max-pack-size=20m"], check=True)
    shutil.copytree(git, loose, ignore=shutil.ignore_patterns("pack-*"))
    for name in os.listdir(f"{git}/objects/pack"):
        if name.endswith(".pack"):
            with open(f"{git}/objects/pack/{name}") as pack:
                subprocess.run(["git", "-C", loose, "unpack-objects", "-q"], stdin=pack, check=True)

key = "security.kaluza.com/iam-role-managed"
lint = f"{program} lint --account 123456789012 --format json"
environment = dict(os.environ, XDG_CACHE_HOME=f"{work}/cache", HOME=work)
def cat_file(git):
    return f"git -C {git} ls-tree -r --object-only HEAD | git -C {git} cat-file --batch --buffer"

commands = {
    "git ls-tree, git cat-file --batch": cat_file(git),
    "git grep -l --threads 2": f"git -C {git} grep -l --threads 2 {key} HEAD",
    "cold read": f"{lint} --no-cache {git}",
    "cache of the commit before": f"rm -rf {work}/cache && cp -r {work}/before {work}/cache && {lint} {git}",
    "--directory": f"{lint} --no-cache --directory {checkout}",
    "--directory, with that cache": f"{lint} --directory {checkout}",
    "--version": f"{program} --version",
    "git cat-file, packs of 20 MB": cat_file(several),
    "cold read, packs of 20 MB": f"{lint} --no-cache {several}",
    "git cat-file, loose objects": cat_file(loose),
    "cold read, loose objects": f"{lint} --no-cache {loose}",
}
if importlib.util.find_spec("yaml"):
    commands["Python: byte filter, PyYAML's C loader"] = f"{sys.executable} {work}/filter.py {checkout}"
    with open(f"{work}/filter.py", "w") as script:
        script.write("""
import pathlib, sys, yaml
for path in pathlib.Path(sys.argv[1]).rglob("*.yaml"):
    content = path.read_bytes()
    if b"security.kaluza.com/iam-role-managed" in content:
        for document in yaml.load_all(content, Loader=yaml.CSafeLoader):
            if document and document.get("kind") == "ServiceAccount":
                print(document["metadata"]["name"])
""")
if shutil.which("rg"):
    commands["rg -l -j2 over a checkout"] = f"rg -l -j2 {key} {checkout}"
    # The yq on PyYAML takes some images for octal numbers and stops.
    if shutil.which("yq") and similar:
        names = """xargs yq -r 'select(.kind == "ServiceAccount") | .metadata.name'"""
        commands["rg -l -j2, yq"] = f"{commands['rg -l -j2 over a checkout']} | {names}"

def run(command):
    start = time.monotonic()
    child = os.posix_spawn("/bin/sh", ["sh", "-c", f"{{ {command}; }} >/dev/null 2>{work}/err"], environment)
    _, status, used = os.wait4(child, 0)
    assert status == 0, (command, open(f"{work}/err").read())
    return time.monotonic() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024

shutil.rmtree(f"{work}/cache", ignore_errors=True)
shutil.rmtree(f"{work}/before", ignore_errors=True)
run(f"{lint} --revision HEAD~1 {git}")
os.rename(f"{work}/cache", f"{work}/before")
figures = {name: [] for name in commands}
for _ in range(rounds):
    for name, command in commands.items():
        figures[name].append(run(command))

median = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in figures.items()}
base = median["git ls-tree, git cat-file --batch"]
pack = sum(entry.stat().st_size for entry in os.scandir(f"{git}/objects/pack"))
print(f"{files} files, pack of {pack / 1e6:.0f} MB, {os.cpu_count()} processors, median of {rounds} rounds; program of {os.stat(program).st_size / 1e6:.1f} MB\n")
print("| command | seconds | ratio | CPU seconds | ratio | peak MiB |\n|---|---:|---:|---:|---:|---:|")
for name, (wall, cpu, memory) in median.items():
    print(f"| {name} | {wall:.3f} | {wall / base[0]:.3f} | {cpu:.3f} | {cpu / base[1]:.3f} | {memory:.0f} |")
PYTHON
