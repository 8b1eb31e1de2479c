//! Long lines on a narrow terminal: broken between words, never inside one.
//!
//! A terminal breaks them anywhere, also in the middle of an id that somebody wants to copy. What
//! goes to a pipe is not for this.

/// Characters that are seen: all but those of colours.
pub fn seen(text: &str) -> usize {
    let mut is_colour = false;
    text.chars()
        .filter(|c| {
            let is_seen = !is_colour && *c != '\x1b';
            is_colour = *c == '\x1b' || (is_colour && *c != 'm');
            is_seen
        })
        .count()
}

/// The text in lines of at most `width` characters, as far as its words are no longer.
pub fn words(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.len() - 1;
        let length = seen(&lines[last]);
        match length {
            0 => lines[last].push_str(word),
            _ if length + 1 + seen(word) <= width => lines[last].extend([" ", word]),
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Every line of a text that is longer than `width` goes on below, a little further in.
pub fn fold(text: &str, width: usize) -> String {
    text.split_inclusive('\n').map(|line| folded(line, width)).collect()
}

fn folded(line: &str, width: usize) -> String {
    let (body, end) = line.strip_suffix('\n').map_or((line, ""), |body| (body, "\n"));
    let margin = body.len() - body.trim_start_matches(' ').len();
    let further = " ".repeat(margin + 2);
    if seen(body) <= width || width < 2 * further.len() {
        return line.to_owned();
    }
    let lines = words(body.trim_start_matches(' '), width - further.len());
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    body[..margin].to_owned() + &lines.join(&format!("\n{further}")) + end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_between_words_and_goes_on_further_in() {
        let check = |text: &str, width: usize, expect: &str| {
            assert_eq!(fold(text, width), expect, "{text}");
        };
        check("one two\n", 7, "one two\n");
        check("one two three\n", 9, "one two\n  three\n");
        check("    one two three\nx\n", 14, "    one two\n      three\nx\n");
        let id = "0123456789abcdef";
        check(&format!("see {id} there"), 10, &format!("see\n  {id}\n  there"));
    }

    #[test]
    fn colours_take_no_room() {
        assert_eq!(seen("\x1b[33mone\x1b[0m two"), 7);
        assert_eq!(fold("\x1b[33mone\x1b[0m two", 7), "\x1b[33mone\x1b[0m two");
    }
}
