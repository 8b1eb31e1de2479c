//! Whether a configuration says who may ask where it lets others ask. Opens nothing.

use std::fs;

use super::{Config, ConfigError, door::HttpDoor, words};
use crate::dns::Access;

impl Config {
    /// Refuses what `djdns serve` would refuse: an address that other machines reach, without `allow`.
    ///
    /// # Errors
    /// [`ConfigError::Wrong`], with the line that has the address.
    pub fn check_reach(&self) -> Result<(), ConfigError> {
        let access = Access::new(self.allow.clone());
        let http: Vec<_> = self.http.and_then(HttpDoor::address).into_iter().collect();
        let doors = [
            ("dns", &self.dns),
            ("dot", &self.dot),
            ("doh", &self.doh),
            ("doq", &self.doq),
            ("http", &http),
        ];
        for (setting, doors) in doors {
            if let (Err(fault), Some(file)) = (access.check(doors), &self.file) {
                let text = fs::read_to_string(file).unwrap_or_default();
                return Err(ConfigError::Wrong {
                    file: file.clone(),
                    line: words::line_of(&text, setting).unwrap_or(1),
                    message: fault.to_string(),
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_reach_needs_a_list_of_who_may_ask() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("djdns.toml");
        let check = |text: &str, expect: Option<&str>| {
            fs::write(&file, text).unwrap();
            let read = Config::load(Some(&file), &|_| None).unwrap();
            let said = read.check_reach().err().map(|error| error.to_string());
            assert_eq!(said.is_some(), expect.is_some(), "{said:?}");
            let said = said.unwrap_or_default();
            assert!(said.contains(expect.unwrap_or_default()), "{said}");
        };
        check("dns = [\"127.0.0.1:53\", \"[::1]:53\"]\nhttp = \"off\"", None);
        check("\ndns = [\"0.0.0.0:53\"]", Some("line 2: 0.0.0.0:53 can be reached from other"));
        check("hosts = true\ndoq = [\"192.0.2.1:853\"]", Some("line 2: 192.0.2.1:853 can be"));
        check("hosts = true\nhttp = \"192.0.2.1:80\"", Some("line 2: 192.0.2.1:80 can be reached"));
        check("dns = [\"0.0.0.0:53\"]\nallow = [\"192.0.2.0/24\"]", None);
    }
}
