//! `--assume`: a set whose records are all gone, read by what the user knows about it.

use std::path::Path;

use virstor::counted::counted;
use virstor_inspect::InputFile;
use virstor_inspect::assume::{Assumption, LastSector, Suggestion, USUAL_SECTOR_SIZE, records};

use crate::disk::Disk;
use crate::failure::Failure;
use crate::output;
use crate::size::{self, human};

/// What the user assumes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assume {
    assumption: Assumption,
    /// The components as they were named; `None` is one that is missing.
    order: Vec<Option<String>>,
}

/// Takes `chunk-size=4M,order=c0:c1:-` apart.
pub(crate) fn parse(text: &str) -> Result<Assume, String> {
    let mut chunk_size = None;
    let mut order = None;
    let mut assumption = Assumption {
        chunk_size: 0,
        virtual_size: None,
        sector_size: USUAL_SECTOR_SIZE,
        name: *b"assumed\0\0\0\0\0\0\0\0\0",
        id: 0,
    };
    for part in text.split(',') {
        let (key, value) = part.split_once('=').ok_or_else(|| format!("'{part}' is not KEY=VALUE"))?;
        match key {
            "chunk-size" => {
                let bytes = size::parse(value)?;
                chunk_size =
                    Some(u32::try_from(bytes).map_err(|_| format!("chunk-size {bytes} is 4 GiB or more"))?);
            }
            "order" => {
                order = Some(value.split(':').map(|name| (name != "-").then(|| name.to_string())).collect())
            }
            "virtual-size" => assumption.virtual_size = Some(size::parse(value)?),
            "sector-size" => {
                let bytes = size::parse(value)?;
                let known =
                    virstor::format::SECTOR_SIZES.into_iter().find(|known| u64::from(*known) == bytes);
                assumption.sector_size = known.ok_or_else(|| {
                    format!("a sector size is a power of two from 512 to 65536, not {bytes}")
                })?;
            }
            "name" => {
                let name = value.as_bytes();
                let fits = name.len() < assumption.name.len();
                assumption.name = [0; 16];
                let field = assumption.name.get_mut(..name.len()).filter(|_| fits);
                field
                    .ok_or_else(|| format!("name '{value}' has more than 15 letters"))?
                    .copy_from_slice(name);
            }
            "id" => {
                assumption.id = value.parse().map_err(|_| format!("id '{value}' is no number below 2^32"))?
            }
            _ => {
                return Err(format!(
                    "'{key}' is none of chunk-size, order, virtual-size, sector-size, name, id"
                ));
            }
        }
    }
    assumption.chunk_size = chunk_size.ok_or("chunk-size=SIZE is missing")?;
    Ok(Assume { assumption, order: order.ok_or("order=FILE:FILE.. is missing")? })
}

impl Assume {
    /// Puts the records that are assumed over `files`, which lie at `paths`.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] when a FILE is not there, or the numbers do not fit.
    pub(crate) fn put_over(&self, files: &mut [InputFile<Disk>], paths: &[&Path]) -> Result<(), Failure> {
        let usage = |line: String| Failure::Usage(format!("--assume: {line}"));
        let mut numbers = Vec::new();
        for name in &self.order {
            let Some(name) = name else {
                numbers.push(None);
                continue;
            };
            let by_path = paths.iter().position(|path| *path == Path::new(name));
            let number = by_path.filter(|_| files.len() == paths.len()).or_else(|| {
                files.iter().position(|file| file.label == *name || file.provider == name.as_bytes())
            });
            let number = number.ok_or_else(|| usage(format!("{name} is not one of the files given")))?;
            if numbers.contains(&Some(number)) {
                return Err(usage(format!("{name} is in the order twice")));
            }
            numbers.push(Some(number));
        }
        let mut disks = Vec::new();
        for number in &numbers {
            let disk = number.map(|number| {
                let file = &files[number];
                file.disk.as_ref().map_err(|reason| Failure::Operation(format!("{}: {reason}", file.label)))
            });
            disks.push(disk.transpose()?);
        }
        let made = records(&disks, &self.assumption).map_err(|error| usage(error.to_string()))?;
        for (number, record) in numbers.into_iter().zip(made) {
            let (Some(number), Some(LastSector { offset, bytes })) = (number, record) else { continue };
            let file = &mut files[number];
            file.sector_size = Some(self.assumption.sector_size);
            if let Ok(disk) = file.disk.clone() {
                file.disk = Ok(disk.map(|source| source.with_overlay(offset, bytes)));
            }
        }
        Ok(())
    }
}

/// Says what a file without a record may be.
pub(crate) fn note(label: &str, suggestion: &Suggestion) {
    let Suggestion { entries, components, chunk_sizes, unconfirmed } = suggestion;
    let order = match components {
        1 => label.to_string(),
        _ => format!(
            "{label}:{}",
            vec!["FILE"; usize::try_from(components - 1).map_or(3, |more| more.min(3))].join(":")
        ),
    };
    let has = format!(
        "{label} starts with what may be a map: {}, {}",
        counted(*entries, "entry"),
        counted(*components, "component")
    );
    let advice = match (&chunk_sizes[..], unconfirmed) {
        ([(size, what), ..], _) => {
            let size = human(*size);
            let typed = size.replace(' ', "");
            format!(
                "with chunks of {size} the volume starts with {what}; try --assume chunk-size={typed},order={order}"
            )
        }
        (_, Some((least, most))) => format!(
            "chunks of {} to {} fit; try --assume chunk-size=SIZE,order={order}",
            human(*least),
            human(*most)
        ),
        _ => "no chunk size fits it".into(),
    };
    output::note(&format!("{has}; {advice}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_assumed_is_said_in_pairs() {
        let assume = parse("chunk-size=4M,order=a/c0:-:c2,virtual-size=2T,name=home,id=9").expect("complete");
        assert_eq!(assume.assumption.chunk_size, 4 << 20);
        assert_eq!(assume.assumption.virtual_size, Some(2 << 40));
        assert_eq!(assume.order, [Some("a/c0".to_string()), None, Some("c2".to_string())]);
        assert_eq!((&assume.assumption.name[..5], assume.assumption.id), (&b"home\0"[..], 9));
        for wrong in
            ["", "order=c0", "chunk-size=4M", "chunk-size=4G,order=c0", "x=1", "chunk-size=1,order=c0,id=x"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
