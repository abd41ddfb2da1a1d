//! Sizes as people read them.

/// A size for people: three digits and a unit, "1.5 GiB". Exact values are printed elsewhere.
#[must_use]
pub fn human(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let exponent = (bytes.ilog2() / 10).min(6);
    let unit = UNITS[exponent as usize - 1];
    let tenths = (u128::from(bytes) * 10) >> (10 * exponent);
    if tenths.is_multiple_of(10) || tenths >= 1000 {
        format!("{} {unit}", tenths / 10)
    } else {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    }
}
