"""What the files of the measured repositories hold. Every shape is seeded: the same files each time, on every machine."""

import itertools
import random
from base64 import b64encode

KEY = "security.kaluza.com/iam-role-managed"
ROLES = "arn:aws:iam::123456789012:role/k8s-sa_"
# Of so many files of clusters, so many have our annotation, and so many are CRDs: a dozen for each of 20 clusters.
CLUSTERS = {"files": 20_000, "annotated": 1367, "clusters": 20, "crds": 12}
CRD_SIZES = range(200_000, 450_001, 250_000 // 11)
WORDS = """controller reconciles object status field reference namespace default value resource specification when
ready condition list selector label annotation must match pattern template container volume secret name provider
policy target replica update strategy interval timeout endpoint certificate issuer request limit memory storage
class node affinity toleration schedule backup retention cluster region zone network ingress gateway route listener
protocol port address header filter weight backend service account token audience version generation observed last
transition time message reason type enabled optional required immutable deprecated ignored whether the a of to is for
if in and with that this be by from each""".split()
NAMES = ["%06x" % random.Random(number).getrandbits(24) for number in range(4000)]


def service_account(name, namespace, is_managed, labels=""):
    managed = f"""  annotations:
    {KEY}: "true"
    eks.amazonaws.com/role-arn: {ROLES}{namespace}_{name}
"""
    head = f"apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: {name}\n  namespace: {namespace}\n"
    return head + labels + (managed if is_managed else "")


def similar(files):
    """Rendered releases that resemble each other; every twentieth file is a ServiceAccount and nothing else."""
    chosen = random.Random(1)
    templates = [[image(chosen) for _ in range(130)] for _ in range(300)]
    for n in range(files):
        images = templates[n % 300]
        for _ in range(4):
            images[chosen.randrange(130)] = image(chosen)
        yield numbered(n, [deployment_of_images(n, images)] if n % 20 else [])


def distinct(files):
    """Files that share nothing; every twentieth has a ServiceAccount before its Deployment."""
    chosen = random.Random(1)
    for n in range(files):
        yield numbered(n, [deployment_of_images(n, [image(chosen) for _ in range(130)])])


def numbered(n, documents):
    """A file of the first two shapes, with a ServiceAccount if it is its turn."""
    ours = [] if n % 20 else [service_account(f"app-{n}", f"ns-{n % 200}", True)]
    return f"apps/ns-{n % 200}/app-{n}.yaml", "---\n".join(ours + documents).encode()


def image(chosen):
    name, *path = chosen.choices(NAMES, k=4)
    return "    - name: %s\n      image: registry.example.com/%s/%s:%s\n" % (name, *path)


def deployment_of_images(n, images):
    head = f"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-{n}\n  namespace: ns-{n % 200}\n"
    return head + "spec:\n  containers:\n" + "".join(images)


def clusters(files):
    """Applications, each rendered into up to 20 clusters, five documents a file, and CRDs of 200-450 KB."""
    chosen = random.Random(2)
    names = [f"prod-{n}" for n in range(min(CLUSTERS["clusters"], max(1, files // 1000)))]
    made = 0
    for crd in (custom_resource_definition(chosen, n, size) for n, size in enumerate(CRD_SIZES)):
        for name in names:
            made += 1
            yield f"clusters/{name}/crds/{crd[0]}.yaml", crd[1].replace("@CLUSTER@", name).encode()
    ours, managed = round(files * CLUSTERS["annotated"] / CLUSTERS["files"]), 0
    for n in itertools.count():
        # Few applications are everywhere; as many are in one or two clusters as in ten to twenty.
        rendered = names[: min(round(len(names) ** chosen.random()), files - made)]
        if not rendered:
            return
        left = ours - managed
        # Early rather than late, so that the last applications need not make up for it.
        ours_here = min(left, len(rendered)) if managed * files <= ours * made else 0
        path, before, behind = application(chosen, n)
        secrets = chosen.randint(1, 4)
        for at, name in enumerate(rendered):
            account = service_account(f"app-{n}", f"team-{n % 40}-{name}", at < ours_here, labels(n))
            documents = [before, account, sealed_secret(chosen, n, secrets), behind]
            text = "---\n".join(documents).replace("@CLUSTER@", name)
            yield path.replace("@CLUSTER@", name), text.encode()
        made, managed = made + len(rendered), managed + ours_here


def labels(n):
    return f"""  labels:
    app.kubernetes.io/name: app-{n}
    app.kubernetes.io/instance: app-{n}-@CLUSTER@
    app.kubernetes.io/managed-by: Helm
    helm.sh/chart: app-{n}-1.{n % 7}.{n % 11}
"""


def metadata(n):
    return f"metadata:\n  name: app-{n}\n  namespace: team-{n % 40}-@CLUSTER@\n{labels(n)}"


def sealed_secret(chosen, n, secrets):
    """What is encrypted for one cluster has nothing in common with that for another."""
    lines = (f"    {camel(chosen)}: {b64encode(chosen.randbytes(600)).decode()}\n" for _ in range(secrets))
    head = f"apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\n{metadata(n)}spec:\n  encryptedData:\n"
    return head + "".join(lines)


def application(chosen, n):
    """Where an application is rendered to, the documents before its ServiceAccount, and the one behind it."""
    meta = metadata(n)
    settings = "".join(f"    {camel(chosen)}.{n}: {sentence(chosen, 8)}\n" for _ in range(chosen.randint(10, 45)))
    config = f"apiVersion: v1\nkind: ConfigMap\n{meta}data:\n  cluster: @CLUSTER@\n  application.yaml: |\n{settings}"
    ports = f"  ports:\n    - name: http\n      port: 80\n      targetPort: {8000 + n % 1000}\n      protocol: TCP\n"
    service = f"apiVersion: v1\nkind: Service\n{meta}spec:\n  type: ClusterIP\n  selector:\n    app: app-{n}\n{ports}"
    pod = "".join(container(chosen, n, at) for at in range(chosen.randint(1, 4)))
    deployment = f"""apiVersion: apps/v1
kind: Deployment
{meta}spec:
  replicas: {chosen.randint(2, 12)}
  selector:
    matchLabels:
      app: app-{n}
  template:
    metadata:
      labels:
        app: app-{n}
    spec:
      serviceAccountName: app-{n}
      containers:
{pod}"""
    path = f"clusters/@CLUSTER@/team-{n % 40}/app-{n}.yaml"
    return path, "---\n".join([config, service]), deployment


def container(chosen, n, at):
    variables = "".join(
        f"            - name: {camel(chosen).upper()}\n              value: \"{sentence(chosen, 3)}\"\n"
        for _ in range(chosen.randint(4, 15))
    )
    probe = f"{{httpGet: {{path: /healthz, port: http}}, periodSeconds: {chosen.randint(5, 30)}}}"
    return f"""        - name: container-{at}
          image: registry.example.com/team-{n % 40}/app-{n}:{chosen.randint(1, 9)}.{chosen.randint(0, 99)}.0
          ports:
            - name: http
              containerPort: {8000 + n % 1000}
          env:
            - name: CLUSTER
              value: @CLUSTER@
{variables}          livenessProbe: {probe}
          readinessProbe: {probe}
          resources:
            requests: {{cpu: {chosen.randint(1, 40) * 50}m, memory: {chosen.randint(1, 32) * 128}Mi}}
            limits: {{memory: {chosen.randint(32, 64) * 128}Mi}}
"""


def custom_resource_definition(chosen, n, size):
    """The name and the text of a CRD as controller-gen writes it: most of it is an OpenAPI schema."""
    plural, group = f"{camel(chosen).lower()}s{n}", f"group{n}.example.com"
    lines = [
        f"""apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  annotations:
    controller-gen.kubebuilder.io/version: v0.1{n % 9}.0
  labels:
    app.kubernetes.io/instance: operator-@CLUSTER@
  name: {plural}.{group}
spec:
  group: {group}
  names: {{kind: Kind{n}, listKind: Kind{n}List, plural: {plural}, singular: {plural[:-1]}}}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {{status: {{}}}}
      schema:
        openAPIV3Schema:
          type: object
          properties:
"""
    ]
    written = 0
    while written < size:
        field = "".join(schema_field(chosen, " " * 12, 0))
        lines.append(field)
        written += len(field)
    return f"{plural}.{group}", "".join(lines)


def schema_field(chosen, indent, depth):
    """The lines of one field of a schema, with the fields below it."""
    yield f"{indent}{camel(chosen)}{chosen.randrange(10_000)}:\n{indent}  description: |-\n"
    for _ in range(chosen.randint(1, 4)):
        yield f"{indent}    {sentence(chosen, 12).capitalize()}.\n"
    kind = chosen.choice(["string", "string", "integer", "boolean", "quantity", "map"])
    if depth < 4 and chosen.random() < 0.45:
        kind = chosen.choice(["object", "object", "array"])
    if kind in ("object", "array"):
        inner = indent + ("  " if kind == "object" else "    ")
        if kind == "array":
            yield f"{indent}  type: array\n{indent}  x-kubernetes-list-type: atomic\n{indent}  items:\n"
        yield f"{inner}type: object\n{inner}properties:\n"
        for _ in range(chosen.randint(2, 6)):
            yield from schema_field(chosen, inner + "  ", depth + 1)
        return
    yield {
        "string": f"{indent}  type: string\n{indent}  maxLength: 253\n{indent}  pattern: ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$\n",
        "integer": f"{indent}  type: integer\n{indent}  format: int32\n{indent}  minimum: 0\n",
        "boolean": f"{indent}  type: boolean\n{indent}  default: false\n",
        "quantity": f"{indent}  anyOf:\n{indent}    - type: integer\n{indent}    - type: string\n"
        f"{indent}  x-kubernetes-int-or-string: true\n",
        "map": f"{indent}  type: object\n{indent}  additionalProperties:\n{indent}    type: string\n",
    }[kind]


def camel(chosen):
    first, *others = chosen.choices(WORDS, k=3)
    return first + "".join(word.capitalize() for word in others)


def sentence(chosen, words):
    return " ".join(chosen.choices(WORDS, k=words))


SHAPES = {"similar": similar, "distinct": distinct, "clusters": clusters}
