//! The NBD server against the clients people use, natively and in WebAssembly runtimes.

mod contents;
mod control;
mod damage;
mod endings;
mod interop;
mod killed;
mod overlay;
mod places;
mod process;
mod server;
mod stalls;
mod stdio;
mod survival;
mod tools;
mod vectors;
mod writes;

use libtest_mimic::{Arguments, Failed, Trial};
use virstor_testkit::GoldenSet;
use virstor_testkit::vectors::write_cases;
use virstor_tests::runtime::{Runtime, have};

use crate::tools::Tool;

/// The runtimes that have sockets.
const NETWORKED: [Runtime; 2] = [Runtime::Native, Runtime::Component];

/// The sets that are served outside the native program too: many pieces, full, sparse, a file system.
const HANDFUL: [&str; 4] = ["38-shuffled", "04-full", "53-default-geometry", "ufs2-little"];

type Outcome = Result<(), Failed>;

fn main() {
    let mut trials = Vec::new();
    for runtime in NETWORKED {
        for set in GoldenSet::names() {
            // Only what the kernel could read was hashed.
            if GoldenSet::load(&set).device_sha256().is_some() {
                let name = format!("nbdcopy::{set}");
                let test = move || contents::copy(runtime, &set);
                trials.push(parity_trial(&name, runtime, &[Tool::Nbdcopy], test));
            }
        }
        for set in HANDFUL {
            let test = move || contents::qemu(runtime, set);
            trials.push(parity_trial(&format!("qemu-img::{set}"), runtime, &[Tool::QemuImg], test));
        }
        let mut add = |name: &str, tools: &[Tool], test: fn(Runtime) -> Outcome| {
            trials.push(trial(name, runtime, tools, move || test(runtime)));
        };
        add("exports_are_listed_with_what_they_are", &[Tool::Nbdinfo], contents::list);
        add("partitions_are_exports", &[Tool::Nbdinfo, Tool::Nbdcopy], contents::partitions);
        add("extents_are_those_of_the_map", &[Tool::Nbdinfo], contents::extents);
        add("lost_ranges_are_errors_and_the_rest_is_served", &[Tool::Python], damage::errors);
        add("lost_ranges_are_zeros_on_request", &[Tool::Nbdcopy], damage::zeros);
        add("contexts_tell_what_is_lost", &[Tool::Nbdinfo], damage::contexts);
        add("dying_clients_hurt_nobody", &[Tool::Nbdcopy], survival::deaths);
        add("dying_writers_hurt_nobody", &[Tool::Python], survival::deaths_of_writers);
        add("silent_clients_make_room", &[], survival::silence);
        add("there_are_no_more_clients_than_allowed", &[], survival::crowd);
        add("a_flood_of_clients_hurts_nobody", &[], survival::flood);
        add("nobody_waits_for_a_client_that_does_not_read", &[], survival::deaf);
        add("idle_clients_are_dropped_on_request", &[], survival::idle);
        add("who_stalls_is_answered_and_holds_up_nobody", &[], stalls::stalls);
        add("it_ends_after_the_last_client_on_request", &[Tool::Nbdinfo], endings::after_last);
        add("what_was_done_is_on_record", &[Tool::Nbdinfo], endings::record);
        add("addresses_that_cannot_be_had_are_named", &[], endings::address);
        add("writers_see_what_any_of_them_wrote", &[Tool::Python], writes::like_zeros);
        add("a_full_volume_refuses_what_needs_room", &[Tool::Python], writes::full);
        add("unsound_sets_are_not_written_to", &[], writes::unsound);
        add("a_partition_is_written_through", &[Tool::Python], writes::partition);
        add("a_component_that_vanishes_costs_its_own_ranges", &[Tool::Python], writes::component_vanishes);
        add("nothing_changes_where_nothing_is_written", &[Tool::Nbdcopy], writes::untouched);
        add("an_overlay_is_committed_and_undone", &[Tool::Python], overlay::committed);
        add("an_overlay_is_dropped", &[Tool::Python], overlay::dropped);
        add("an_overlay_is_of_one_set", &[Tool::Python], overlay::refused);
        add("an_overlay_that_was_cut_goes_on", &[Tool::Python], overlay::cut);
        add("a_full_volume_grows_while_clients_wait", &[Tool::Python], control::full_volumes_grow);
        add("waiting_clients_that_die_make_room", &[], control::waiting_clients_die);
        add("ctl_says_when_nobody_serves", &[], control::nobody);
        add("what_was_removed_is_free_for_others", &[], control::removed_files_are_free);
        add("components_come_and_go_under_load", &[Tool::Python], control::changes_are_atomic);
        add("nbdcopy_goes_in_out_and_across", &[Tool::Nbdcopy], interop::nbdcopy);
        add("qemu_io_finds_its_patterns", &[Tool::QemuIo], interop::qemu_io);
        add("qemu_img_converts_into_a_volume", &[Tool::QemuImg], interop::qemu_img);
        add("fio_verifies_what_it_wrote", &[Tool::Fio], interop::fio);
        add("nbdkit_stands_in_front", &[Tool::Nbdkit, Tool::Nbdcopy], interop::nbdkit);
    }
    // Fifty seeds natively, in parts that run beside each other.
    for (runtime, parts) in [(Runtime::Native, 10), (Runtime::Component, 1)] {
        for seeds in (0..parts).map(|part| part * 5..part * 5 + 5) {
            let name = format!("what_was_flushed_survives_a_kill::{}_to_{}", seeds.start, seeds.end - 1);
            trials
                .push(trial(&name, runtime, &[Tool::Python], move || killed::while_writing(runtime, seeds)));
        }
    }
    for runtime in [Runtime::Native, Runtime::Component, Runtime::Module] {
        let tools = [Tool::Nbdfuse, Tool::Mke2fs, Tool::E2fsck, Tool::Debugfs];
        let test = move || interop::file_system(runtime);
        trials.push(trial("a_file_system_is_made_through_a_mount", runtime, &tools, test));
        let test = move || interop::mounted(runtime);
        trials.push(trial("a_file_system_is_read_from_a_mount", runtime, &[Tool::Nbdfuse, Tool::Fls], test));
    }
    for runtime in Runtime::ALL {
        for case in write_cases() {
            let name = format!("write vector::{}", case.name);
            let test = move || vectors::write(runtime, &case);
            trials.push(parity_trial(&name, runtime, &[Tool::Python], test));
        }
        let test = move || stdio::reads(runtime);
        trials.push(trial("one_client_is_served_over_stdio", runtime, &[Tool::Python], test));
        trials.push(trial("end_of_input_is_the_end", runtime, &[], move || stdio::end_of_input(runtime)));
    }
    let module = Runtime::Module;
    trials.push(trial("there_are_no_sockets", module, &[], endings::no_sockets));
    if cfg!(unix) {
        let mut add = |name: &str, tools: &[Tool], test: fn() -> Outcome| {
            trials.push(trial(name, Runtime::Native, tools, test));
        };
        add("a_signal_ends_it_in_order", &[], endings::signal);
        add("a_unix_socket_is_served_and_removed", &[Tool::Nbdcopy], endings::unix_socket);
        add("an_inherited_socket_is_served", &[Tool::Nbdinfo], endings::activation);
        add("a_set_has_one_writer", &[], writes::locked);
        add("an_overlay_has_one_server", &[], overlay::locked);
        add("nobody_writes_below_an_overlay", &[], overlay::originals_locked);
        add("a_file_that_cannot_be_written_is_named", &[], writes::read_only_file);
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// A case in a runtime.
fn trial(
    name: &str,
    runtime: Runtime,
    tools: &[Tool],
    test: impl FnOnce() -> Outcome + Send + 'static,
) -> Trial {
    Trial::test(format!("{}::{name}", runtime.name()), test).with_ignored_flag(lacks(runtime, tools))
}

/// A golden set or a vector, `KIND::NAME`, in a runtime: a cell in the table of all runtimes.
fn parity_trial(
    name: &str,
    runtime: Runtime,
    tools: &[Tool],
    test: impl FnOnce() -> Outcome + Send + 'static,
) -> Trial {
    Trial::test(format!("{name}::{}", runtime.name()), test).with_ignored_flag(lacks(runtime, tools))
}

/// Whether something is missing. Then a case is not run, and in CI it ends the run.
fn lacks(runtime: Runtime, tools: &[Tool]) -> bool {
    let missing = runtime.missing().or_else(|| tools.iter().find_map(|tool| tool.missing()));
    !have(missing.is_none(), &missing.unwrap_or_default())
}

/// Fails unless both are equal, and shows both.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, ours: T, expected: T) -> Outcome {
    if ours == expected {
        return Ok(());
    }
    Err(format!("{what}:\n  ours:     {ours:?}\n  expected: {expected:?}").into())
}
