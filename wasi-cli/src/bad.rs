//! `--bad`: which areas of which FILE could not be rescued from its disk.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use virstor_inspect::ddrescue::Mapfile;

use crate::failure::{Failure, host_reason};
use crate::output::shown;

/// The longest mapfile that is read, in bytes: a line for each bad sector of a disk that is beyond help.
const LONGEST: u64 = 256 << 20;

/// Reads the mapfiles of `arguments`, each `FILE=MAPFILE`, or a MAPFILE that is called like the FILE it is about with
/// something behind it (`c1.map`, `c1.img.map` or `c1.map` for `c1.img`), or any where there is one FILE. Gives the
/// number of the file for each.
///
/// # Errors
///
/// [`Failure::Usage`] when it is not clear which FILE is meant, or two mapfiles are about one;
/// [`Failure::Operation`] when a mapfile cannot be read.
pub(crate) fn mapfiles(arguments: &[OsString], files: &[&Path]) -> Result<Vec<(usize, Mapfile)>, Failure> {
    let mut found: Vec<(usize, Mapfile)> = Vec::new();
    for argument in arguments {
        let (number, path) = file_of(argument, files)?;
        if found.iter().any(|(other, _)| *other == number) {
            let file = shown(files[number]);
            return Err(Failure::Usage(format!("--bad {}: {file} has a mapfile already", shown(argument))));
        }
        let failed = |reason: String| Failure::Operation(format!("{}: {reason}", shown(path)));
        let len = std::fs::metadata(path).map_err(|error| failed(host_reason(&error)))?.len();
        if len > LONGEST {
            return Err(failed(format!("has {len} bytes; a mapfile of at most {LONGEST} is read")));
        }
        let text = std::fs::read(path).map_err(|error| failed(host_reason(&error)))?;
        let text =
            String::from_utf8(text).map_err(|_| failed("is no mapfile of ddrescue: it is no text".into()))?;
        found.push((number, Mapfile::parse(&text).map_err(|error| failed(error.to_string()))?));
    }
    Ok(found)
}

/// The FILE that an argument is about, and the path of the mapfile.
fn file_of<'a>(argument: &'a OsStr, files: &[&Path]) -> Result<(usize, &'a Path), Failure> {
    let whole = Path::new(argument);
    let text = argument.to_str().filter(|_| !whole.exists());
    if let Some((file, mapfile)) = text.and_then(|text| text.split_once('=')) {
        let number = files.iter().position(|path| *path == Path::new(file));
        let number = number.or_else(|| only(files, |path| path.file_name() == Some(OsStr::new(file))));
        let number = number.ok_or_else(|| {
            Failure::Usage(format!(
                "--bad {}: {} is not one of the files given",
                shown(argument),
                shown(file)
            ))
        })?;
        return Ok((number, Path::new(mapfile)));
    }
    let stem = whole.file_stem().unwrap_or_default();
    let named = only(files, |path| path.file_name() == Some(stem))
        .or_else(|| only(files, |path| path.file_stem() == Some(stem)));
    let number = named.or(if files.len() == 1 { Some(0) } else { None });
    number.map(|number| (number, whole)).ok_or_else(|| {
        let name = shown(argument);
        Failure::Usage(format!("--bad {name}: no one file is called like it; say which by --bad FILE={name}"))
    })
}

/// The number of the file that `is_it` says it is, if it is one.
fn only(files: &[&Path], is_it: impl Fn(&Path) -> bool) -> Option<usize> {
    let mut found = files.iter().enumerate().filter(|(_, path)| is_it(path)).map(|(number, _)| number);
    found.next().filter(|_| found.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapfile_is_about_the_file_that_it_names_or_is_called_like() {
        let files = ["a/c0", "a/c1.img", "b/c1"].map(Path::new);
        let number = |argument: &str| file_of(OsStr::new(argument), &files).ok().map(|(number, _)| number);
        assert_eq!(number("c0.map"), Some(0));
        assert_eq!(number("x/c1.img.map"), Some(1));
        assert_eq!(number("c1.map"), Some(2), "the whole name comes first");
        assert_eq!(number("a/c1.img=x"), Some(1));
        assert_eq!(number("c1=x"), Some(2));
        assert_eq!(number("x"), None);
        assert_eq!(number("no=x"), None);
        let same_names = ["a/c0", "b/c0"].map(Path::new);
        assert!(file_of(OsStr::new("c0.map"), &same_names).is_err());
        assert!(file_of(OsStr::new("whatever"), &files[..1]).is_ok());
    }
}
