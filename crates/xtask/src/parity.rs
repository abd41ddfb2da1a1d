//! The table of all runtimes: how many golden sets and vectors came out the same in each.

use crate::table;
use std::collections::BTreeMap;
use virstor_testkit::GoldenSet;

/// The columns: as the tests call the runtimes, and as people read them.
const RUNTIMES: [(&str, &str); 6] = [
    ("native", "native"),
    ("component", "component"),
    ("module", "module"),
    ("node", "Node"),
    ("Chromium", "Chromium"),
    ("Firefox", "Firefox"),
];

/// What the browsers' tests of golden sets establish, as the program's tests call it.
const DOCUMENTS: &str = "documents and export";

/// Passed cases, by what was compared and where.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parity {
    cells: BTreeMap<(String, &'static str), u64>,
    /// The browser whose tests are being reported.
    browser: Option<&'static str>,
}

impl Parity {
    /// Adds a line of a Rust test's report when it is that of a passed case, `KIND::CASE::RUNTIME`.
    pub(crate) fn add_test(&mut self, line: &str) {
        let Some(line) = line.trim_end().strip_prefix("test ").and_then(|line| line.strip_suffix(" ok"))
        else {
            return;
        };
        let name = line.trim_end_matches("...").trim_end();
        if let [kind, _case, runtime] = name.split("::").collect::<Vec<_>>()[..] {
            self.count(kind, runtime);
        }
    }

    /// Adds a line of Node's report: a heading that names the browser, or a golden set that passed below it.
    pub(crate) fn add_page(&mut self, line: &str) {
        let line = line.trim();
        if let Some(heading) = line.strip_prefix("▶ ") {
            self.browser = heading.strip_prefix("golden sets in ").and_then(runtime);
        }
        let passed = line.strip_prefix("✔ ").and_then(|rest| rest.split(' ').next());
        if let (Some(browser), Some(set)) = (self.browser, passed)
            && GoldenSet::names().iter().any(|name| name == set)
        {
            self.count(DOCUMENTS, browser);
        }
    }

    /// The table, a line for everything that was compared.
    pub(crate) fn table(&self) -> String {
        let heading: Vec<&str> =
            ["identical in"].into_iter().chain(RUNTIMES.map(|(_, shown)| shown)).collect();
        let mut kinds: Vec<&String> = self.cells.keys().map(|(kind, _)| kind).collect();
        kinds.dedup();
        let cell = |kind: &String, runtime| match self.cells.get(&(kind.clone(), runtime)) {
            Some(count) => count.to_string(),
            None => "-".into(),
        };
        let rows = kinds.into_iter().map(|kind| {
            let cells = RUNTIMES.map(|(runtime, _)| cell(kind, runtime));
            [kind.clone()].into_iter().chain(cells).collect()
        });
        table::markdown(&heading, &rows.collect::<Vec<_>>())
    }

    fn count(&mut self, kind: &str, name: &str) {
        if let Some(runtime) = runtime(name) {
            *self.cells.entry((kind.into(), runtime)).or_default() += 1;
        }
    }
}

fn runtime(name: &str) -> Option<&'static str> {
    RUNTIMES.iter().map(|(runtime, _)| *runtime).find(|runtime| *runtime == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passed_cases_are_counted_by_kind_and_runtime() {
        let mut parity = Parity::default();
        for line in [
            "test documents and export::04-full::native    ... ok\n",
            "test documents and export::02-fresh-three::native ... ok\n",
            "test documents and export::04-full::node      ... FAILED\n",
            "test label vector::3 (dev)::module ... ok",
            "test module::there_are_no_sockets ... ok",
            "test io::a::b ... ok",
            "test result: ok. 5 passed",
        ] {
            parity.add_test(line);
        }
        for line in [
            "▶ golden sets in Firefox",
            "  ✔ 04-full (12.5ms)",
            "  ✖ 02-fresh-three (1ms)",
            "▶ golden sets in Firefox (30ms)",
            "▶ views in Firefox",
            "  ✔ 04-full (12.5ms)",
        ] {
            parity.add_page(line);
        }
        let expected = "\
| identical in         | native | component | module | Node | Chromium | Firefox |
| -------------------- | -----: | --------: | -----: | ---: | -------: | ------: |
| documents and export |      2 |         - |      - |    - |        - |       1 |
| label vector         |      - |         - |      1 |    - |        - |       - |
";
        assert_eq!(parity.table(), expected);
    }
}
