//! The program: an allocator and the command line.

/// Many small objects that live long, freed by another thread than the one that allocated them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    seatgraph::cli::main()
}
