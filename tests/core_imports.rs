//! The cores, built for a WebAssembly without a host, ask nothing of one: no file, no clock, no randomness.

use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Arguments, Failed, Trial};
use virstor_tests::runtime::have;
use wasmparser::{Parser, Payload};

const TARGET: &str = "wasm32-unknown-unknown";

fn main() {
    let arguments = Arguments::from_args();
    let have_target = have(target_is_installed(), &format!("rustup target add {TARGET}"));
    let trial = |package: &'static str, example: &'static str| {
        let test = move || imports_nothing(package, example);
        Trial::test(format!("{package} imports nothing"), test).with_ignored_flag(!have_target)
    };
    libtest_mimic::run(&arguments, vec![trial("virstor", "every_module")]).exit();
}

fn imports_nothing(package: &str, example: &str) -> Result<(), Failed> {
    let module = std::fs::read(build(package, example)?)?;
    let mut functions = 0;
    for payload in Parser::new(0).parse_all(&module) {
        match payload? {
            Payload::ImportSection(imports) => {
                let names = imports.into_iter().map(|import| import.map(|import| format!("{import:?}")));
                return Err(format!("it imports {:?}", names.collect::<Result<Vec<_>, _>>()?).into());
            }
            Payload::CodeSectionStart { count, .. } => functions = count,
            _ => {}
        }
    }
    // An example that was optimised away would import nothing either.
    if functions > 50 { Ok(()) } else { Err(format!("only {functions} functions were built").into()) }
}

fn build(package: &str, example: &str) -> Result<PathBuf, Failed> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the repository");
    let target_dir = root.join("target/core-imports");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--package", package, "--example", example])
        .args(["--target", TARGET, "--target-dir"])
        .arg(&target_dir)
        .current_dir(root)
        .status()?;
    if !status.success() {
        return Err(format!("{example} of {package} does not build for {TARGET}").into());
    }
    Ok(target_dir.join(TARGET).join("debug/examples").join(format!("{example}.wasm")))
}

fn target_is_installed() -> bool {
    let rustc = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    rustc.is_ok_and(|rustc| Path::new(String::from_utf8_lossy(&rustc.stdout).trim()).exists())
}
