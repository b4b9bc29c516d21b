//! Requests at a pace that is given, over connections that stay open, each answer looked at and timed. `wrk` sends as fast as
//! it can; what others cost each other shows at half of that.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::stream::Stream;
use super::wrk::Figures;

const CONNECTIONS: u32 = 16;

/// Until told to stop, or for so long.
pub enum Until<'s> {
    Stopped(&'s AtomicBool),
    Seconds(u64),
}

/// `made` gives the n-th request; no number comes twice in the life of `next`.
pub fn paced(
    port: u16,
    rate: f64,
    until: &Until<'_>,
    next: &AtomicUsize,
    made: &(dyn Fn(usize) -> String + Sync),
    wanted: &str,
) -> Figures {
    let times = Mutex::new(Vec::new());
    let started = Instant::now();
    let over = || match until {
        Until::Stopped(stopped) => stopped.load(Relaxed),
        Until::Seconds(seconds) => started.elapsed() >= Duration::from_secs(*seconds),
    };
    let step = Duration::from_secs_f64(f64::from(CONNECTIONS) / rate);
    std::thread::scope(|scope| {
        for connection in 0..CONNECTIONS {
            let (times, over) = (&times, &over);
            scope.spawn(move || {
                let mut stream = Stream::open(port);
                let mut own = Vec::new();
                let mut due = started + step.mul_f64(f64::from(connection) / f64::from(CONNECTIONS));
                while !over() {
                    // Who is late goes on at once, and is not made to hurry afterwards: it would ask for more than the pace.
                    match due.checked_duration_since(Instant::now()) {
                        Some(wait) => std::thread::sleep(wait),
                        None => due = Instant::now(),
                    }
                    due += step;
                    let request = made(next.fetch_add(1, Relaxed));
                    let sent = Instant::now();
                    stream.ask(&request, wanted);
                    own.push(sent.elapsed().as_secs_f64() * 1e3);
                }
                times.lock().expect("no thread has panicked").extend(own);
            });
        }
    });
    figures(times.into_inner().expect("no thread has panicked"), started.elapsed())
}

/// Of milliseconds each took.
pub fn figures(mut times: Vec<f64>, took: Duration) -> Figures {
    times.sort_by(f64::total_cmp);
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    Figures {
        rate: times.len() as f64 / took.as_secs_f64(),
        p50_ms: at(50),
        p99_ms: at(99),
        cpu_micros: 0.0,
        requests: times.len() as f64,
    }
}
