"""Gives the ServiceAccounts of a file our annotations, and leaves everything else in it as it is."""

import re

import yaml

MANAGED = "security.kaluza.com/iam-role-managed"
ROLE_ARN = "eks.amazonaws.com/role-arn"
ROLES = "arn:aws:iam::123456789012:role/"


class Loader(yaml.CSafeLoader):
    """Reads any tag as what it stands on, and `=` as text."""


Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: loader.construct_scalar(node))
Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: loader.construct_scalar(node))
Loader.add_multi_constructor("!", lambda loader, tag, node: None)


def chunks(text):
    """The documents of a file as kubectl cuts it, with their places."""
    start = 0
    for line in re.finditer(r"^---[^\n]*(?:\n|\Z)", text, re.M):
        yield start, text[start : line.start()]
        start = line.end()
    yield start, text[start:]


def role_of(namespace, name):
    return f"k8s-sa_{namespace}_{name}"


def annotated(content, namespace=None):
    """The file with our annotations on every ServiceAccount in it, rendered or not, and a namespace if one is given."""
    if b"ServiceAccount" not in content:
        return content
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return content
    edits = {}
    for start, chunk in chunks(text):
        if "ServiceAccount" not in chunk:
            continue
        try:
            root = yaml.compose(chunk, Loader=Loader)
            found = list(edits_of_node(root, chunk, namespace)) if root else []
        except (yaml.YAMLError, ValueError):
            found = list(edits_of_text(chunk, namespace))
        for at, end, new in found:
            _, known = edits.get(start + at, (0, ""))
            edits[start + at] = (start + end, known + new)
    for at in sorted(edits, reverse=True):
        end, new = edits[at]
        text = text[:at] + new + text[end:]
    return text.encode()


def fields_of(node):
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}


def edits_of_node(node, text, default):
    fields = fields_of(node)
    word = lambda key: getattr(fields.get(key), "value", None)
    if isinstance(fields.get("items"), yaml.SequenceNode) and str(word("kind")).endswith("List"):
        for item in fields["items"].value:
            yield from edits_of_node(item, text, default)
    metadata = fields.get("metadata")
    if word("kind") != "ServiceAccount" or not fields_of(metadata):
        return
    within = fields_of(metadata)
    value = lambda key: within[key].value if isinstance(within.get(key), yaml.ScalarNode) else None
    namespace = value("namespace") or default
    extra = f"namespace: {default}" if default and "namespace" not in within else None
    pairs = [(MANAGED, '"true"')]
    if namespace and value("name"):
        pairs.append((ROLE_ARN, ROLES + role_of(namespace, value("name"))))
    ours = dict(pairs)
    annotations = within.get("annotations")
    given = fields_of(annotations)
    for key in set(given) & {MANAGED, ROLE_ARN}:
        old = given[key]
        yield old.start_mark.index, old.end_mark.index, ours.get(key, '"true"')
    pairs = [(key, new) for key, new in pairs if key not in given]
    flow = ", ".join(f'"{key}": "{new.strip(chr(34))}"' for key, new in pairs)
    newline = "\r\n" if "\r\n" in text else "\n"
    first = metadata.value[0][0].start_mark
    if extra:
        # At the place of the annotations that may be inserted there too.
        separator = ", " if metadata.flow_style else newline + " " * first.column
        yield first.index, first.index, extra + separator
    if not pairs:
        return
    if given:
        first = annotations.value[0][0].start_mark
        if annotations.flow_style:
            yield first.index, first.index, f"{flow}, "
        else:
            indent = newline + " " * first.column
            yield first.index, first.index, "".join(f"{key}: {new}{indent}" for key, new in pairs)
    elif annotations is not None:
        start, end = annotations.start_mark.index, annotations.end_mark.index
        if isinstance(annotations, yaml.ScalarNode) and not annotations.value:
            end = start
        yield start, end, f" {{{flow}}}"
    else:
        if metadata.flow_style:
            yield first.index, first.index, f'"annotations": {{{flow}}}, '
        else:
            indent = newline + " " * first.column
            lines = "".join(f"{indent}  {key}: {new}" for key, new in pairs)
            yield first.index, first.index, f"annotations:{lines}{indent}"


def edits_of_text(text, default):
    """Of a template: where the lines of a ServiceAccount are."""
    if not re.search(r"^kind:\s*[\"']?ServiceAccount[\"']?\s*$", text, re.M):
        return
    block = re.search(r"^metadata:[ \t]*\r?\n((?:[ \t]+[^\n]*\n?|\{\{[^\n]*\n?|\s*\n)*)", text, re.M)
    first = block and re.search(r"^( +)[^\s{#]", block[1], re.M)
    if not first:
        return
    indent = first[1]
    value = lambda key: (re.search(rf"^{indent}{key}:[ \t]*(.+?)[ \t]*$", block[1], re.M) or [None, None])[1]
    lines = [f'{MANAGED}: "true"']
    namespace = value("namespace") or default
    if namespace and value("name"):
        lines.append(f"{ROLE_ARN}: " + ROLES + role_of(namespace.strip("\"'"), value("name").strip("\"'")))
    new = "".join(f"{indent}  {line}\n" for line in lines)
    given = re.search(rf"^{indent}annotations:[ \t]*\r?\n", block[1], re.M)
    at = block.start(1) + (given.end() if given else 0)
    yield at, at, new if given else f"{indent}annotations:\n{new}"
    if default and not value("namespace"):
        yield block.start(1), block.start(1), f"{indent}namespace: {default}\n"
