//! QR codes on a terminal: two rows of squares in each line of text.
//!
//! A scanner wants dark squares on a light ground with a quiet zone of four around (ISO/IEC 18004), so
//! on a terminal both colours are said, whatever it is set to. In a pipe there are none: on paper
//! what is printed is dark.

use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};

use super::{fault::Fault, fault::Outcome, output::Style};

/// Black and white of the 256 colours, which no theme changes as it does the first sixteen.
const DARK_ON_LIGHT: &str = "\x1b[38;5;16;48;5;231m";
const RESET: &str = "\x1b[0m";
/// Squares of the quiet zone, on each side.
const QUIET: usize = 4;

/// The code as lines of text; in capitals, for which it has a shorter form. Where a terminal is too
/// narrow for one that bears with scratches, a smaller one is drawn.
///
/// # Errors
/// That the terminal is too narrow, or the text too long.
pub fn draw(text: &str, style: Style) -> Outcome<String> {
    let text = text.to_ascii_uppercase();
    let mut columns = 0;
    for level in [EcLevel::M, EcLevel::L] {
        let code = QrCode::with_error_correction_level(&text, level)
            .map_err(|error| Fault::refused(format!("no QR code holds this: {error}")))?;
        columns = code.width() + 2 * QUIET;
        if style.width.is_none_or(|width| width >= columns) {
            return Ok(lines(&code, style));
        }
    }
    Err(Fault::refused(format!(
        "the QR code takes {columns} columns, and this terminal has {}: make it wider, or its letters \
         smaller",
        style.width.unwrap_or_default()
    )))
}

fn lines(code: &QrCode, style: Style) -> String {
    let image = code.render::<Dense1x2>().quiet_zone(true).module_dimensions(1, 1).build();
    let line = |line: &str| match style.width {
        Some(_) => format!("{DARK_ON_LIGHT}{line}{RESET}\n"),
        None => format!("{line}\n"),
    };
    image.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: &str = "DMCT:0.5428:31415:a3f2c8b9";

    #[test]
    fn a_code_is_drawn_dark_on_light_with_a_quiet_zone() {
        let drawn = draw(SHORT, Style::narrow(80)).unwrap();
        let lines: Vec<&str> = drawn.lines().collect();
        // 25 squares for 26 letters, in 33 rows of which two share a line.
        assert_eq!(lines.len(), 17);
        for line in &lines {
            let squares = line.strip_prefix(DARK_ON_LIGHT).and_then(|l| l.strip_suffix(RESET));
            let squares = squares.unwrap_or_else(|| panic!("{line:?} has its colours"));
            assert_eq!(squares.chars().count(), 33);
            assert!(squares.starts_with("    ") && squares.ends_with("    "), "{squares:?}");
        }
        assert!(!draw(SHORT, Style::plain()).unwrap().contains('\x1b'), "a pipe has no colours");
        let plain = |text: &str| draw(text, Style::plain()).unwrap();
        assert_eq!(plain(SHORT), plain(&SHORT.to_uppercase()));
    }

    #[test]
    fn where_it_does_not_fit_the_terminal_that_is_said() {
        let long = format!("{SHORT}/{}", "A".repeat(228));
        let columns = |width: usize| {
            let drawn = draw(&long, Style::narrow(width)).ok()?;
            Some(drawn.lines().next()?.chars().filter(|c| " ▀▄█".contains(*c)).count())
        };
        assert_eq!(columns(80), Some(61));
        assert_eq!(columns(60), Some(57), "with less against scratches");
        let refused = draw(&long, Style::narrow(56)).unwrap_err().to_string();
        assert!(refused.contains("takes 57 columns, and this terminal has 56"), "{refused}");
    }
}
