//! Plays the command's binary for the tests of actions: it is the keeper of scripts.

fn main() -> std::process::ExitCode {
    hedgerow_collect::script::keeper::main()
}
