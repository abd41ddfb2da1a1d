//! How `taste_order` writes a provider: `FILE`, `NAME=FILE`, `FILE@SECTOR` or both.

/// A component as it is offered to the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// The name it is offered under, which hardcoded names are compared with.
    pub provider_name: String,
    /// Its file in the set.
    pub file: String,
    /// Its sector size in bytes.
    pub sector_size: u32,
}

impl Provider {
    /// Understands an entry; `sector_size` holds where the entry says nothing.
    ///
    /// # Panics
    ///
    /// When what follows `@` is not a number.
    #[must_use]
    pub fn parse(entry: &str, sector_size: u32) -> Self {
        let (place, sector_size) = match entry.split_once('@') {
            Some((place, digits)) => {
                let size = digits.parse().unwrap_or_else(|_| panic!("{entry:?} has no sector size after @"));
                (place, size)
            }
            None => (entry, sector_size),
        };
        let (provider_name, file) = place.split_once('=').unwrap_or((place, place));
        Self { provider_name: provider_name.to_owned(), file: file.to_owned(), sector_size }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_entry_is_understood() {
        let known = [
            ("c0", ("c0", "c0", 512)),
            ("da0=c0", ("da0", "c0", 512)),
            ("c1@4096", ("c1", "c1", 4096)),
            ("da1=c1@4096", ("da1", "c1", 4096)),
        ];
        for (entry, (name, file, sector_size)) in known {
            let expected = Provider { provider_name: name.into(), file: file.into(), sector_size };
            assert_eq!(Provider::parse(entry, 512), expected);
        }
    }
}
