//! What it costs to open large volumes: time, and memory that must not grow with the map.

use super::Bench;
use super::measure::{costs, in_turn, measure};
use super::volume::{CHUNK, COMPONENTS, Volume, content};
use crate::table::markdown;
use anyhow::{Result, bail};
use serde_json::Value;
use std::fs;

/// How much is read from the middle of the volume, in bytes.
const MIDDLE: usize = 1 << 20;

/// Something that is asked of a volume.
struct Question {
    /// How people ask it, files left out.
    args: Vec<String>,
    /// Whether an answer is right.
    is_right: Judge,
}

type Judge = Box<dyn Fn(&[u8]) -> Result<bool>>;

/// Opens large volumes, and gives the section of the report about it.
pub(crate) fn report(bench: &Bench) -> Result<String> {
    let mut rows = Vec::new();
    for (name, volume) in [("2 TiB", Volume::usual()), ("1 PiB", Volume::huge())] {
        volume.label(&bench.folder)?;
        // The usual volume has room for its data only as long as nobody writes it.
        if name == "1 PiB" {
            volume.fill(&bench.folder, None)?;
        }
        for question in questions(&volume, name == "1 PiB") {
            rows.extend(ask(bench, name, &question)?);
        }
        bench.clear()?;
    }
    Ok(format!(
        "## opening: 2 TiB (524,288 map entries) and 1 PiB (268,435,456), chunks of 4 MiB, sparse files\n\n{}",
        markdown(&["question", "wall ms", "cpu ms", "peak MiB"], &rows)
    ))
}

fn questions(volume: &Volume, has_data: bool) -> Vec<Question> {
    let size = volume.chunks * u64::from(CHUNK);
    let data = volume.data();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let number = |answer: &[u8], pointer: &str| -> Result<Option<u64>> {
        Ok(serde_json::from_slice::<Value>(answer)?.pointer(pointer).and_then(Value::as_u64))
    };
    let middle = size / 2 + 4096;
    let mut questions = vec![
        Question {
            args: words(&["info", "--json"]),
            is_right: Box::new(move |answer| {
                Ok(number(answer, "/volumes/0/allocated_chunks")? == Some(data / u64::from(CHUNK)))
            }),
        },
        Question {
            args: words(&["map", "--totals", "--json"]),
            is_right: Box::new(move |answer| Ok(number(answer, "/data")? == Some(data))),
        },
    ];
    if has_data {
        questions.push(Question {
            args: words(&["export", "--range", &format!("{middle}+{MIDDLE}"), "--output", "-"]),
            is_right: Box::new(move |answer| {
                let mut expected = vec![0; MIDDLE];
                content(middle, &mut expected);
                Ok(answer == expected)
            }),
        });
    }
    questions
}

fn ask(bench: &Bench, volume: &str, question: &Question) -> Result<Vec<Vec<String>>> {
    let args: Vec<&str> = question.args.iter().map(String::as_str).chain(COMPONENTS).collect();
    let contenders = bench.programs(&args);
    let answer = bench.folder.join("answer");
    let samples = in_turn(&contenders, bench.rounds, &|contender| {
        let sample = measure(contender, &bench.folder, &answer)?;
        let text = fs::read(&answer)?;
        if !(question.is_right)(&text)? {
            bail!("wrong answer: {}", String::from_utf8_lossy(&text[..text.len().min(1000)]));
        }
        Ok(sample)
    })?;
    Ok(costs(&format!("{volume}: {}", question.args.join(" ")), &contenders, &samples))
}
