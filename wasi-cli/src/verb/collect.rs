//! `collect`: a specimen of a heap, for bug reports and second opinions.

use std::path::Path;

use virstor::counted::{agreeing, counted};
use virstor::kernel::Tunables;
use virstor_inspect::collect::{Collected, collect};
use virstor_inspect::document::collect::Collect;

use crate::args::{CollectArgs, Output};
use crate::disk::HostFile;
use crate::failure::{Failure, Status, host_reason};
use crate::new_file::NewFile;
use crate::progress::of_stages;
use crate::size::human;
use crate::{heap, output};

pub(crate) fn run(args: &CollectArgs) -> Result<Status, Failure> {
    let heap = heap::open(&args.input, args.output, Tunables::default())?;
    let is_stdout = args.out.as_os_str() == "-";
    if is_stdout && args.output.json {
        return Err(Failure::Usage("--json and a specimen cannot both go to stdout".into()));
    }
    heap::choose(&heap, &args.input)?;
    let mut progress = of_stages(args.output);
    let collected = if is_stdout {
        to_stdout(|sink| collect(&heap, sink, &mut progress))?
    } else {
        let target = NewFile::create(&args.out, args.force, &args.input)?;
        let collected = into_file(&args.out, target.file(), |sink| collect(&heap, sink, &mut progress));
        finish(target, collected)?
    };
    drop(progress);
    heap::note_unreadable(&heap, args.output);
    if !is_stdout {
        report(&args.out, &collected, args.output)?;
    }
    Ok(if heap::unreadable(&heap) { Status::Failed } else { Status::Fine })
}

fn append(bytes: &mut Vec<u8>, piece: &[u8]) -> Result<(), Failure> {
    bytes.extend_from_slice(piece);
    Ok(())
}

/// Where the pieces of a specimen go.
pub(super) type Sink<'a> = dyn FnMut(&[u8]) -> Result<(), Failure> + 'a;

/// Hands `make` a sink that leads to stdout, when all is there.
pub(super) fn to_stdout(
    make: impl FnOnce(&mut Sink<'_>) -> Result<Collected, Failure>,
) -> Result<Collected, Failure> {
    let mut bytes = Vec::new();
    let collected = make(&mut |piece| append(&mut bytes, piece))?;
    output::with_stdout(|out| out.write_all(&bytes))?;
    Ok(collected)
}

/// Hands `make` a sink that leads to `file`, which is called `path`.
pub(super) fn into_file(
    path: &Path,
    file: &HostFile,
    make: impl FnOnce(&mut Sink<'_>) -> Result<Collected, Failure>,
) -> Result<Collected, Failure> {
    /// The pieces are small.
    const BUFFER: usize = 1 << 20;
    let (mut buffer, mut written) = (Vec::new(), 0);
    let mut flush = |buffer: &mut Vec<u8>| {
        let failed = |error| {
            Failure::Operation(format!("{}: cannot be written: {}", output::shown(path), host_reason(&error)))
        };
        file.write_all_at(written, buffer).map_err(failed)?;
        written += buffer.len() as u64;
        buffer.clear();
        Ok(())
    };
    let collected = make(&mut |piece| {
        buffer.extend_from_slice(piece);
        if buffer.len() < BUFFER { Ok(()) } else { flush(&mut buffer) }
    })?;
    flush(&mut buffer)?;
    Ok(collected)
}

/// Gives the file its name, or takes it away.
pub(super) fn finish(target: NewFile, made: Result<Collected, Failure>) -> Result<Collected, Failure> {
    match made {
        Ok(made) => target.finish().map(|()| made),
        Err(failure) => {
            target.discard();
            Err(failure)
        }
    }
}

/// Says what was made.
pub(super) fn report(path: &Path, collected: &Collected, how: Output) -> Result<(), Failure> {
    let Collected { files, described, entries, unreadable, len } = *collected;
    let document = Collect::new(output::shown(path), collected);
    if how.json {
        return output::print_json(&document);
    }
    if how.quiet {
        return Ok(());
    }
    let gaps = match unreadable {
        0 => String::new(),
        _ => format!(
            "; {} cannot be read and {} not in it",
            counted(unreadable, "entry"),
            agreeing(unreadable, "is", "are")
        ),
    };
    let (path, described, len) = (&document.output, human(described), human(len));
    let (files, entries) = (counted(files, "file"), counted(entries, "map entry"));
    output::print(&format!("{path}: {len}, for {files} of {described} in all and {entries}{gaps}\n"))
}
