//! `djdns page export`: a page as a zone file, as JSON, or as a bundle that carries everything.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, IsTerminal, Write},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::{
    cli::{
        args,
        context::{Context, ask},
        fault::{Fault, Outcome},
        output,
    },
    control::{
        report::AnswerRow,
        request::{Answer, PageSelector, Request},
    },
    page::{
        bundle,
        entry::{RecordSet, RecordSets},
        name::{Name, Owner},
        rdata::{self, Style},
        zonefile,
    },
};

/// Write a page to a file.
///
/// A zone file (RFC 1035) or JSON holds what is ratified now, for other DNS software and scripts. A
/// bundle holds every signed statement, so that another node can check and admit the page; it is not
/// text, and not written to a terminal.
#[derive(Args)]
#[command(
    after_help = "EXAMPLE\n  djdns page export ff.ct > ff.ct.zone\n  djdns page export ff.ct \
                  --format bundle -o ff.ct.bundle"
)]
pub struct Export {
    /// The page: its name, or the first digits of its id
    #[arg(value_name = "P", value_parser = args::page)]
    page: PageSelector,
    /// As what
    #[arg(long, default_value = "zone")]
    format: Format,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A zone file
    Zone,
    /// Everything, signed
    Bundle,
    /// One JSON object
    Json,
}

/// A page's ratified contents.
pub struct Contents {
    pub name: Name,
    pub serial: u64,
    pub entries: Vec<(Owner, Vec<RecordSet>)>,
}

#[derive(Serialize)]
struct Exported {
    page: String,
    serial: u64,
    records: Vec<AnswerRow>,
}

impl Export {
    pub fn run(self, context: &mut Context) -> Outcome {
        let format = if context.json { Format::Json } else { self.format };
        let mut out = Out::open(self.output.as_deref())?;
        if format == Format::Bundle && out.is_terminal() {
            return Err(Fault::refused(
                "a bundle is not text, and a terminal makes nothing of it: write it to a file with \
                 `-o FILE`, or `> FILE`",
            ));
        }
        match format {
            Format::Zone => out.write(zone(contents(context, &self.page)?)?.as_bytes())?,
            Format::Json => out.write(json(contents(context, &self.page)?)?.as_bytes())?,
            Format::Bundle => export_bundle(context, &self.page, &mut out)?,
        }
        out.finish()
    }
}

/// All of a page's ratified contents, in the order of their owners.
///
/// # Errors
/// What the node says.
pub fn contents(context: &mut Context, page: &str) -> Outcome<Contents> {
    let mut so_far: Option<Contents> = None;
    loop {
        let last = so_far.as_ref().and_then(|contents| contents.entries.last());
        let after = last.map(|(owner, _)| owner.clone());
        let request = Request::Contents { page: page.to_owned(), after };
        let (name, serial, entries, more) = ask!(
            context,
            request,
            Answer::Contents { name, serial, entries, more } => (name, serial, entries, more)
        );
        // A part without entries could not say where the next begins.
        let is_last = !more || entries.is_empty();
        let contents = match so_far.take() {
            None => Contents { name, serial, entries },
            Some(mut contents) => {
                contents.entries.extend(entries);
                contents
            }
        };
        if is_last {
            return Ok(contents);
        }
        so_far = Some(contents);
    }
}

fn zone(contents: Contents) -> Outcome<String> {
    let Contents { name, serial, entries } = contents;
    let admit = |(owner, sets): (Owner, Vec<RecordSet>)| {
        let sets = RecordSets::admit(sets, &owner, &name)
            .map_err(|refusal| Fault::refused(format!("the entry at `{owner}`: {refusal}")))?;
        Ok((owner, sets))
    };
    let entries = entries.into_iter().map(admit).collect::<Outcome<Vec<_>>>()?;
    let mut text = String::new();
    // A zone's serial has 32 bits and is compared around (RFC 1982).
    zonefile::write(&name, serial as u32, entries.into_iter(), &mut text);
    Ok(text)
}

fn json(contents: Contents) -> Outcome<String> {
    let mut records = Vec::new();
    for (owner, sets) in &contents.entries {
        let name = owner.at(&contents.name).map_err(Fault::refused)?.to_string();
        for set in sets {
            for data in &set.rdata {
                let mut text = String::new();
                rdata::write_text(set.rtype, &data.0, Style::Mnemonic, &mut text);
                records.push(AnswerRow {
                    name: name.clone(),
                    rtype: set.rtype.to_string(),
                    ttl: set.ttl,
                    data: text.trim_start().to_owned(),
                });
            }
        }
    }
    let exported = Exported { page: contents.name.to_string(), serial: contents.serial, records };
    let text = serde_json::to_string(&exported)
        .map_err(|error| Fault::refused(format!("the page does not become JSON: {error}")))?;
    Ok(text + "\n")
}

fn export_bundle(context: &mut Context, page: &str, out: &mut Out) -> Outcome {
    let mut bytes = Vec::new();
    let mut writer = bundle::Writer::begin(&mut bytes);
    let mut from = Some(0);
    while let Some(start) = from {
        let request = Request::Bundle { page: page.to_owned(), from: start };
        let (records, next) =
            ask!(context, request, Answer::Bundle { records, next } => (records, next));
        for (kind, record) in &records {
            writer.record(*kind, &record.0, &mut bytes).map_err(Fault::refused)?;
            out.write(&bytes)?;
            bytes.clear();
        }
        from = next.filter(|next| *next > start);
    }
    writer.end(&mut bytes);
    out.write(&bytes)
}

/// Where an export goes.
enum Out {
    Stdout,
    /// What is no regular file, as a pipe or a device, is written to as it is.
    Through {
        path: PathBuf,
        file: File,
    },
    /// Written beside its place and moved there when it is whole.
    File {
        partial: PathBuf,
        path: PathBuf,
        file: BufWriter<File>,
    },
}

impl Out {
    fn open(path: Option<&Path>) -> Outcome<Out> {
        let Some(path) = path.filter(|path| path.as_os_str() != "-") else {
            return Ok(Out::Stdout);
        };
        let failed = |error: &io::Error| Fault::file("written", path, error);
        let present = match fs::metadata(path) {
            Ok(present) => Some(present),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(&error)),
        };
        if present.as_ref().is_some_and(|present| !present.is_file()) {
            let file = OpenOptions::new().write(true).open(path).map_err(|e| failed(&e))?;
            return Ok(Out::Through { path: path.to_owned(), file });
        }
        // Beside the file itself: a link to it stays a link.
        let path = &followed(path).map_err(|error| failed(&error))?;
        let mut partial = path.as_os_str().to_owned();
        partial.push(format!(".{}.partial", std::process::id()));
        let partial = PathBuf::from(partial);
        let file = File::create(&partial).map_err(|e| Fault::file("written", &partial, &e))?;
        Ok(Out::File { partial, path: path.to_owned(), file: BufWriter::new(file) })
    }

    fn is_terminal(&self) -> bool {
        matches!(self, Out::Stdout) && io::stdout().is_terminal()
    }

    fn write(&mut self, bytes: &[u8]) -> Outcome {
        match self {
            Out::Stdout => output::print_bytes(bytes),
            Out::Through { path, file } => {
                file.write_all(bytes).map_err(|error| Fault::file("written", path, &error))
            }
            Out::File { file, path, .. } => {
                file.write_all(bytes).map_err(|error| Fault::file("written", path, &error))
            }
        }
    }

    fn finish(mut self) -> Outcome {
        let Out::File { partial, path, file } = &mut self else { return Ok(()) };
        let moved = file
            .flush()
            .and_then(|()| file.get_ref().sync_all())
            .and_then(|()| fs::rename(&*partial, &*path));
        moved.map_err(|error| Fault::file("written", path, &error))
    }
}

/// The path that symbolic links lead to, whether anything is there yet or not.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    // As many as Linux follows (path_resolution(7)); a circle was seen by then.
    for _ in 0..40 {
        match fs::read_link(&path) {
            Ok(target) => path = path.parent().unwrap_or(Path::new("")).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(io::ErrorKind::InvalidInput.into())
}

impl Drop for Out {
    fn drop(&mut self) {
        if let Out::File { partial, .. } = self {
            // Gone already when all went well.
            let _ = fs::remove_file(partial);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::{entry::Rdata, record::RecordType};

    #[test]
    fn json_has_a_row_for_each_record() {
        let name = Name::parse("ct").unwrap();
        let owner = Owner::parse("www", &name).unwrap();
        let sets = vec![RecordSet {
            rtype: RecordType::A,
            ttl: 60,
            rdata: vec![Rdata(Box::new([192, 0, 2, 1])), Rdata(Box::new([192, 0, 2, 2]))],
        }];
        let text = json(Contents { name, serial: 7, entries: vec![(owner, sets)] }).unwrap();
        let expect = concat!(
            r#"{"page":"ct.","serial":7,"records":["#,
            r#"{"name":"www.ct.","type":"A","ttl":60,"data":"192.0.2.1"},"#,
            r#"{"name":"www.ct.","type":"A","ttl":60,"data":"192.0.2.2"}]}"#,
            "\n"
        );
        assert_eq!(text, expect);
    }

    #[test]
    fn links_are_followed_and_what_is_no_file_is_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let export = |to: &Path, text: &[u8]| {
            let mut out = Out::open(Some(to)).unwrap();
            out.write(text).unwrap();
            out.finish().unwrap();
        };
        std::os::unix::fs::symlink("file", at("link")).unwrap();
        for text in [&b"one"[..], b"two"] {
            export(&at("link"), text);
            assert_eq!(fs::read(at("file")).unwrap(), text);
            assert!(fs::symlink_metadata(at("link")).unwrap().is_symlink());
        }
        std::os::unix::fs::symlink("circle", at("circle")).unwrap();
        assert!(Out::open(Some(&at("circle"))).is_err());
        assert!(Out::open(Some(dir.path())).is_err());
        let null = Path::new("/dev/null");
        assert!(matches!(Out::open(Some(null)), Ok(Out::Through { .. })));
        let pipe = at("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        export(&pipe, b"through");
        assert_eq!(reader.join().unwrap(), b"through");
    }

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("page.zone");
        let mut out = Out::open(Some(&path)).unwrap();
        out.write(b"half").unwrap();
        drop(out);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let mut out = Out::open(Some(&path)).unwrap();
        out.write(b"whole").unwrap();
        out.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
