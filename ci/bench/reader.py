"""An independent reader of manifests: a byte filter before PyYAML, and nothing of the program's."""

import sys
from pathlib import Path

import yaml

KEY = b"security.kaluza.com/iam-role-managed"


def declared(directory):
    """Every ServiceAccount that declares a role, as `NAMESPACE/NAME PATH:LINE`."""
    for path in Path(directory).rglob("*.yaml"):
        content = path.read_bytes()
        if KEY in content:
            for pair, line in accounts(content):
                yield f"{pair} {path.relative_to(directory)}:{line}"


def accounts(content):
    """The declaring ServiceAccounts of a file, with the lines they start in."""
    line = 1
    for text in content.decode().split("---\n"):
        found = yaml.load(text, Loader=yaml.CSafeLoader)
        if found and found["kind"] == "ServiceAccount":
            meta = found["metadata"]
            if meta.get("annotations", {}).get(KEY.decode()) == "true":
                yield f"{meta['namespace']}/{meta['name']}", line
        line += text.count("\n") + 1


if __name__ == "__main__":
    print(*declared(sys.argv[1]), sep="\n")
