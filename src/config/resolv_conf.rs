//! Reads the text of a resolv.conf(5), as glibc does: what it says, and which lines say nothing.
//!
//! Which file that is, and whether its servers may be asked, is not known here.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

/// What a resolv.conf(5) says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvConf {
    /// All of them, in order; glibc itself asks only the first three (MAXNS).
    pub nameservers: Vec<Nameserver>,
    /// The names that short names are completed with: of the last `search` or `domain` line.
    pub search: Vec<String>,
    /// How long a server is waited for, at most 30 s (RES_MAXRETRANS).
    pub timeout: Option<Duration>,
    /// How often they are all asked, at most 5 times (RES_MAXRETRY).
    pub attempts: Option<u32>,
    pub edns0: bool,
    /// The way to the servers is safe, so that their AD bit means something.
    pub trust_ad: bool,
    /// Lines, counted from 1, that are not understood, and why.
    pub faults: Vec<(usize, String)>,
}

/// One `nameserver` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nameserver {
    pub ip: IpAddr,
    /// 53: this file knows no other; what else names servers so may.
    pub port: u16,
    /// The interface of a link-local address, `eth0` or its number (RFC 4007 section 11).
    pub scope: Option<String>,
}

impl ResolvConf {
    /// Reads the text. Nothing is refused: what is not understood is named in `faults`.
    pub fn parse(text: &str) -> ResolvConf {
        let mut conf = ResolvConf::default();
        for (number, line) in text.lines().enumerate() {
            if line.starts_with(['#', ';']) {
                continue;
            }
            let mut words = line.split_ascii_whitespace();
            let Some(keyword) = words.next() else { continue };
            if let Err(fault) = conf.take(keyword, &mut words) {
                conf.faults.push((number + 1, fault));
            }
        }
        conf
    }

    fn take<'t>(
        &mut self,
        keyword: &str,
        words: &mut impl Iterator<Item = &'t str>,
    ) -> Result<(), String> {
        match keyword {
            "nameserver" => {
                let text = words.next().ok_or("`nameserver` without an address")?;
                self.nameservers.push(Nameserver::parse(text)?);
            }
            "search" | "domain" => {
                let names = words.take_while(|word| !word.starts_with(['#', ';']));
                self.search = names.map(str::to_owned).collect();
            }
            "options" => words.for_each(|option| self.take_option(option)),
            // Sorting answers is the business of the library that asks.
            "sortlist" => {}
            // openresolv and others write what only they read.
            _ => return Err(format!("`{keyword}` is no keyword of resolv.conf(5)")),
        }
        Ok(())
    }

    /// Options that are not about asking servers, and unknown ones, are passed over, as glibc does.
    fn take_option(&mut self, option: &str) {
        let number = |text: &str| text.parse::<u32>().ok();
        match option.split_once(':') {
            Some(("timeout", value)) => {
                let seconds = number(value).map(|value| u64::from(value.clamp(1, 30)));
                self.timeout = seconds.map(Duration::from_secs).or(self.timeout);
            }
            Some(("attempts", value)) => {
                self.attempts = number(value).map(|value| value.clamp(1, 5)).or(self.attempts);
            }
            _ if option == "edns0" => self.edns0 = true,
            _ if option == "trust-ad" => self.trust_ad = true,
            _ => {}
        }
    }
}

impl Nameserver {
    fn parse(text: &str) -> Result<Nameserver, String> {
        let (ip, scope) = match text.split_once('%') {
            Some((ip, scope)) => (ip, Some(scope.to_owned())),
            None => (text, None),
        };
        let refused = || format!("`{text}` is no IP address");
        let ip: IpAddr = ip.parse().map_err(|_| refused())?;
        if scope.as_ref().is_some_and(|scope| ip.is_ipv4() || scope.is_empty()) {
            return Err(refused());
        }
        // What glibc takes for this machine itself (an old habit of BSD).
        let ip = if ip == Ipv4Addr::UNSPECIFIED { Ipv4Addr::LOCALHOST.into() } else { ip };
        Ok(Nameserver { ip, port: 53, scope })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_servers_names_and_options() {
        let conf = ResolvConf::parse(
            "# made by hand\n; so\nnameserver 192.0.2.1 # the first\n\tnameserver\t2001:db8::1\n\
             nameserver fe80::1%eth0\nnameserver 192.0.2.2\ndomain old.example\n\
             search corp.example lab.example ; both\n\
             options timeout:2 attempts:9 edns0 rotate trust-ad timeout:x\n",
        );
        let ips: Vec<String> = conf.nameservers.iter().map(|s| s.ip.to_string()).collect();
        assert_eq!(ips, ["192.0.2.1", "2001:db8::1", "fe80::1", "192.0.2.2"]);
        assert_eq!(conf.nameservers[2].scope.as_deref(), Some("eth0"));
        assert_eq!(conf.search, ["corp.example", "lab.example"]);
        assert_eq!((conf.timeout, conf.attempts), (Some(Duration::from_secs(2)), Some(5)));
        assert!(conf.edns0 && conf.trust_ad && conf.faults.is_empty());
    }

    #[test]
    fn what_is_not_understood_is_named_with_its_line() {
        let conf = ResolvConf::parse(
            "nameserver\nnameserver dns.example\nnameserver 192.0.2.1%eth0\nlookup file bind\n\
             nameserver 0.0.0.0\n",
        );
        let lines: Vec<usize> = conf.faults.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 2, 3, 4]);
        assert_eq!(conf.nameservers[0].ip, Ipv4Addr::LOCALHOST);
        assert_eq!(ResolvConf::parse(""), ResolvConf::default());
    }
}
