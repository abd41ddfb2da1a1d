//! What the cross-crate tests share: golden sets as heaps, the program in every runtime, and the properties of
//! reading and of repair.

pub mod read_side;
pub mod repair_side;
pub mod runtime;

use virstor_inspect::{Heap, InputFile, Options};
use virstor_testkit::SparseDisk;
use virstor_testkit::golden::{GoldenSet, Provider};

/// The components of `set` that `providers` names, looked through in that order.
pub fn heap<'a>(set: &'a GoldenSet, providers: &[Provider], options: Options) -> Heap<&'a SparseDisk> {
    let files = providers
        .iter()
        .map(|provider| InputFile {
            label: provider.file.clone(),
            provider: provider.provider_name.clone().into_bytes(),
            disk: Ok(set.disk(&provider.file)),
            sector_size: Some(provider.sector_size),
            preferred: false,
        })
        .collect();
    Heap::look(files, options, &mut |_, _, _| std::ops::ControlFlow::Continue(()))
}
