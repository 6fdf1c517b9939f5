//! The program: hands the command line to [`ramal::cli`].

use std::process::ExitCode;

/// Calls are many small allocations that one thread makes and another frees.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ramal::cli::main()
}
