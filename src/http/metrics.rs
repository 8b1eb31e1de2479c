//! Numbers as Prometheus reads them: its text format, version 0.0.4.
//!
//! Written here and not by a library: those keep the numbers as well, behind a lock or a table of
//! names, while ours are counted where they happen. What the numbers mean is not known here.

use std::fmt::Write as _;

/// What the format is called (Content-Type).
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All series of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// `[a-zA-Z_][a-zA-Z0-9_]*`, with its unit, and `_total` for what is counted.
    name: &'static str,
    help: &'static str,
    kind: &'static str,
    series: Vec<(Labels, Value)>,
}

/// What tells the series of one name from each other.
pub type Labels = Vec<(&'static str, String)>;

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Number(f64),
    Histogram(Histogram),
}

/// How many took how long.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// Upper bounds, ascending, and how many were at most that and more than the bound before.
    pub buckets: Vec<(f64, u64)>,
    /// How many were more than the last bound.
    pub more: u64,
    /// All of them together.
    pub sum: f64,
}

impl Family {
    /// A number that only grows while the process lives.
    pub fn counter(name: &'static str, help: &'static str) -> Family {
        Family { name, help, kind: "counter", series: Vec::new() }
    }

    /// A number that goes up and down.
    pub fn gauge(name: &'static str, help: &'static str) -> Family {
        Family { name, help, kind: "gauge", series: Vec::new() }
    }

    /// How something is spread.
    pub fn histogram(name: &'static str, help: &'static str) -> Family {
        Family { name, help, kind: "histogram", series: Vec::new() }
    }

    /// The one series that has no labels.
    #[must_use]
    pub fn is(self, value: f64) -> Family {
        self.with(Vec::new(), value)
    }

    /// One series more.
    #[must_use]
    pub fn with(mut self, labels: Labels, value: f64) -> Family {
        self.series.push((labels, Value::Number(value)));
        self
    }

    /// A series for each value of one label.
    #[must_use]
    pub fn by(
        mut self,
        label: &'static str,
        values: impl IntoIterator<Item = (String, f64)>,
    ) -> Family {
        let one = |(value, number)| (vec![(label, value)], Value::Number(number));
        self.series.extend(values.into_iter().map(one));
        self
    }

    /// One histogram more.
    #[must_use]
    pub fn spread(mut self, labels: Labels, histogram: Histogram) -> Family {
        self.series.push((labels, Value::Histogram(histogram)));
        self
    }
}

/// The text of these families. One without any series is left out.
pub fn text(families: &[Family]) -> String {
    let mut out = String::new();
    for family in families.iter().filter(|family| !family.series.is_empty()) {
        let Family { name, help, kind, series } = family;
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        // Writing to a string does not fail.
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in series {
            match value {
                Value::Number(number) => line(&mut out, name, "", labels, None, *number),
                Value::Histogram(histogram) => spread(&mut out, name, labels, histogram),
            }
        }
    }
    out
}

fn spread(out: &mut String, name: &str, labels: &Labels, histogram: &Histogram) {
    let mut count = 0;
    for (bound, within) in &histogram.buckets {
        count += within;
        line(out, name, "_bucket", labels, Some(&bound.to_string()), count as f64);
    }
    count += histogram.more;
    line(out, name, "_bucket", labels, Some("+Inf"), count as f64);
    line(out, name, "_sum", labels, None, histogram.sum);
    line(out, name, "_count", labels, None, count as f64);
}

fn line(
    out: &mut String,
    name: &str,
    ending: &str,
    labels: &Labels,
    bound: Option<&str>,
    value: f64,
) {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let labels = labels.iter().map(|(label, value)| (*label, value.as_str()));
    let labels: Vec<String> = labels
        .chain(bound.map(|bound| ("le", bound)))
        .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)))
        .collect();
    let labels =
        if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    let _ = writeln!(out, "{name}{ending}{labels} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_written_as_prometheus_reads_them() {
        let odd = vec![("page", "a\"b\\c\nd".to_owned())];
        let families = [
            Family::counter("x_total", "One\nline \\ more.").is(3.0),
            Family::gauge("y_seconds", "Two.").by("at", [("a".to_owned(), 0.25)]).with(odd, 1.0),
            Family::gauge("z", "Nothing."),
        ];
        let expect = "\
# HELP x_total One\\nline \\\\ more.
# TYPE x_total counter
x_total 3
# HELP y_seconds Two.
# TYPE y_seconds gauge
y_seconds{at=\"a\"} 0.25
y_seconds{page=\"a\\\"b\\\\c\\nd\"} 1
";
        assert_eq!(text(&families), expect);
    }

    #[test]
    fn the_buckets_of_a_histogram_add_up() {
        let histogram = Histogram { buckets: vec![(0.001, 2), (0.5, 3)], more: 1, sum: 4.5 };
        let labels = vec![("from", "cache".to_owned())];
        let family = Family::histogram("t_seconds", "Time.").spread(labels, histogram);
        let expect = "\
# HELP t_seconds Time.
# TYPE t_seconds histogram
t_seconds_bucket{from=\"cache\",le=\"0.001\"} 2
t_seconds_bucket{from=\"cache\",le=\"0.5\"} 5
t_seconds_bucket{from=\"cache\",le=\"+Inf\"} 6
t_seconds_sum{from=\"cache\"} 4.5
t_seconds_count{from=\"cache\"} 6
";
        assert_eq!(text(&[family]), expect);
    }
}
