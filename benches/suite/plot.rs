//! Bars as SVG: rows of groups, each with its series, the value written beside each bar. All that the page needs to show.

use std::fmt::Write as _;

use super::results::short;

pub struct Plot<'p> {
    pub title: &'p str,
    /// What the numbers are, and which end is better.
    pub unit: &'p str,
    pub series: Vec<String>,
    /// A name, and a value of each series if there is one.
    pub groups: Vec<(String, Vec<Option<f64>>)>,
}

const WIDTH: f64 = 860.0;
/// Where the bars begin, and where the longest ends.
const LEFT: f64 = 230.0;
const RIGHT: f64 = 760.0;
const TOP: f64 = 84.0;
const BAR: f64 = 13.0;
const GAP: f64 = 13.0;
/// Told apart by those who do not see red from green, too (Okabe and Ito).
const COLOURS: [&str; 4] = ["#0072b2", "#c9ced6", "#e69f00", "#009e73"];
const INK: &str = "#24292f";
const FAINT: &str = "#6e7781";

impl Plot<'_> {
    /// None if nothing was measured of it.
    pub fn svg(&self) -> Option<String> {
        let values = || {
            self.groups
                .iter()
                .flat_map(|(_, values)| values.iter().flatten().copied())
        };
        let largest = values().fold(0.0, f64::max);
        if largest <= 0.0 {
            return None;
        }
        let full = self.full(values().collect());
        // A series nobody has is not in the legend.
        let drawn = |(_, values): &&(String, Vec<Option<f64>>)| values.iter().any(Option::is_some);
        let rows: f64 = self
            .groups
            .iter()
            .filter(drawn)
            .map(|(_, values)| values.iter().flatten().count() as f64 * BAR + GAP)
            .sum();
        let height = TOP + rows + 12.0;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
             font-family=\"system-ui, Segoe UI, Helvetica, Arial, DejaVu Sans, sans-serif\" role=\"img\" aria-label=\"{title}\">\n\
             <rect width=\"{WIDTH}\" height=\"{height}\" rx=\"6\" fill=\"#ffffff\"/>\n\
             <text x=\"20\" y=\"28\" font-size=\"16\" font-weight=\"600\" fill=\"{INK}\">{title}</text>\n\
             <text x=\"20\" y=\"48\" font-size=\"12\" fill=\"{FAINT}\">{unit}</text>\n",
            title = escaped(self.title),
            unit = escaped(self.unit),
        );
        self.legend(&mut out);
        let mut y = TOP;
        for (name, values) in self.groups.iter().filter(drawn) {
            let bars = values.iter().flatten().count() as f64;
            let _ = writeln!(
                out,
                "<text x=\"{}\" y=\"{:.1}\" font-size=\"12\" text-anchor=\"end\" fill=\"{INK}\">{}</text>",
                LEFT - 10.0,
                y + bars * BAR / 2.0 + 4.0,
                escaped(name)
            );
            for (at, value) in values.iter().enumerate() {
                let Some(value) = value else { continue };
                let width = (value / full * (RIGHT - LEFT)).clamp(1.0, RIGHT - LEFT);
                let _ = writeln!(
                    out,
                    "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{}\" rx=\"1.5\" fill=\"{}\"/>\
                     <text x=\"{:.1}\" y=\"{:.1}\" font-size=\"10.5\" fill=\"{FAINT}\">{}</text>",
                    BAR - 2.0,
                    COLOURS[at % COLOURS.len()],
                    LEFT + width + 6.0,
                    y + BAR - 4.0,
                    short(*value)
                );
                if *value > full {
                    // Cut off, and seen to be.
                    let _ = writeln!(
                        out,
                        "<path d=\"M{:.1} {:.1} l5 -{h} h5 l-5 {h} z\" fill=\"#ffffff\"/>",
                        RIGHT - 24.0,
                        y + BAR - 1.0,
                        h = BAR
                    );
                }
                y += BAR;
            }
            y += GAP;
        }
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" y1=\"{}\" x2=\"{LEFT}\" y2=\"{:.1}\" stroke=\"{FAINT}\" stroke-width=\"1\"/>\n</svg>",
            TOP - 6.0,
            y - GAP + 4.0
        );
        Some(out)
    }

    /// What the longest bar stands for. A few that are many times as long as the others would leave nothing of those: they are
    /// cut off, with their number beside them.
    fn full(&self, mut values: Vec<f64>) -> f64 {
        values.sort_by(f64::total_cmp);
        let (usual, largest) = (values[(values.len() - 1) * 4 / 5], values[values.len() - 1]);
        match largest > 4.0 * usual && values.len() > 4 {
            true => 2.0 * usual,
            false => largest,
        }
    }

    fn legend(&self, out: &mut String) {
        let has = |at: usize| {
            self.groups
                .iter()
                .any(|(_, values)| values.get(at).is_some_and(Option::is_some))
        };
        let mut x = LEFT;
        for (at, name) in self.series.iter().enumerate().filter(|(at, _)| has(*at)) {
            let _ = writeln!(
                out,
                "<rect x=\"{x:.1}\" y=\"60\" width=\"10\" height=\"10\" rx=\"2\" fill=\"{}\"/>\
                 <text x=\"{:.1}\" y=\"69\" font-size=\"11.5\" fill=\"{INK}\">{}</text>",
                COLOURS[at % COLOURS.len()],
                x + 15.0,
                escaped(name)
            );
            x += 40.0 + name.chars().count() as f64 * 6.6;
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
