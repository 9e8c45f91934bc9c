//! A terminal: what a program shows on it, as a person would see it, and keys pressed there. The terminal is made by script(1), which
//! every Debian has; what stands on the screen is worked out by a crate that is not ours.

use crate::patience::wait_for;
use crate::processes::Snapshot;
use crate::sandbox::Sandbox;
use std::fs;
use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A program in a terminal; killed when it is dropped.
pub struct Pty {
    script: Child,
    keys: Option<ChildStdin>,
    terminal: Arc<Mutex<vt100::Parser>>,
}

impl Pty {
    /// Starts a line of the shell in a terminal of so many rows and columns.
    pub fn start(sandbox: &Sandbox, line: &str, (rows, columns): (u16, u16)) -> Self {
        let mut script = sandbox.program(Path::new("/usr/bin/script"));
        script.env("TERM", "xterm-256color").env("SHELL", "/bin/sh");
        let line = format!("stty rows {rows} cols {columns}; {line}");
        script.args(["-q", "-f", "-e", "-c", &line, "/dev/null"]);
        script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut script = script.spawn().unwrap();
        let (keys, mut shown) = (script.stdin.take(), script.stdout.take().unwrap());
        let terminal = Arc::new(Mutex::new(vt100::Parser::new(some(rows), some(columns), 0)));
        let seen = Arc::clone(&terminal);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = shown.read(&mut bytes) {
                seen.lock().unwrap().process(&bytes[..count]);
            }
        });
        Self { script, keys, terminal }
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) {
        let terminal = self.keys.as_mut().unwrap();
        terminal.write_all(keys.as_bytes()).unwrap();
        terminal.flush().unwrap();
    }

    /// What stands on the screen.
    pub fn screen(&self) -> String {
        self.terminal.lock().unwrap().screen().contents()
    }

    /// Whether the program has the screen for itself.
    pub fn is_taken(&self) -> bool {
        self.terminal.lock().unwrap().screen().alternate_screen()
    }

    /// Whether the cursor is hidden.
    pub fn has_no_cursor(&self) -> bool {
        self.terminal.lock().unwrap().screen().hide_cursor()
    }

    /// Waits until all of these stand on the screen.
    pub fn shows(&self, words: &[&str], patience: Duration) {
        let mut last = String::new();
        let shown = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_for(&format!("{words:?} on the screen"), patience, || {
                last = self.screen();
                words.iter().all(|word| last.contains(word)).then_some(())
            });
        }));
        assert!(shown.is_ok(), "{words:?} are not on the screen:\n{last}");
    }

    /// Makes the terminal another size, as the corner of a window does.
    pub fn resize(&self, program: i32, (rows, columns): (u16, u16)) {
        let terminal = fs::read_link(format!("/proc/{program}/fd/0")).unwrap();
        self.terminal.lock().unwrap().screen_mut().set_size(some(rows), some(columns));
        let mut stty = Command::new("stty");
        stty.arg("-F").arg(terminal).args(["rows", &rows.to_string(), "cols", &columns.to_string()]);
        assert!(stty.status().unwrap().success());
    }

    /// The number of the program of this name that runs there.
    pub fn program(&self, name: &str) -> i32 {
        Snapshot::tree(i32::try_from(self.script.id()).unwrap()).named(name).unwrap()
    }

    /// Waits for the end of all that runs there.
    pub fn ended(&mut self, patience: Duration) -> ExitStatus {
        wait_for("the end of what runs in the terminal", patience, || self.script.try_wait().unwrap())
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        if let Ok(None) = self.script.try_wait() {
            let tree = Snapshot::tree(i32::try_from(self.script.id()).unwrap());
            let _ = self.script.kill();
            let _ = self.script.wait();
            tree.kill();
        }
    }
}

fn some(count: u16) -> NonZero<u16> {
    NonZero::new(count).unwrap()
}
