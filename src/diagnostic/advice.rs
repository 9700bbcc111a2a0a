//! What a kind of finding usually comes from, and what to do about it: the long form of its hint, for
//! the reference and for code scanning.

use super::Code;

impl Code {
    /// Sentences on where such a finding comes from, and why it matters.
    pub fn cause(self) -> &'static str {
        match self {
            Self::InvalidEncoding => {
                "A file was saved as UTF-16 or Latin-1, or is no text at all. What it declares is not known, so nothing that it could declare is pruned."
            }
            Self::InvalidYaml => {
                "A syntax error, a control character, an unknown tag or directive, text behind `---`, or a document that is no mapping. Kubernetes would refuse it, or read something else than other YAML libraries do."
            }
            Self::InvalidJson => {
                "A comma too many, a comment, or a file cut short. kubectl takes a file that begins with `{` for JSON."
            }
            Self::UnrenderedTemplate => {
                "The file holds `{{ … }}`: it is the source of a chart, and not what the chart renders to. Or a name or an annotation holds what something else replaces later: `${VAR}` (Flux), `<path:…>` (the Vault plugin of Argo CD), `ENC[…]` (SOPS), or `<no value>`."
            }
            Self::NotRendered => {
                "A directory with `Chart.yaml`, `templates/` or `kustomization.yaml` holds the annotation. The cluster gets what it is rendered to, so only that counts."
            }
            Self::DuplicateKey => {
                "Two values for one key, often `annotations:` written twice or a merge gone wrong. Readers differ in which one they take, so what a person reviewed may not be what the cluster gets."
            }
            Self::LimitExceeded => {
                "More than 64 levels, 1,000 aliases, or anchors and merge keys that expand to a multiple of the file. Rendered manifests never do that; documents that are made to exhaust a reader do."
            }
            Self::InvalidList => {
                "A `List` without `apiVersion` or `kind`, without `items`, or with items that are no objects. Kubernetes applies nothing of it."
            }
            Self::NotRead => {
                "Links are not followed, submodules and LFS objects are not fetched: what is behind them is not part of the commit. A ServiceAccount may have moved there, so no role is pruned whose ServiceAccount was removed since it changed."
            }
            Self::InvalidServiceAccount => {
                "A field has another type than in Kubernetes' schema, or a YAML tag. The API server would refuse the ServiceAccount, and `kubectl apply` would fail."
            }
            Self::UnquotedScalar => {
                "Without quotes `true`, `yes`, `1` and `1e3` are booleans and numbers. Annotations, labels and names are strings, and the API server refuses anything else."
            }
            Self::MissingName => {
                "`metadata.name` is not there, or is empty. A name that Kubernetes generates (`generateName`) is not known before it is applied, so no role can be made for it."
            }
            Self::MissingNamespace => {
                "`metadata.namespace` was left to whoever applies the manifest. The name of the role and its trust policy hold the namespace, and `default` is only a guess."
            }
            Self::IgnoredServiceAccount => {
                "`--exclude`, or `ignore` in the configuration, matches a file that declares a role, or names one by its ARN in what is not understood, and no file that is read declares it, too. What is ignored counts for nothing, so the role would be nobody's."
            }
            Self::NamespaceNotAllowed => {
                "`--namespace-enforce` is on, and the rule for this path gives other namespaces: one team's directory cannot claim another's roles. A role that nobody else declares is held; a declaration that is allowed goes on."
            }
            Self::InvalidName => {
                "Upper-case letters, `_`, or more characters than Kubernetes allows: 63 in a namespace, 253 in a name."
            }
            Self::InvalidManaged => {
                "The value is `True`, `yes`, `1`, empty, or another word. A value that is not understood could mean either, so the role is left as it is."
            }
            Self::MissingRoleArn => {
                "The annotation that tells the pod which role to assume is not there. The role would be made and no pod would use it."
            }
            Self::InvalidRoleArn => {
                "The value has a space or a line break in it, is a number or null, or is the ARN of something else."
            }
            Self::RoleArnMismatch => {
                "Partition, account, path or name differ from those of the role that this ServiceAccount has: copied from another ServiceAccount or another account, or the program runs with another `--role-prefix` or `--account`. The ARN is checked and never taken for the target."
            }
            Self::RoleArnSetting => {
                "Most annotations of the run, or all of a directory, would be right with another `--account`, `--role-prefix`, `--role-path` or partition: the program runs with the settings of another cluster, or reads another cluster's manifests because `--path` was forgotten. Every ServiceAccount is held; it is one finding for all of them."
            }
            Self::InvalidAudience => {
                "The value is empty, has white space or a wildcard in it, or the OIDC provider in IAM does not accept it."
            }
            Self::RoleNameTooLong => {
                "`PREFIX_NAMESPACE_NAME` has more than 64 characters. It is not cut, because two names that are cut may be one."
            }
            Self::DuplicateServiceAccount => {
                "Two files, or two documents of a file, declare the same namespace and name. If they declare the same, one of them counts and this is a note; if not, it is not known which one the cluster gets, and the role is held."
            }
            Self::RoleNameCollision => {
                "IAM ignores letter case in role names: two ServiceAccounts would have one role, or two clusters of one account would give the same name."
            }
            Self::Misspelled => {
                "A key differs from one of ours in a letter or two, or stands in a place where Kubernetes does not look. Kubernetes ignores it silently; taking it for a removal would take the role away."
            }
            Self::WrongKind => {
                "A Deployment, a ServiceAccount of another API group, or an object without a kind carries the annotation. It has no effect there."
            }
            Self::TrailingNewline => {
                "The value was written as a block scalar (`|` or `>`). Here the line break is taken off, but the SDK in the pod gets it."
            }
            Self::CommitUnknown => {
                "`--directory` reads plain files, and nobody said which commit they were rendered from. Without one the order of runs cannot be known, and new roles do not say where they come from."
            }
            Self::OrderNotProven => {
                "A part of the history is missing (a shallow clone, or plain files), or the job may not write to the cluster's record or take its lock. Where history is missing, missing and drifted roles are made and repaired, no role is retired and no quarantine ended. A late run of an older commit is not found out, or two runs write at the same time."
            }
            Self::RecordNotWritten => {
                "Every apply writes its commit to the record, a role named `PREFIX_=CLUSTER`, before it writes to any other, so that an older run that comes late is known to be late. Without that nothing is written."
            }
            Self::LockLost => {
                "Calls to IAM took so long that other runs may take this one for dead, or somebody deleted its lock, a role named `PREFIX_=CLUSTER=N`."
            }
            Self::DirtyWorkTree => {
                "A manifest was edited and not committed. Git objects are read, never the work tree."
            }
            Self::ForeignRole => {
                "Somebody made a role of that name by hand, with another tool, or for another cluster, or its ownership tags were changed. It is never written to."
            }
            Self::ExistingRole => {
                "The ServiceAccount has a role already, which somebody else made under another name. Roles of this program are named `PREFIX_NAMESPACE_NAME`, so it gets a new one, to which nothing is attached."
            }
            Self::BoundaryDiffers => {
                "The permissions boundary of the role was changed or removed, or `--permissions-boundary` was. Somebody set it with a purpose, so it is reported and never swapped."
            }
            Self::TagsFull => {
                "IAM allows 50 tags on a role, and others have tagged it, too. What fits is written, the most important first; access is granted and ended all the same."
            }
            Self::RoleRenamed => {
                "A ServiceAccount got another name or namespace. For IAM that is one role fewer and one more, with another id and no policies."
            }
            Self::SecurityDrift => {
                "A statement of the trust policy lets in somebody whom the manifests do not declare: an edit by hand, or an attack. It is an error where this run does not put it right: nobody declares the role, or it is held."
            }
            Self::PodIdentity => {
                "The trust policy has a statement for `pods.eks.amazonaws.com`, as `eksctl utils migrate-to-pod-identity` adds it: somebody moves the ServiceAccount from IRSA to EKS Pod Identity."
            }
            Self::OidcProvider => {
                "The provider was deleted, is that of another cluster, or does not list the audience that trust policies demand. STS refuses every token of the cluster, while each role looks as declared."
            }
            Self::OidcProviderUnread => {
                "The job may not call `iam:GetOpenIDConnectProvider` on the provider of the cluster, so a provider that is gone is not noticed."
            }
        }
    }

    /// Sentences on what to do about such a finding.
    pub fn fix(self) -> &'static str {
        match self {
            Self::InvalidEncoding => {
                "Save the file as UTF-8: `iconv --from-code UTF-16 --to-code UTF-8 FILE`. A file that is no manifest should not end in .yaml, .yml or .json, or be left out with `--path`."
            }
            Self::InvalidYaml => {
                "Correct the place that the message names; `kubectl apply --dry-run=client --filename FILE` says the same."
            }
            Self::InvalidJson => {
                "Correct the place that the message names; if it is meant as YAML, begin the file with a line `---`."
            }
            Self::UnrenderedTemplate => {
                "Commit what `helm template`, or whatever renders it, prints; give the values of Flux variables with `--substitute`; or leave the chart out with `--path`."
            }
            Self::NotRendered => {
                "Commit what the command of the hint prints, or render in the job and read that with `--directory`; or say with `--namespace-from` what sets a base's namespace. What `--exclude` leaves out declares nothing, so its roles are retired; where it names one, that is `ignored-service-account`."
            }
            Self::DuplicateKey => {
                "Keep one of the two, and put a merge key `<<` first in its mapping."
            }
            Self::LimitExceeded => {
                "Write the values out instead of aliases, or leave the file out with `--path`."
            }
            Self::InvalidList => {
                "Give it `apiVersion: v1`, `kind: List` and its objects under `items`, or separate the objects with lines `---`."
            }
            Self::NotRead => {
                "Commit the rendered file itself, or leave the place out with `--path`."
            }
            Self::InvalidServiceAccount => {
                "Give the field the type that the message names; `kubectl explain serviceaccount` shows the schema."
            }
            Self::UnquotedScalar => "Put the value in double quotes.",
            Self::MissingName => "Set `metadata.name`.",
            Self::MissingNamespace => {
                "Set `metadata.namespace` in the rendered manifest: `namespace: NAME` in a kustomization does. `helm template --namespace NAME` alone does not: it only fills in `.Release.Namespace` where the chart's templates write that. Where something else sets it (`kubectl -n`, Argo CD's destination, Flux's `targetNamespace`), say so with `--namespace-from`."
            }
            Self::IgnoredServiceAccount => {
                "Narrow the rule, or remove the ServiceAccount or its annotation in a commit that is applied before the rule is set."
            }
            Self::NamespaceNotAllowed => {
                "Move the manifest to a path of its namespace, or change the rule for the path: `--namespace-from`."
            }
            Self::InvalidName => {
                "Give the ServiceAccount a name of lower-case letters, digits, `-` and `.`; a namespace has no `.`."
            }
            Self::InvalidManaged => {
                "Write `\"true\"` or `\"false\"`, with the quotes, or remove the annotation."
            }
            Self::MissingRoleArn | Self::InvalidRoleArn | Self::RoleArnMismatch => {
                "Write the ARN that the hint gives. If that one is wrong, correct `--account`, `--role-prefix` or `--role-path`."
            }
            Self::RoleArnSetting => {
                "Correct the setting, or read the cluster's own manifests with `--path`. Do not rewrite the annotations before it is clear whose they are."
            }
            Self::InvalidAudience => {
                "Write `sts.amazonaws.com`, remove the annotation, or add the audience to the OIDC provider as the hint says."
            }
            Self::RoleNameTooLong => {
                "Shorten the namespace or the name by as many characters as the hint says, or use a shorter `--role-prefix`: with another prefix every role is another role."
            }
            Self::DuplicateServiceAccount => {
                "Keep one declaration, or make their annotations equal."
            }
            Self::RoleNameCollision => {
                "Rename one of the ServiceAccounts, or give each cluster of the account a `--role-prefix` of its own; if one is on its way to the other, make them one entry with both issuers."
            }
            Self::Misspelled => {
                "Correct the key, or remove it: until then the role is left as it is."
            }
            Self::WrongKind => {
                "Move the annotation to an object with `apiVersion: v1`, `kind: ServiceAccount`."
            }
            Self::TrailingNewline => "Write the value on the line of its key.",
            Self::CommitUnknown => "Say which commit it is: `--commit \"$(git rev-parse HEAD)\"`.",
            Self::OrderNotProven => {
                "Fetch the full history (`fetch-depth: 0`, `git fetch --unshallow`) and read the repository itself; where the job lacks the right, `irsa-gitops iam-policy --for apply` prints it."
            }
            Self::RecordNotWritten => {
                "Run again. If another run is at work on the cluster, let it end first."
            }
            Self::LockLost => {
                "Run again: it goes on where that run stopped. If it happens again, a longer `--lock-lease` bears slower calls."
            }
            Self::DirtyWorkTree => {
                "Commit the change for it to have an effect, or read the files as they are with `--directory`."
            }
            Self::ForeignRole => {
                "Run `irsa-gitops explain ROLE` to see whose it is. If it serves this ServiceAccount, take it over with `irsa-gitops adopt ROLE`; if another cluster uses it, give one of the two another `--role-prefix`."
            }
            Self::ExistingRole => {
                "Attach the same to the new role before the annotation changes: `plan` and `explain` print the commands, in the order in which no pod loses access."
            }
            Self::BoundaryDiffers => {
                "Set it with `aws iam put-role-permissions-boundary`, or change `--permissions-boundary`."
            }
            Self::TagsFull => {
                "Take off tags that nobody needs (`aws iam untag-role`), or give fewer `--tag`, and run again."
            }
            Self::RoleRenamed => {
                "Attach to the new role what the old one has before pods use it; `irsa-gitops explain OLD-ROLE` lists it."
            }
            Self::SecurityDrift => {
                "`apply` puts the declared trust policy back. Look for UpdateAssumeRolePolicy on this role in CloudTrail, and end the sessions that run: they last up to twelve hours. Where the run does not write to the role, close it with the command of the hint."
            }
            Self::PodIdentity => {
                "Nothing, if the migration is meant: the statement is kept. Otherwise set `--pod-identity refuse`, which removes it."
            }
            Self::OidcProvider => {
                "Run the command of the hint, which registers the provider or adds the audience; or correct `--oidc-provider` or `--audience`. The thumbprint is not looked at."
            }
            Self::OidcProviderUnread => {
                "Give the job the right: `irsa-gitops iam-policy --for plan` prints it."
            }
        }
    }
}
