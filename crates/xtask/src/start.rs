//! The first thing a newcomer runs: builds everything, looks into the sample volume with it, and offers the web
//! inspector.

use crate::build;
use crate::process::{output_of, run};
use crate::progress::{Steps, say};
use crate::runtime::Runtime;
use crate::workspace::Workspace;
use crate::{sample, site, toolchain, web};
use anyhow::Result;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// As much of the map as tells what a map looks like.
const MAP_LINES: usize = 12;

/// Where the sample's content goes.
const EXPORTED: &str = "exported.raw";

/// What follows when everything was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// The web inspector stays there until the user has had enough.
    Stay,
    /// Nothing is left running.
    End,
}

/// Builds everything, then shows `info`, `map` and `export` on the sample, verifies what came out, and serves the web
/// inspector.
pub(crate) fn start(then: Then) -> Result<()> {
    let workspace = Workspace::ask_cargo()?;
    let runtime = Runtime::choose()?;
    let mut steps = Steps::new(build::STEPS + web::STEPS + 7);
    steps.run("wasm targets", toolchain::ensure_targets)?;
    build::build_programs(&mut steps, &workspace)?;
    web::build(&mut steps, &workspace)?;
    let folder = workspace.target().join("sample");
    let components = steps.run("unpack the sample volume", || sample::unpack_into(&folder))?;
    let tour = Tour { workspace, runtime, folder, components };

    steps.show(&tour.step("info"), || run(&mut tour.command(&["info"])))?;
    steps.show(&tour.step("map"), || {
        say_first_lines(&output_of(&mut tour.command(&["map"]))?);
        Ok(())
    })?;
    let export = ["export", "-o", EXPORTED];
    steps.show(&tour.step(&export.join(" ")), || run(&mut tour.command(&export)))?;
    let digest = steps.run("verify the export", || sample::verify(&tour.folder.join(EXPORTED)))?;
    let address = steps.run("serve the web inspector", || {
        let address = site::serve(&web::site())?;
        site::verify(address)?;
        Ok(address)
    })?;
    steps.finish(&format!("every byte is what FreeBSD wrote: sha256 {digest}"));
    say(&format!(
        "To look further: cd {} && npm run virstor -- check {}",
        shortest(&tour.folder),
        tour.components.join(" ")
    ));
    say(&format!(
        "The web inspector is at http://{address}/ and, in one file, {}",
        web::single_file().display()
    ));
    if then == Then::Stay {
        say("It is there until you press Ctrl-C.");
        loop {
            std::thread::park();
        }
    }
    Ok(())
}

/// One program, one runtime, one volume.
struct Tour {
    workspace: Workspace,
    runtime: Runtime,
    folder: PathBuf,
    components: Vec<String>,
}

impl Tour {
    fn command(&self, verb: &[&str]) -> Command {
        let args = verb.iter().copied().chain(self.components.iter().map(String::as_str));
        self.runtime.command(&self.workspace, &self.folder, &args.map(OsString::from).collect::<Vec<_>>())
    }

    fn step(&self, verb: &str) -> String {
        format!("virstor {verb} {} (wasm, in {})", self.components.join(" "), self.runtime.name())
    }
}

fn say_first_lines(text: &str) {
    text.lines().take(MAP_LINES).for_each(say);
    let rest = text.lines().count().saturating_sub(MAP_LINES);
    if rest > 0 {
        say(&format!("... and {rest} more lines"));
    }
}

/// The path as seen from where the user is, if that is above it.
fn shortest(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let below = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_path_buf));
    below.as_deref().unwrap_or(path).display().to_string()
}
