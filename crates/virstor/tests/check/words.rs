//! Findings in words: one of a thing is called by the word for one.

use virstor::check::{Fault, Party, Torn};
use virstor::format::MapEntry;
use virstor::geometry::{ComponentIndex, PhysicalChunk, VirtualChunk};

#[test]
fn one_of_a_thing_is_called_by_the_word_for_one() {
    let (index, first) = (ComponentIndex(1), PhysicalChunk(3));
    let shared = MapEntry { flags: 1, component: index, chunk: first };
    for (fault, one) in [
        (Fault::ZeroChunks { index, chunks: 1, first }, "1 chunk in use on c1 holds nothing but zeros"),
        (
            Fault::Torn { way: Torn::Add, old_count: 1, new_count: 2, updated: 1, outdated: 1 },
            "half-way: 1 record says 2 components, 1 says 1",
        ),
        (
            Fault::MapNotWholeSectors { entries: 65, unread: 1 },
            "65 entries, the last 1 of which does not fill",
        ),
        (Fault::UncleanStop { components: 1, chunks: 1 }, "after 1 chunk on 1 component was handed out"),
        (Fault::UncleanStop { components: 1, chunks: 2 }, "after 2 chunks on 1 component were handed out"),
        (Fault::ChunkHole { index, first_hole: first, holes: 1 }, "1 unused chunk below"),
        (
            Fault::MapSectorsZeroed { first: VirtualChunk(0), entries: 64, sectors: 1, orphans: 1 },
            "1 chunk is in use and no map entry names it, and 1 whole sector of the map is zero",
        ),
        (Fault::EntriesLost { index, recorded: 3, counted: 2 }, "1 entry never reached the map"),
        (Fault::EntryNamesNoComponent { at: VirtualChunk(7), entry: shared, count: 1 }, "and there is 1"),
    ] {
        let name = |party: Party| match party {
            Party::Component(index) => format!("c{index}"),
            other => format!("{other:?}"),
        };
        let message = fault.message(&name);
        assert!(message.contains(one), "{message}");
    }
}
