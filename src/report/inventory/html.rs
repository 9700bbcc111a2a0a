//! One HTML page that needs nothing else: readable without JavaScript and on a phone, and with
//! JavaScript sortable and filterable.

use std::io::{self, Write};

use super::{COLUMNS, Inventory};

const STYLE: &str = "
body { font: 15px/1.4 system-ui, sans-serif; margin: 1rem; color: #1b1f24; background: #fff; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid #d0d7de; vertical-align: top; overflow-wrap: anywhere; }
th[aria-sort] { cursor: pointer; }
th[aria-sort=ascending]::after { content: ' \\2191'; }
th[aria-sort=descending]::after { content: ' \\2193'; }
input { font: inherit; padding: .3rem .5rem; margin: .5rem 0; width: min(30rem, 100%); }
.quarantined { background: #fff1e5; }
@media (max-width: 50rem) {
  thead { display: none; }
  tr { display: block; border: 1px solid #d0d7de; margin-bottom: .75rem; }
  td { display: flex; gap: .75rem; border-bottom: 0; }
  td::before { content: attr(data-label); flex: 0 0 7rem; font-weight: 600; }
}
@media (prefers-color-scheme: dark) {
  body { background: #0d1117; color: #e6edf3; }
  th, td, tr { border-color: #30363d; }
  .quarantined { background: #3d2410; }
}";

const SCRIPT: &str = "
for (const table of document.querySelectorAll('table')) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  const filter = document.createElement('input');
  filter.type = 'search';
  filter.placeholder = 'Filter';
  filter.setAttribute('aria-label', 'Filter roles');
  filter.addEventListener('input', () => {
    const wanted = filter.value.toLowerCase();
    for (const row of body.rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
  table.before(filter);
  heads.forEach((head, column) => {
    head.setAttribute('aria-sort', 'none');
    head.tabIndex = 0;
    const sort = () => {
      const up = head.getAttribute('aria-sort') !== 'ascending';
      heads.forEach((other) => other.setAttribute('aria-sort', 'none'));
      head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
      const rows = [...body.rows].sort((a, b) =>
        a.cells[column].textContent.localeCompare(b.cells[column].textContent, 'en', { numeric: true }));
      body.append(...(up ? rows : rows.reverse()));
    };
    head.addEventListener('click', sort);
    head.addEventListener('keydown', (event) => { if (event.key === 'Enter') sort(); });
  });
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
        let (name, account) = (escape(&cluster.name), escape(&cluster.account));
        writeln!(
            out,
            "<h1>Roles of cluster {name}</h1>\n<p>Account {account}, {} owned roles</p>",
            cluster.roles.len()
        )?;
        writeln!(out, "<table>\n<thead><tr>")?;
        for column in COLUMNS {
            write!(out, "<th scope=\"col\">{column}</th>")?;
        }
        writeln!(out, "</tr></thead>\n<tbody>")?;
        for role in &cluster.roles {
            write!(out, "<tr class=\"{}\">", role.state.as_str())?;
            for (column, cell) in COLUMNS.iter().zip(role.cells()) {
                write!(out, "<td data-label=\"{column}\">{}</td>", escape(&cell))?;
            }
            writeln!(out, "</tr>")?;
        }
        writeln!(out, "</tbody>\n</table>")?;
    }
    writeln!(out, "<script>{SCRIPT}\n</script>\n</body>\n</html>")
}

fn escape(text: &str) -> String {
    let text = super::line(text);
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
