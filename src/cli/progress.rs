//! A bar on standard error while something takes long; silent where nobody looks at a terminal.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Of so many, or of an unknown number.
pub fn bar(what: &str, all: Option<u64>, bytes: bool) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template = match (all, bytes) {
        (Some(_), true) => "{prefix} {wide_bar} {bytes}/{total_bytes} {eta}",
        (Some(_), false) => "{prefix} {wide_bar} {human_pos}/{human_len} {eta}",
        (None, true) => "{prefix} {spinner} {bytes} {elapsed}",
        (None, false) => "{prefix} {spinner} {human_pos} {elapsed}",
    };
    let bar = ProgressBar::with_draw_target(all, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_prefix(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
