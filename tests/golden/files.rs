//! The golden files on disk: hexadecimal with a comment that says what the bytes are.
//!
//! Knows nothing of what the bytes mean.

use std::{env, fs, path::PathBuf};

/// Bytes on one line of a hex file.
const LINE: usize = 32;

/// The text of one file: `path` is `folder/name`.
pub fn read(path: &str, extension: &str) -> String {
    let at = place(path, extension);
    fs::read_to_string(&at).unwrap_or_else(|error| panic!("{}: {error}", at.display()))
}

/// The bytes of a hex file.
pub fn read_hex(path: &str) -> Vec<u8> {
    let text = read(path, "hex");
    let digits: String = text.lines().filter(|line| !line.starts_with(';')).collect();
    data_encoding::HEXLOWER.decode(digits.as_bytes()).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// A hex file: a comment, then the bytes.
pub fn write_hex(what: &str, bytes: &[u8]) -> String {
    let lines = bytes.chunks(LINE).map(|line| data_encoding::HEXLOWER.encode(line) + "\n");
    format!("; {what}\n{}", lines.collect::<String>())
}

/// Writes the file if `DJDNS_BLESS` is in the environment.
pub fn bless(path: &str, extension: &str, text: &str) {
    if env::var_os("DJDNS_BLESS").is_some() {
        let at = place(path, extension);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(at, text).unwrap();
    }
}

/// The names of the hex files in a folder, sorted.
pub fn names(folder: &str) -> Vec<String> {
    let files = fs::read_dir(place(folder, "")).unwrap().map(|file| file.unwrap().path());
    let hex = files.filter(|path| path.extension().is_some_and(|extension| extension == "hex"));
    let mut names: Vec<String> =
        hex.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

fn place(path: &str, extension: &str) -> PathBuf {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    golden.join(path).with_extension(extension)
}
