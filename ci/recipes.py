"""Runs every irsa-gitops command of the recipes against a sandbox, and checks their scripts.

Called by ci/recipes.sh with the path of the program. Two commits of fixtures/quickstart stand for the
repository of manifests, so a command with --exit-code must end with 3 and every other one with 0.
"""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

import yaml

PROGRAM = pathlib.Path(sys.argv[1]).resolve()
FIXTURE = pathlib.Path("fixtures/quickstart")
ACTION = pathlib.Path("ci/recipes/github/action.yml")
WORKFLOW = pathlib.Path("ci/recipes/github/apply.yml")
# What the action runs for whoever uses it.
ACTION_COMMANDS = {"lint": [], "diff": ["HEAD^1..HEAD"], "plan": [], "apply": []}
# What the variables of the scripts stand for. One that is not here is an error.
VALUES = {
    "$base": "HEAD^1",
    "$CI_MERGE_REQUEST_DIFF_BASE_SHA": "HEAD^1",
    "$report": "report.md",
    "$facts": "report.json",
    "${{ github.event.merge_group.base_sha || 'HEAD^1' }}": "HEAD^1",
    "${{ runner.temp }}": ".",
    "${given[@]}": None,
    "$@": None,
}
# What a recipe for several clusters finds in the repository.
CONFIG = """clusters:
  - name: prod
    account: "123456789012"
    oidcProvider: oidc.eks.eu-west-1.amazonaws.com/id/14758F1AFD44C09B7992073CCF00B43D
    paths: [apps]
"""
problems = []


def mappings(node):
    """All mappings of a document, at any depth."""
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else []:
        yield from mappings(child)


def settings(documents):
    """The IRSA_GITOPS_* variables that a recipe sets."""
    found = {}
    for mapping in mappings(documents):
        for values in (mapping.get("env"), mapping.get("variables")):
            if isinstance(values, list):
                values = {entry["name"]: entry.get("value", "secret") for entry in values}
            found |= values or {}
    return {name: value for name, value in found.items() if name.startswith("IRSA_GITOPS_")}


def scripts(documents):
    for mapping in mappings(documents):
        for key in ("run", "before_script", "script"):
            script = mapping.get(key)
            if isinstance(script, (str, list)):
                yield script if isinstance(script, str) else "\n".join(script)


def simple_commands(script):
    """The words of each simple command of a shell script."""
    lines = [line for line in script.replace("\\\n", " ").splitlines() if not line.lstrip().startswith("#")]
    lexer = shlex.shlex("\n".join(lines), posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace, lexer.commenters, lexer.whitespace_split = " \t", "", True
    words = []
    for word in [*lexer, ";"]:
        if set(word) <= set("();<>|&\n"):
            yield words
            words = []
        else:
            words.append(word)


# An input of a workflow that is started by hand: the flag that it becomes, or nothing.
INPUT = re.compile(
    r"\$\{\{ inputs\.(?P<input>[a-z-]+) && "
    r"(?:format\('(?P<flag>--(?P=input))=\{0\}', inputs\.(?P=input)\)|'(?P<switch>--(?P=input))' \|\| '') \}\}"
)
GIVEN = {"--allow-removals": "1", "--allow-issuer-change": "oidc.example.com/old"}


def commands(text, documents):
    """The arguments of every irsa-gitops command of a recipe."""
    for quoted in re.findall(r"`irsa-gitops ([^`]*)`", re.sub(r"\n *# ", " ", text)):
        yield shlex.split(quoted)
    for script in scripts(documents):
        for words in simple_commands(script):
            while words and re.match(r"\w+=", words[0]):
                words = words[1:]
            if words and pathlib.PurePath(words[0]).name == "irsa-gitops":
                if words[1:2] == ["$COMMAND"]:
                    yield from ([name, *words[2:], *more] for name, more in ACTION_COMMANDS.items())
                else:
                    yield words[1:]
    for mapping in mappings(documents):
        if "irsa-gitops" in str(mapping.get("uses")):
            given = mapping["with"]
            for name in given.keys() - yaml.safe_load(ACTION.read_text())["inputs"].keys():
                problems.append(f"{ACTION} has no input {name}")
            lines = given.get("arguments", "").splitlines()
            always = [line for line in lines if not INPUT.fullmatch(line)]
            yield [given["command"], *always]
            # Each flag that somebody may give by hand, by itself.
            for flag in filter(None, map(INPUT.fullmatch, lines)):
                name = flag["switch"] or flag["flag"] + "=" + GIVEN[flag["flag"]]
                yield [given["command"], *always, name]
        if "irsa-gitops" in str(mapping.get("image")) and "args" in mapping:
            yield mapping["args"]


def filled_in(words):
    for word in words:
        for variable, value in VALUES.items():
            if word == variable and value is None:
                break
            word = word.replace(variable, value or variable)
        else:
            if "$" in word:
                raise ValueError(f"ci/recipes.py does not know what `{word}` stands for")
            yield word


def repository(work):
    def git(*arguments):
        subprocess.run(["git", "-C", work / "apps", *arguments], check=True)

    shutil.copytree(FIXTURE / "manifests", work / "apps")
    (work / "apps/irsa-gitops.yaml").write_text(CONFIG)
    git("init", "--quiet", "--initial-branch", "main")
    for file in sorted((work / "apps/apps").iterdir()):
        git("add", file)
        git("-c", "user.name=Demo", "-c", "user.email=demo@example.com", "commit", "--quiet", "--message", file.name)


def run(words, variables, work):
    shutil.copy(FIXTURE / "iam.json", work / "iam.json")
    environment = {"HOME": str(work), "PATH": os.environ["PATH"], **variables}
    environment |= {
        "IRSA_GITOPS_CACHE_DIR": str(work / "cache"),
        "IRSA_GITOPS_REPO": ".",
        "IRSA_GITOPS_SANDBOX": str(work / "iam.json"),
    }
    ended = subprocess.run([PROGRAM, *words], cwd=work / "apps", env=environment, capture_output=True, text=True)
    expected = 3 if "--exit-code" in words else 0
    if ended.returncode != expected:
        raise ValueError(f"ended with {ended.returncode} and not {expected}:\n{ended.stderr}{ended.stdout}")


def check(path, known, work):
    text = path.read_text()
    documents = list(yaml.safe_load_all(text))
    variables = settings(documents)
    if path == ACTION:
        # It has those of the workflow that uses it.
        variables = settings(yaml.safe_load(WORKFLOW.read_text())) | variables
    for name in sorted(set(re.findall(r"IRSA_GITOPS_[A-Z_]*[A-Z]", text))):
        if f"`{name}`" not in known:
            problems.append(f"{path}: the program reads no {name}")
    for comment in re.findall(r"<!--.*?-->", text):
        problems.append(f"{path}: a comment is found by the marker that the report has, not by {comment}")
    for script in scripts(documents):
        if "${{" in script:
            problems.append(f"{path}: an expression in a script; hand it over in env")
        lint = ["shellcheck", "--shell=bash", "--format=gcc", "-"]
        # The runners' shells stop at the first failure.
        linted = subprocess.run(lint, input=f"set -eo pipefail\n{script}", capture_output=True, text=True)
        problems.extend(f"{path}: script {line}" for line in linted.stdout.splitlines())
    count = 0
    for words in commands(text, documents):
        count += 1
        try:
            run(list(filled_in(words)), variables, work)
        except ValueError as error:
            problems.append(f"{path}: irsa-gitops {shlex.join(words)}: {error}")
    if count == 0:
        problems.append(f"{path}: no irsa-gitops command was found")
    return count


def main():
    known = pathlib.Path("docs/reference.md").read_text()
    recipes = sorted(pathlib.Path("ci/recipes").rglob("*.y*ml"))
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        repository(work)
        count = sum(check(path, known, work) for path in recipes)
    if problems:
        sys.exit("\n".join(problems))
    print(f"{count} commands of {len(recipes)} recipes ran")


main()
