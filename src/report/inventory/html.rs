//! One HTML page that needs nothing else: readable without JavaScript and on a phone, and with
//! JavaScript sortable and filterable.

use std::io::{self, Write};

use super::{COLUMNS, Inventory};
use crate::report::sanitize::html;

const STYLE: &str = "
body { font: 14px/1.4 system-ui, sans-serif; margin: 1rem; color: #1b1f24; background: #fff; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid #d0d7de; vertical-align: top; }
td[data-label=attached], td[data-label=source] { overflow-wrap: anywhere; min-width: 7rem; }
td[data-label=created], td[data-label=commit], td[data-label='last used'] { white-space: nowrap; }
th button { font: inherit; font-weight: 600; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; white-space: nowrap; }
th[aria-sort=ascending] button::after { content: ' \\2191'; }
th[aria-sort=descending] button::after { content: ' \\2193'; }
input, select { font: inherit; padding: .3rem .5rem; margin: .5rem .5rem .5rem 0; max-width: 100%; box-sizing: border-box; }
input { width: 30rem; }
label { display: none; }
tr[hidden] { display: none; }
.quarantined { background: #fff1e5; }
@media (max-width: 60rem) {
  thead { display: none; }
  label { display: block; }
  tr:not([hidden]) { display: block; border: 1px solid #d0d7de; margin-bottom: .75rem; }
  td { display: flex; gap: .75rem; border-bottom: 0; overflow-wrap: anywhere; }
  td > span { min-width: 0; }
  td::before { content: attr(data-label); flex: 0 0 9rem; font-weight: 600; }
}
@media (prefers-color-scheme: dark) {
  body { background: #0d1117; color: #e6edf3; }
  th, td, tr { border-color: #30363d; }
  input, select { color: inherit; background: #161b22; border: 1px solid #30363d; }
  .quarantined { background: #3d2410; }
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
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">"
    )?;
    writeln!(
        out,
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
    )?;
    writeln!(
        out,
        "<title>IAM roles of ServiceAccounts</title>\n<style>{STYLE}\n</style>\n</head>\n<body>"
    )?;
    for cluster in &inventory.clusters {
        let (name, account) = (html(&cluster.name), html(&cluster.account));
        writeln!(
            out,
            "<h1>Roles of cluster {name}</h1>\n<p>Account {account}, {} owned roles</p>",
            cluster.roles.len()
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
                let text = html(&cell);
                write!(out, "<td data-label=\"{column}\"><span>{text}</span></td>")?;
            }
            writeln!(out, "</tr>")?;
        }
        writeln!(out, "</tbody>\n</table>")?;
    }
    writeln!(out, "<script>{SCRIPT}\n</script>\n</body>\n</html>")
}
