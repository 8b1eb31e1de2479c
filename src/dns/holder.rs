//! Finds out which process holds a port, for the error that says so. Linux only; anywhere else,
//! and for other people's processes, the answer is `None`.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

/// The name and number of a process with a socket bound to this local port, as `named (pid 7)`.
pub fn of_port(transport: &str, port: u16) -> Option<String> {
    let tables = [format!("/proc/net/{transport}"), format!("/proc/net/{transport}6")];
    let inodes: Vec<String> = tables
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| inodes(&table, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let processes = fs::read_dir("/proc").ok()?.flatten().map(|process| process.path());
    // Only numbers are processes; `self` and its like are second names of one.
    let numbered = |path: &PathBuf| path.file_name().is_some_and(is_number);
    let holder = processes.filter(numbered).find(|path| holds(path, &inodes))?;
    let name = fs::read_to_string(holder.join("comm")).ok()?;
    Some(format!("{} (pid {})", name.trim(), holder.file_name()?.display()))
}

/// The inodes of sockets with this local port and no peer, from a table as `proc(5)` describes.
fn inodes(table: &str, port: u16) -> Vec<String> {
    let inode = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let local = u16::from_str_radix(fields.get(1)?.rsplit_once(':')?.1, 16).ok()?;
        let alone = fields.get(2)?.ends_with(":0000");
        (local == port && alone).then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
    };
    table.lines().skip(1).filter_map(inode).collect()
}

fn is_number(name: &OsStr) -> bool {
    name.as_encoded_bytes().iter().all(u8::is_ascii_digit)
}

fn holds(process: &Path, inodes: &[String]) -> bool {
    let Ok(files) = fs::read_dir(process.join("fd")) else { return false };
    files
        .flatten()
        .filter_map(|file| fs::read_link(file.path()).ok())
        .any(|target| inodes.iter().any(|inode| target.as_os_str() == inode.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_names_the_inode_of_a_listening_port_only() {
        let table = "sl local rem st tx:rx tr:tm retr uid timeout inode\n\
             0: 0100007F:0035 00000000:0000 0A 0:0 00:0 0 0 0 4711 1\n\
             1: 0100007F:0035 0100007F:9999 01 0:0 00:0 0 0 0 4712 1\n\
             2: 0100007F:0036 00000000:0000 0A 0:0 00:0 0 0 0 4713 1\n";
        assert_eq!(inodes(table, 53), ["4711"]);
        assert!(inodes("", 53).is_empty());
    }
}
