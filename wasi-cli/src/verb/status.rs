//! `status`: the kernel's XML.

use virstor::kernel::Tunables;
use virstor_inspect::document::status::{Note, Status as Document};

use crate::args::StatusArgs;
use crate::failure::{Failure, Status};
use crate::{heap, output};

pub(crate) fn run(args: &StatusArgs) -> Result<Status, Failure> {
    let heap = heap::open(&args.input, args.output, Tunables::default())?;
    heap::choose(&heap, &args.input)?;
    let document = Document::new(&heap);
    if args.output.json {
        output::print_json(&document)?;
    } else {
        output::print(&commented(&document))?;
    }
    match document.panic {
        Some(why) => Err(Failure::Damage(format!("FreeBSD panics when its configuration is read: {why}"))),
        None if heap::unreadable(&heap) => Ok(Status::Failed),
        None => Ok(Status::Fine),
    }
}

/// The XML, with a comment behind every value that wrapped.
fn commented(document: &Document) -> String {
    let mut notes = document.notes.iter().peekable();
    let mut text = String::new();
    let (mut volume, mut provider) = (String::new(), String::new());
    for line in document.xml.lines() {
        text.push_str(line);
        text.push('\n');
        let line = line.trim_start();
        if let Some(name) = between(line, "<geom id=\"geom:", "\"") {
            (volume, provider) = (name.into(), String::new());
        }
        if let Some(name) = between(line, "<provider ref=\"", "\"") {
            provider = name.into();
        }
        let about = |note: &&Note| {
            note.volume == volume
                && note.provider == provider
                && line.starts_with(&format!("<{}>", note.element))
        };
        if let Some(note) = notes.next_if(|note| about(note)) {
            text.push_str(&format!("<!-- 32-bit arithmetic wrapped: {} is meant -->\n", note.meant));
        }
    }
    text
}

fn between<'a>(line: &'a str, before: &str, after: &str) -> Option<&'a str> {
    line.strip_prefix(before)?.split(after).next()
}
