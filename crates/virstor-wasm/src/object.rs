//! Small documents as JavaScript objects.

use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::JsValue;

/// The object: numbers of 64 bits as `BigInt`, what is absent as `null`, maps as objects.
pub(crate) fn from(document: &impl Serialize) -> JsValue {
    let serializer = Serializer::json_compatible().serialize_large_number_types_as_bigints(true);
    document.serialize(&serializer).expect("a document is plain data")
}
