//! What a client says, from words to bytes. Written from the document, not from the crate.
//!
//! ```text
//! flags 3                                  the client's flags
//! option GO "disk" 1 3                     an option; its data follow from its name
//! option 0x7ffe "junk"                     any option with any data
//! read 1 0x0+0x200 DF                      cookie, range, flags; also write, trim, zeroes, cache, status, flush
//! status 1 0x0 PAYLOAD_LEN 4096 0 1        with a payload: length, context IDs
//! command 0x6f 1 0x0+0x0                   any command
//! raw u32 7 zeroes 8 "text"                anything
//! ```

/// The byte of which all written data consist.
pub(crate) const PAYLOAD: u8 = 0x77;

const OPTIONS: [(&str, u32); 11] = [
    ("EXPORT_NAME", 1),
    ("ABORT", 2),
    ("LIST", 3),
    ("PEEK_EXPORT", 4),
    ("STARTTLS", 5),
    ("INFO", 6),
    ("GO", 7),
    ("STRUCTURED_REPLY", 8),
    ("LIST_META_CONTEXT", 9),
    ("SET_META_CONTEXT", 10),
    ("EXTENDED_HEADERS", 11),
];

const COMMANDS: [(&str, u16); 8] = [
    ("read", 0),
    ("write", 1),
    ("disc", 2),
    ("flush", 3),
    ("trim", 4),
    ("cache", 5),
    ("zeroes", 6),
    ("status", 7),
];

const FLAGS: [(&str, u16); 6] =
    [("FUA", 1), ("NO_HOLE", 2), ("DF", 4), ("REQ_ONE", 8), ("FAST_ZERO", 16), ("PAYLOAD_LEN", 32)];

pub(crate) fn option_name(number: u32) -> String {
    let known = OPTIONS.iter().find(|(_, other)| *other == number);
    known.map_or_else(|| format!("{number:#x}"), |(name, _)| (*name).into())
}

/// The bytes of one message. `extended` says whether requests have extended headers.
pub(crate) fn bytes(line: &str, extended: bool) -> Vec<u8> {
    let words = split(line);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["flags", flags] => (number(flags) as u32).to_be_bytes().into(),
        ["option", name, data @ ..] => option(name, data),
        ["raw", data @ ..] => raw(data),
        ["command", kind, request @ ..] => command(number(kind) as u16, request, extended),
        [name, request @ ..] => {
            let known = COMMANDS.iter().find(|(other, _)| other == name);
            command(known.unwrap_or_else(|| panic!("unknown word {name}")).1, request, extended)
        }
        [] => panic!("an empty line"),
    }
}

fn option(name: &str, data: &[&str]) -> Vec<u8> {
    let known = OPTIONS.iter().find(|(other, _)| *other == name);
    let kind = known.map_or_else(|| number(name) as u32, |(_, kind)| *kind);
    let mut body = Vec::new();
    match (name, data) {
        ("INFO" | "GO", [export, infos @ ..]) if *export != "raw" => {
            string(&mut body, export);
            body.extend((infos.len() as u16).to_be_bytes());
            infos.iter().for_each(|info| body.extend((number(info) as u16).to_be_bytes()));
        }
        ("LIST_META_CONTEXT" | "SET_META_CONTEXT", [export, queries @ ..]) if *export != "raw" => {
            string(&mut body, export);
            body.extend((queries.len() as u32).to_be_bytes());
            queries.iter().for_each(|query| string(&mut body, query));
        }
        (_, ["raw", data @ ..]) => body = raw(data),
        (_, data) => body = raw(data),
    }
    let mut bytes = b"IHAVEOPT".to_vec();
    bytes.extend(kind.to_be_bytes());
    bytes.extend((body.len() as u32).to_be_bytes());
    bytes.extend(body);
    bytes
}

fn command(kind: u16, words: &[&str], extended: bool) -> Vec<u8> {
    let (cookie, words) = words.split_first().map_or((0, words), |(first, rest)| (number(first), rest));
    let (range, words) = words.split_first().map_or(("0+0", words), |(first, rest)| (*first, rest));
    let (offset, len) = range.split_once('+').unwrap_or((range, "0"));
    let (offset, mut len) = (number(offset), number(len));
    let is_flag = |word: &&&str| FLAGS.iter().any(|(name, _)| name == *word) || word.starts_with("flag");
    let flags = words.iter().take_while(is_flag).fold(0, |all, word| {
        let known = FLAGS.iter().find(|(name, _)| name == word);
        all | known.map_or_else(|| number(word.trim_start_matches("flag")) as u16, |(_, flag)| *flag)
    });
    let rest: Vec<&str> = words.iter().skip_while(is_flag).copied().collect();
    let payload = match (kind, rest.as_slice()) {
        (7, [effect, ids @ ..]) => {
            let mut payload = number(effect).to_be_bytes().to_vec();
            ids.iter().for_each(|id| payload.extend((number(id) as u32).to_be_bytes()));
            len = payload.len() as u64;
            payload
        }
        (_, ["announced-only"]) => Vec::new(),
        _ if kind == 1 || flags & 32 != 0 => vec![PAYLOAD; len as usize],
        _ => Vec::new(),
    };
    let mut bytes = if extended { 0x21e4_1c71_u32 } else { 0x2560_9513 }.to_be_bytes().to_vec();
    bytes.extend(flags.to_be_bytes());
    bytes.extend(kind.to_be_bytes());
    bytes.extend(cookie.to_be_bytes());
    bytes.extend(offset.to_be_bytes());
    if extended {
        bytes.extend(len.to_be_bytes());
    } else {
        bytes.extend(u32::try_from(len).expect("a compact length").to_be_bytes());
    }
    bytes.extend(payload);
    bytes
}

fn raw(words: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || number(words.next().expect("a number follows"));
        match *word {
            "u16" => bytes.extend((value() as u16).to_be_bytes()),
            "u32" => bytes.extend((value() as u32).to_be_bytes()),
            "u64" => bytes.extend(value().to_be_bytes()),
            "zeroes" => bytes.extend(vec![0; value() as usize]),
            "letters" => bytes.extend(vec![b'x'; value() as usize]),
            text => bytes.extend(text.as_bytes()),
        }
    }
    bytes
}

fn string(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u32).to_be_bytes());
    bytes.extend(text.as_bytes());
}

fn number(word: &str) -> u64 {
    let parsed = match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => word.parse(),
    };
    parsed.unwrap_or_else(|_| panic!("{word} is no number"))
}

/// Splits at spaces, but for those between quotes, which are dropped.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('"').enumerate() {
        if index % 2 == 1 {
            words.push(part.into());
        } else {
            words.extend(part.split_whitespace().map(String::from));
        }
    }
    words
}
