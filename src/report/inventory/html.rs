//! One HTML page that needs nothing else: readable without JavaScript and on a phone, and with
//! JavaScript sortable and filterable.

use std::io::{self, Write};

use super::{COLUMNS, Inventory, OwnedRole, RoleState};
use crate::model::commit::CommitId;
use crate::model::location::RepoPath;
use crate::model::repository;
use crate::report::context::Context;
use crate::report::sanitize::html;

const STYLE: &str = "
:root { color-scheme: light dark; --text: #1b1f24; --page: #fff; --line: #d0d7de; --field: #fff; --closed: #fff1e5; --link: #0969da; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6edf3; --page: #0d1117; --line: #30363d; --field: #161b22; --closed: #3d2410; --link: #58a6ff; }
}
body { font: 14px/1.4 system-ui, sans-serif; margin: 1rem; color: var(--text); background: var(--page); }
a { color: var(--link); }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
td[data-label=attached], td[data-label=source] { overflow-wrap: anywhere; min-width: 7rem; }
td[data-label=created], td[data-label=commit], td[data-label='last used'], .whole { white-space: nowrap; }
th button { font: inherit; font-weight: 600; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; white-space: nowrap; }
th[aria-sort=ascending] button::after { content: ' \\2191'; }
th[aria-sort=descending] button::after { content: ' \\2193'; }
input, select { font: inherit; color: inherit; background: var(--field); border: 1px solid var(--line); padding: .3rem .5rem; margin: .5rem .5rem .5rem 0; max-width: 100%; box-sizing: border-box; }
input { width: 30rem; }
label { display: none; }
tr[hidden] { display: none; }
.quarantined { background: var(--closed); }
@media (max-width: 60rem) {
  thead { display: none; }
  label { display: block; }
  tr:not([hidden]) { display: block; border: 1px solid var(--line); margin-bottom: .75rem; }
  td { display: flex; gap: .75rem; border-bottom: 0; overflow-wrap: anywhere; }
  td > span { min-width: 0; }
  td::before { content: attr(data-label); flex: 0 0 9rem; font-weight: 600; }
}";

const SCRIPT: &str = "
for (const table of document.querySelectorAll('table')) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  const names = heads.map((head) => head.textContent);
  const make = (tag, properties) => Object.assign(document.createElement(tag), properties);
  const filter = make('input', { type: 'search', placeholder: 'Filter', ariaLabel: 'Filter roles' });
  filter.addEventListener('input', () => {
    const wanted = filter.value.toLowerCase();
    for (const row of body.rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
  const sort = (column, up) => {
    heads.forEach((head) => head.setAttribute('aria-sort', 'none'));
    heads[column].setAttribute('aria-sort', up ? 'ascending' : 'descending');
    const rows = [...body.rows].sort((a, b) =>
      a.cells[column].textContent.localeCompare(b.cells[column].textContent, 'en', { numeric: true }));
    body.append(...(up ? rows : rows.reverse()));
  };
  heads.forEach((head, column) => {
    const button = make('button', { type: 'button', textContent: names[column] });
    button.addEventListener('click', () => sort(column, head.getAttribute('aria-sort') !== 'ascending'));
    head.replaceChildren(button);
  });
  // Where the table is shown as cards there are no headings to press.
  const choice = make('select', { ariaLabel: 'Sort by' });
  names.forEach((name, column) => {
    choice.append(new Option(name, `${column} up`), new Option(`${name}, descending`, `${column} down`));
  });
  choice.addEventListener('change', () => {
    const [column, direction] = choice.value.split(' ');
    sort(Number(column), direction === 'up');
  });
  const label = make('label', { textContent: 'Sort by ' });
  label.append(choice);
  table.before(filter, label);
}";

/// Writes the page.
pub fn render(inventory: &Inventory, out: &mut dyn Write) -> io::Result<()> {
    // Phones take an account for a telephone number.
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"format-detection\" content=\"telephone=no\">\n<meta name=\"color-scheme\" content=\"light dark\">"
    )?;
    writeln!(
        out,
        "<title>IAM roles of ServiceAccounts</title>\n<style>{STYLE}\n</style>\n</head>\n<body>"
    )?;
    for cluster in &inventory.clusters {
        let (name, account) = (html(&cluster.name), shown(&cluster.account));
        let time = inventory.time.replace('T', " ").replace('Z', " UTC");
        writeln!(
            out,
            "<h1>Roles of cluster {name}</h1>\n<p>Account {account}, as of {}</p>\n<p>{}</p>",
            html(&time),
            html(&cluster.totals())
        )?;
        if let Some(applied) = cluster.applied() {
            writeln!(out, "<p>{}</p>", html(&applied))?;
        }
        for finding in &cluster.findings {
            writeln!(out, "<p>{}</p>", html(&finding.in_words()))?;
        }
        writeln!(out, "<table>\n<thead><tr>")?;
        for column in COLUMNS {
            write!(out, "<th scope=\"col\">{column}</th>")?;
        }
        writeln!(out, "</tr></thead>\n<tbody>")?;
        for role in &cluster.roles {
            write!(out, "<tr class=\"{}\">", role.state.as_str())?;
            for (column, cell) in COLUMNS.iter().zip(role.cells()) {
                let text = match (*column, page(role, column)) {
                    (_, Some(page)) => {
                        format!("<a href=\"{}\">{}</a>", html(&page), shown(&cell))
                    }
                    (_, None) => shown(&cell),
                };
                write!(out, "<td data-label=\"{column}\"><span>{text}</span></td>")?;
            }
            writeln!(out, "</tr>")?;
        }
        writeln!(out, "</tbody>\n</table>")?;
    }
    writeln!(out, "<script>{SCRIPT}\n</script>\n</body>\n</html>")
}

/// The page that a cell leads to: that of the commit or of the manifest, where the source of a role says
/// that its repository is on GitHub.
fn page(role: &OwnedRole, column: &str) -> Option<String> {
    let (host, path) = repository::host_and_path(role.source.as_deref()?)?;
    let mut parts = path.splitn(3, '/');
    let (owner, name, file) = (parts.next()?, parts.next()?, parts.next()?);
    let repository =
        Context::default().web(Some(&format!("https://{host}/{owner}/{name}")), None)?;
    let commit = |id: &Option<String>| CommitId::new(id.as_deref()?).ok();
    if repository.is_gitlab() {
        // Where the repository ends and the path begins is not known there.
        return None;
    }
    match column {
        "commit" => Some(repository.commit(&commit(&role.commit)?)),
        // What was removed is not at the commit that wrote the role last.
        "source" if role.state == RoleState::Active => {
            let commit = commit(&role.last_commit).or_else(|| commit(&role.commit))?;
            Some(repository.file(&commit, &RepoPath::from(file), None))
        }
        _ => None,
    }
}

/// Text in which no account is broken into two lines.
fn shown(text: &str) -> String {
    let text = html(text);
    let is_digit = |c: char| c.is_ascii_digit();
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(start) = rest.find(is_digit) {
        let digits = &rest[start..];
        let length = digits.find(|c| !is_digit(c)).unwrap_or(digits.len());
        shown.push_str(&rest[..start]);
        match length {
            12 => shown.push_str(&format!(
                "<span class=\"whole\">{}</span>",
                &digits[..length]
            )),
            _ => shown.push_str(&digits[..length]),
        }
        rest = &digits[length..];
    }
    shown + rest
}
