//! Choosing metadata contexts by name ("Metadata querying").

use alloc::string::String;
use alloc::vec::Vec;
use zerocopy::big_endian::U32;

use crate::handshake::{Handshake, answer, refuse};
use crate::options::{Fields, Malformed};
use crate::output::Output;
use crate::reply::ReplyStyle;
use crate::server::Server;
use crate::wire::{option, option_reply};

/// What `NBD_OPT_SET_META_CONTEXT` selected.
#[derive(Debug)]
pub(crate) struct Selection {
    /// The export it was selected for.
    pub(crate) export: usize,
    /// Indices into the export's list, in its order, each once. They also serve as the context IDs.
    pub(crate) contexts: Vec<usize>,
}

impl Handshake {
    pub(crate) fn list_meta_context(
        &self,
        server: &Server,
        data: &[u8],
        out: &mut Output,
    ) -> Result<(), Malformed> {
        const LIST: u32 = option::LIST_META_CONTEXT;
        let query = self.query(data)?;
        let Some(export) = server.find(query.export) else {
            refuse(out, LIST, option_reply::ERR_UNKNOWN, "there is no such export");
            return Ok(());
        };
        let contexts = &server.exports()[export].contexts;
        let listed =
            |name: &&String| query.patterns.is_empty() || query.patterns.iter().any(|p| lists(p, name));
        for name in contexts.iter().filter(listed) {
            // The ID is reserved here.
            answer(out, LIST, option_reply::META_CONTEXT, &[&[0; 4], name.as_bytes()]);
        }
        answer(out, LIST, option_reply::ACK, &[]);
        Ok(())
    }

    pub(crate) fn set_meta_context(
        &mut self,
        server: &Server,
        data: &[u8],
        out: &mut Output,
    ) -> Result<(), Malformed> {
        const SET: u32 = option::SET_META_CONTEXT;
        // The earlier selection is gone "including when this command fails".
        self.selection = None;
        let query = self.query(data)?;
        let Some(export) = server.find(query.export) else {
            refuse(out, SET, option_reply::ERR_UNKNOWN, "there is no such export");
            return Ok(());
        };
        let mut contexts = Vec::new();
        for (index, (id, name)) in (0_u32..).zip(&server.exports()[export].contexts).enumerate() {
            if query.patterns.contains(&name.as_bytes()) {
                contexts.push(index);
                answer(out, SET, option_reply::META_CONTEXT, &[&id.to_be_bytes(), name.as_bytes()]);
            }
        }
        answer(out, SET, option_reply::ACK, &[]);
        self.selection = Some(Selection { export, contexts });
        Ok(())
    }

    fn query<'a>(&self, data: &'a [u8]) -> Result<Query<'a>, Malformed> {
        if self.style == ReplyStyle::Simple {
            return Err(Malformed("contexts need structured replies or extended headers"));
        }
        Query::parse(data)
    }
}

/// The data of both options.
struct Query<'a> {
    export: &'a [u8],
    patterns: Vec<&'a [u8]>,
}

impl<'a> Query<'a> {
    fn parse(data: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Fields(data);
        let export = fields.string()?;
        let count = fields.number::<U32>()?.get();
        let mut patterns = Vec::new();
        for _ in 0..count {
            // Takes at least four bytes of the data, or errs: what the client counts allocates nothing.
            patterns.push(fields.string()?);
        }
        fields.end()?;
        Ok(Self { export, patterns })
    }
}

/// Whether a listing asked with `pattern` contains the context: its name, or its namespace with nothing
/// behind the colon. What names no context, with or without a colon, is ignored.
fn lists(pattern: &[u8], context: &str) -> bool {
    let namespace = context.find(':').map_or(0, |colon| colon + 1);
    pattern == context.as_bytes() || pattern == &context.as_bytes()[..namespace]
}
