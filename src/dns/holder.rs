//! Finds out which process holds an address, for the error that says so. Linux only; anywhere else,
//! and for other people's processes, the answer is `None`.

use std::{
    ffi::OsStr,
    fmt, fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

/// Who has an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The program, as the kernel names it: its first 15 letters.
    pub name: String,
    pub pid: u32,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name, self.pid)
    }
}

/// A process with a socket that is bound to this local address, or to its port on all addresses.
pub fn of(transport: &str, address: SocketAddr) -> Option<Holder> {
    let tables = [format!("/proc/net/{transport}"), format!("/proc/net/{transport}6")];
    let inodes: Vec<String> = tables
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| inodes(&table, address))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let processes = fs::read_dir("/proc").ok()?.flatten().map(|process| process.path());
    // Only numbers are processes; `self` and its like are second names of one.
    let numbered = |path: &PathBuf| path.file_name().is_some_and(is_number);
    let holder = processes.filter(numbered).find(|path| holds(path, &inodes))?;
    let name = fs::read_to_string(holder.join("comm")).ok()?.trim().to_owned();
    let pid = holder.file_name()?.to_str()?.parse().ok()?;
    Some(Holder { name, pid })
}

/// The inodes of sockets with no peer that keep others from this address, from a table as `proc(5)`
/// describes.
fn inodes(table: &str, address: SocketAddr) -> Vec<String> {
    let inode = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (ip, port) = fields.get(1)?.rsplit_once(':')?;
        let same_port = u16::from_str_radix(port, 16).ok()? == address.port();
        let alone = fields.get(2)?.ends_with(":0000");
        (same_port && alone && is_in_the_way(read_ip(ip)?, address.ip()))
            .then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
    };
    table.lines().skip(1).filter_map(inode).collect()
}

/// Whether a socket at `held` keeps others from `wanted`: `[::]` may have all of IPv4 as well.
fn is_in_the_way(held: IpAddr, wanted: IpAddr) -> bool {
    let held = held.to_canonical();
    let all_of_it = held.is_unspecified() && (held.is_ipv6() || wanted.is_ipv4());
    held == wanted || all_of_it || (wanted.is_unspecified() && held.is_ipv4() == wanted.is_ipv4())
}

/// An address as the kernel prints it: words of 32 bits in this machine's order of bytes.
fn read_ip(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| u32::from_str_radix(hex.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    match hex.len() {
        8 => word(0).map(|bytes| Ipv4Addr::from(bytes).into()),
        32 => {
            let mut bytes = [0; 16];
            for (n, chunk) in bytes.chunks_mut(4).enumerate() {
                chunk.copy_from_slice(&word(8 * n)?);
            }
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
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
    fn a_table_names_the_inode_of_who_listens_at_the_address_only() {
        let table = "sl local rem st tx:rx tr:tm retr uid timeout inode\n\
             0: 0100007F:0035 00000000:0000 0A 0:0 00:0 0 0 0 4711 1\n\
             1: 0100007F:0035 0100007F:9999 01 0:0 00:0 0 0 0 4712 1\n\
             2: 0100007F:0036 00000000:0000 0A 0:0 00:0 0 0 0 4713 1\n\
             3: 3500007F:0035 00000000:0000 0A 0:0 00:0 0 0 0 4714 1\n\
             4: 00000000:0037 00000000:0000 0A 0:0 00:0 0 0 0 4715 1\n";
        let table6 = "head\n\
             0: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 61 1\n\
             1: 00000000000000000000000000000000:0038 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 62 1\n";
        let check = |table: &str, address: &str, expect: &[&str]| {
            assert_eq!(inodes(table, address.parse().unwrap()), expect, "{address}");
        };
        // As the words are printed on a little-endian machine; others print them the other way round.
        if cfg!(target_endian = "little") {
            check(table, "127.0.0.1:53", &["4711"]);
            check(table, "127.0.0.53:53", &["4714"]);
            check(table, "0.0.0.0:53", &["4711", "4714"]);
            check(table6, "[::1]:53", &["61"]);
            check(table6, "[::]:53", &["61"]);
        }
        check(table, "127.0.0.9:55", &["4715"]);
        check(table, "[::1]:55", &[]);
        check(table6, "127.0.0.1:56", &["62"]);
        check(table6, "[::1]:56", &["62"]);
        check("", "127.0.0.1:53", &[]);
    }
}
