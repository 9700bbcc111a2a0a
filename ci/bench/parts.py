"""What is measured beside the shapes: history, large documents, and a run with nothing to do."""

import json
import statistics

import iam
import repositories
from measure import Command, interleaved, run, table
from repositories import CLUSTER, git, once, sandbox
from shapes import KEY

COMMITS, OLD_COMMITS, ROLES, DELAY = 50_000, 20_000, 5_000, 0.05


def history(program, work, rounds):
    """What happened many commits back, and commits on many roles."""
    directory = once(repositories.history, work / f"history-{COMMITS}", COMMITS)
    repository, path = directory / "r.git", repositories.account(0)
    removed = sandbox(directory / "iam.json", program, repository, lambda: numbered(400), f"HEAD~{COMMITS + 1}")
    until = f"HEAD~{COMMITS - OLD_COMMITS}"
    full = spread(removed, git(repository, "rev-list", "--reverse", until).decode().split())
    plan = f"{program} plan --no-cache {' '.join(CLUSTER)} --format json --sandbox"
    every = [
        Command("git log --first-parent -1 -- PATH", f"git -C {repository} log --first-parent -1 -- {path}"),
        Command(f"plan --mode sync, a removal {COMMITS} commits back", f"{plan} {removed} --mode sync {repository}"),
        Command(f"plan --full, 400 roles over {OLD_COMMITS} commits", f"{plan} {full} --full --revision {until} {repository}"),
    ]
    show("History", every, rounds)


def numbered(roles):
    """The ServiceAccounts of these repositories."""
    return [f"bar/s{n}" for n in range(roles)]


def spread(state, commits):
    """The file of an account whose roles were written last by commits from all over a history."""
    path = state.with_name("full.json")
    account = json.loads(state.read_text())
    roles = [role for role in account["roles"] if "=" not in role["name"]]
    for number, role in enumerate(roles):
        for tag in role["tags"]:
            if tag["key"] == "role.k8s.aws/last-commit":
                tag["value"] = commits[number * len(commits) // len(roles)]
    path.write_text(json.dumps(account))
    return path


def document(program, work, rounds):
    """Documents of 30 MB: what can be read, and what is refused because of what it would take."""
    item = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":{"a":"b","c":"d"}},\n'
    metadata = {"name": "a", "namespace": "b", "annotations": {KEY: "false"}}
    ours = json.dumps({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    items = item * (30_000_000 // len(item))
    text = f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\ndata:\n  {KEY}: |\n" + "    a line of text\n" * 1_580_000
    every = []
    for number, (name, content, code) in enumerate(
        [
            ("a List of 30 MB", '{"apiVersion":"v1","kind":"List","items":[' + items + ours + "]}\n", 0),
            ("30 MB of text under our key", text, 0),
            ("30 MB of values, refused", f"# {KEY}\n" + "- 1\n" * 7_500_000, 4),
        ]
    ):
        directory = once(repositories.large, work / f"document-{number}", content.encode())
        lint = f"{program} lint --no-cache --account 123456789012 {directory}/r.git"
        every.append(Command(name, lint, codes=(code,)))
    show("Documents", every, rounds)


def idle(program, work, rounds):
    """A plan with nothing to do over many roles, against a server that answers each call after a while."""
    directory = once(repositories.idle, work / f"idle-{ROLES}", ROLES)
    repository = directory / "r.git"
    state = sandbox(directory / "iam.json", program, repository, lambda: numbered(ROLES), "HEAD")
    server = iam.Server(state, DELAY)
    keys = "AWS_ACCESS_KEY_ID=AKIDBENCH AWS_SECRET_ACCESS_KEY=bench AWS_REGION=eu-west-1"
    plan = f"{program} plan --cache-dir {directory}/cache {' '.join(CLUSTER)} --format json"
    against = f"env {keys} AWS_ENDPOINT_URL={server.url()} {plan}"
    every = [
        Command("plan", f"{against} {repository}"),
        Command("plan --full", f"{against} --full {repository}"),
        Command("plan --mode sync", f"{against} --mode sync {repository}"),
        Command("plan, the sandbox's file", f"{plan} --sandbox {state} {repository}"),
    ]
    rows = []
    for command in every:
        # The first run fills the cache.
        runs = [counted_calls(server, command) for _ in range(rounds + 1)][1:]
        calls, trips, wall, cpu, memory = (statistics.median(column) for column in zip(*runs))
        row = [f"{calls:.0f}", f"{trips:.3f}", f"{wall:.3f}", f"{wall - trips:.3f}", f"{cpu:.3f}", f"{memory:.0f}"]
        rows.append([command.name, *row])
    print(f"## {ROLES} roles, nothing to do, {DELAY * 1000:.0f} ms a call\n")
    header = ["command", "calls", "seconds with a call under way", "seconds", "beside the calls", "CPU seconds", "peak MiB"]
    table(header, rows)


def counted_calls(server, command):
    server.reset()
    taken = run(command)
    return len(server.calls), server.round_trips(), taken.wall, taken.cpu, taken.memory


def show(title, every, rounds):
    median = interleaved(every, rounds)
    rows = []
    for name in (command.name for command in every):
        taken = median[name]
        rows.append([name, f"{taken.wall:.3f}", f"{taken.cpu:.3f}", f"{taken.memory:.0f}"])
    print(f"## {title}\n")
    table(["command", "seconds", "CPU seconds", "peak MiB"], rows)
