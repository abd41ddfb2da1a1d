//! The configuration as XML: `g_virstor_dumpconf`, inside what geom(4) prints around it.
//!
//! The kernel computes with 32-bit unsigned numbers; so does this, and it notes where they wrapped.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use super::{Geom, Kernel, KernelComponent};
use crate::format::Printable;
use crate::io::ReadAt;

/// The class as `kern.geom.confxml` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// The `<class>` element, ending in a line feed; as far as the kernel gets before it panics.
    pub xml: String,
    /// Values that are not what they seem, in the order of the XML.
    pub notes: Vec<Note>,
    /// Why reading it stops the machine, if it does.
    pub panic: Option<String>,
}

/// A value in the XML that the kernel's arithmetic got wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The volume.
    pub geom: String,
    /// The provider name of the component; empty for the volume itself.
    pub provider: String,
    /// The element.
    pub element: &'static str,
    /// What the kernel prints.
    pub printed: String,
    /// What the same formula gives without wrapping.
    pub meant: String,
}

pub(super) fn configuration<D: ReadAt>(kernel: &Kernel<D>) -> Configuration {
    let mut writer = Writer { xml: String::new(), notes: Vec::new() };
    writer.line(1, "<class id=\"VIRSTOR\">");
    writer.line(2, "<name>VIRSTOR</name>");
    let panicked = kernel.panic().map(|panic| panic.message.into());
    let mut panic: Option<String> = panicked;
    // The newest geom heads the list.
    for geom in kernel.geoms().iter().rev().filter(|geom| geom.alive) {
        panic = panic.or_else(|| panic_of(geom));
        if panic.is_some() {
            break;
        }
        writer.geom(kernel, geom);
    }
    if panic.is_none() {
        writer.line(1, "</class>");
    }
    Configuration { xml: writer.xml, notes: writer.notes, panic }
}

/// Why `g_virstor_dumpconf` divides by zero, if it does.
pub(super) fn panic_of(geom: &Geom) -> Option<String> {
    let totals = Totals::of(geom);
    let empty = |component: &&KernelComponent| component.chunk_next > 0 && component.chunk_count == 0;
    if totals.count == 0 {
        Some("its components have no chunks, and the kernel divides by their number".into())
    } else if geom.chunk_count == 0 {
        Some("it never started, and the kernel divides by its number of chunks, which is still 0".into())
    } else if geom.components.values().any(|component| empty(&component)) {
        Some("a component has no chunks, and the kernel divides by their number".into())
    } else {
        None
    }
}

/// Sums over the attached components, in 32 bits and in full.
struct Totals {
    count: u32,
    used: u32,
    full_count: u64,
    full_used: u64,
}

impl Totals {
    fn of(geom: &Geom) -> Self {
        let (mut count, mut used, mut full_count, mut full_used) = (0u32, 0u32, 0u64, 0u64);
        for component in geom.components.values() {
            count = count.wrapping_add(component.chunk_count);
            used = used.wrapping_add(component.chunk_next).wrapping_add(component.chunk_reserved);
            full_count += u64::from(component.chunk_count);
            full_used += u64::from(component.chunk_next) + u64::from(component.chunk_reserved);
        }
        Self { count, used, full_count, full_used }
    }

    fn percent_free(&self) -> (u32, i128) {
        let printed = 100u32.wrapping_sub(self.used.wrapping_mul(100) / self.count);
        let meant = 100 - i128::from(self.full_used) * 100 / i128::from(self.full_count.max(1));
        (printed, meant)
    }
}

struct Writer {
    xml: String,
    notes: Vec<Note>,
}

impl Writer {
    fn line(&mut self, depth: usize, text: &str) {
        for _ in 0..depth {
            self.xml.push_str("  ");
        }
        self.xml.push_str(text);
        self.xml.push('\n');
    }

    /// The class indents its own elements with tabs.
    fn value(&mut self, indent: &str, element: &str, value: impl core::fmt::Display) {
        writeln!(self.xml, "{indent}<{element}>{value}</{element}>").expect("a string takes everything");
    }

    fn percent(
        &mut self,
        at: (&Geom, &str),
        indent: &str,
        element: &'static str,
        (printed, meant): (u32, i128),
    ) {
        self.value(indent, element, format_args!("{printed}%"));
        if i128::from(printed) != meant {
            self.note(at, element, format!("{printed}%"), format!("{meant}%"));
        }
    }

    fn note(
        &mut self,
        (geom, provider): (&Geom, &str),
        element: &'static str,
        printed: String,
        meant: String,
    ) {
        let geom = format!("{}", Printable(&geom.name));
        self.notes.push(Note { geom, provider: provider.into(), element, printed, meant });
    }

    fn geom<D: ReadAt>(&mut self, kernel: &Kernel<D>, geom: &Geom) {
        let name = escape(&geom.name);
        self.line(2, &format!("<geom id=\"geom:{name}\">"));
        self.line(3, "<class ref=\"VIRSTOR\"/>");
        self.line(3, &format!("<name>{name}</name>"));
        self.line(3, "<rank>2</rank>");
        self.line(3, "<config>");
        self.geom_config(kernel, geom);
        self.line(3, "</config>");
        for (index, (provider, component)) in geom.consumers.iter().rev().enumerate() {
            self.consumer(kernel, geom, index, *provider, *component);
        }
        if geom.up {
            self.provider(geom, &name);
        }
        self.line(2, "</geom>");
    }

    fn geom_config<D: ReadAt>(&mut self, kernel: &Kernel<D>, geom: &Geom) {
        let totals = Totals::of(geom);
        let (count, online) = (geom.component_count, geom.components.len());
        let size: u64 = geom
            .components
            .values()
            .map(|component| kernel.providers()[component.provider].disk.size())
            .fold(0, u64::wrapping_add);
        let free = totals.percent_free();
        let indent = "\t";
        self.value(indent, "Status", format_args!("Components={count}, Online={online}"));
        self.value(indent, "State", format_args!("{}% physical free", free.0));
        if i128::from(free.0) != free.1 {
            let (printed, meant) = (format!("{}%", free.0), format!("{}%", free.1));
            self.note((geom, ""), "State", printed, meant);
        }
        self.value(indent, "ChunkSize", geom.chunk_size);
        let physical_free = if totals.used > 0 { free } else { (100, free.1) };
        self.percent((geom, ""), indent, "PhysicalFree", physical_free);
        self.value(indent, "ChunkPhysicalCount", totals.count);
        if u64::from(totals.count) != totals.full_count {
            let (printed, meant) = (format!("{}", totals.count), format!("{}", totals.full_count));
            self.note((geom, ""), "ChunkPhysicalCount", printed, meant);
        }
        self.value(indent, "ChunkVirtualCount", geom.chunk_count);
        let backing = u64::from(totals.count.wrapping_mul(100)) / geom.chunk_count;
        let meant = u128::from(totals.full_count) * 100 / u128::from(geom.chunk_count);
        self.value(indent, "PhysicalBacking", format_args!("{backing}%"));
        if u128::from(backing) != meant {
            self.note((geom, ""), "PhysicalBacking", format!("{backing}%"), format!("{meant}%"));
        }
        self.value(indent, "PhysicalBackingSize", size);
        self.value(indent, "VirtualSize", geom.virtual_size);
    }

    fn consumer<D: ReadAt>(
        &mut self,
        kernel: &Kernel<D>,
        geom: &Geom,
        number: usize,
        provider: usize,
        component: Option<u16>,
    ) {
        let name = escape(&kernel.providers()[provider].name);
        self.xml.push_str(&format!("\t<consumer id=\"consumer{number}\">\n"));
        self.xml.push_str(&format!("\t  <geom ref=\"geom:{}\"/>\n", escape(&geom.name)));
        self.xml.push_str(&format!("\t  <provider ref=\"{name}\"/>\n"));
        self.xml.push_str("\t  <mode>r0w0e0</mode>\n\t  <config>\n");
        if let Some(index) = component {
            let component = geom.components[&index];
            let indent = "\t    ";
            self.value(indent, "ComponentIndex", index);
            self.value(indent, "ChunkCount", component.chunk_count);
            self.value(indent, "ChunksUsed", component.chunk_next);
            self.value(indent, "ChunksReserved", component.chunk_reserved);
            self.percent((geom, &name), indent, "StorageFree", storage_free(&component));
        }
        self.xml.push_str("\t  </config>\n\t</consumer>\n");
    }

    fn provider(&mut self, geom: &Geom, name: &str) {
        self.xml.push_str(&format!("\t<provider id=\"virstor/{name}\">\n"));
        self.xml.push_str(&format!("\t  <geom ref=\"geom:{name}\"/>\n\t  <mode>r0w0e0</mode>\n"));
        let indent = "\t  ";
        self.value(indent, "name", format_args!("virstor/{name}"));
        self.value(indent, "mediasize", geom.virtual_size);
        self.value(indent, "sectorsize", geom.sector_size);
        self.value(indent, "stripesize", 0);
        self.value(indent, "stripeoffset", 0);
        self.xml.push_str("\t  <config>\n\t  </config>\n\t</provider>\n");
    }
}

/// What is free on a component: printed and meant. The reserve is counted twice, as in the kernel: the cursor
/// starts behind it.
fn storage_free(component: &KernelComponent) -> (u32, i128) {
    if component.chunk_next == 0 {
        return (100, 100);
    }
    let used = component.chunk_next.wrapping_add(component.chunk_reserved);
    let printed = 100u32.wrapping_sub(used.wrapping_mul(100) / component.chunk_count);
    let full = i128::from(component.chunk_next) + i128::from(component.chunk_reserved);
    (printed, 100 - full * 100 / i128::from(component.chunk_count))
}

/// A name inside XML, as geom(4) escapes it.
fn escape(name: &[u8]) -> String {
    let mut escaped = String::new();
    for byte in name {
        match byte {
            b'&' => escaped.push_str("&amp;"),
            b'<' => escaped.push_str("&lt;"),
            b'>' => escaped.push_str("&gt;"),
            0x20..=0x7e => escaped.push(char::from(*byte)),
            other => write!(escaped, "&#{other};").expect("a string takes everything"),
        }
    }
    escaped
}
