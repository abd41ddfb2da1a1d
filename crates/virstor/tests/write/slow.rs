//! A component that takes its time.

use crate::model::{Operation, perform};
use crate::set::{CHUNK, contents, open, small_set};

/// Ticks that the slow component takes for everything it is asked.
const SLOW: u64 = 1000;

#[test]
fn only_what_lies_on_a_slow_component_is_slow() {
    let machine = small_set(&[4, 3, 9], 128);
    let mut writer = open(&machine);
    let write = |chunk: usize| Operation::Write(chunk * CHUNK, vec![1; CHUNK]);
    (0..5).for_each(|chunk| perform(&mut writer, &write(chunk)).unwrap());
    perform(&mut writer, &Operation::Flush).unwrap();
    // Two chunks lie on the first component, three on the second.
    machine.slow_down(1, SLOW);
    for operation in [write(0), write(1), Operation::Flush] {
        perform(&mut writer, &operation).unwrap();
        assert_eq!(machine.ticks(), 0, "{operation:?} asks nothing of the second component");
    }
    let mut chunk = vec![0; CHUNK];
    writer.read(CHUNK as u64, &mut chunk).unwrap();
    assert_eq!(machine.ticks(), 0, "nor does reading");
    perform(&mut writer, &write(2)).unwrap();
    assert_eq!(machine.ticks(), SLOW, "one write");
    perform(&mut writer, &Operation::Flush).unwrap();
    assert_eq!(machine.ticks(), 2 * SLOW, "and one flush");
}

#[test]
fn reading_asks_a_slow_component_once_for_neighbours() {
    let machine = small_set(&[4, 3, 9], 128);
    let mut writer = open(&machine);
    perform(&mut writer, &Operation::Write(0, vec![1; 5 * CHUNK])).unwrap();
    perform(&mut writer, &Operation::Close).unwrap();
    machine.slow_down(1, SLOW);
    contents(&mut writer);
    assert_eq!(machine.ticks(), SLOW);
}
