//! A terminal, and somebody who sits at it.

use std::fs::File;
use std::io::{Read, Write};
use std::process::Child;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::cli::{Cli, Run};

/// A program that runs at a terminal.
pub struct Terminal {
    person: File,
    program: Child,
    /// What is to be read on the screen.
    pub screen: String,
}

impl Terminal {
    /// Starts it there.
    pub fn run(cli: Cli) -> Self {
        Self::run_with(cli, true, true)
    }

    /// Starts it with only one end there.
    pub fn run_with(cli: Cli, stdin: bool, stdout: bool) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let person = openpt(flags).expect("a pseudo-terminal");
        grantpt(&person).expect("granted");
        unlockpt(&person).expect("unlocked");
        let name = ptsname(&person, vec![]).expect("a name");
        let flags = OFlags::RDWR | OFlags::NOCTTY;
        let end = rustix::fs::open(name, flags, Mode::empty()).expect("its other end");
        Self {
            person: person.into(),
            program: cli.start_at(&end.into(), stdin, stdout),
            screen: String::new(),
        }
    }

    /// Waits until something is on the screen.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
        while !self.screen.contains(text) {
            assert!(self.read(), "it ended without `{text}`: {}", self.screen);
        }
    }

    /// Types, and waits for the end.
    pub fn answer(mut self, keys: &str) -> Run {
        self.person.write_all(keys.as_bytes()).expect("typed");
        self.end()
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        let process = self.program.id().to_string();
        let mut kill = std::process::Command::new("kill");
        let sent = kill.args([name, &process]).status().expect("kill");
        assert!(sent.success());
    }

    /// Waits for the end.
    pub fn end(mut self) -> Run {
        while self.read() {}
        let output = self.program.wait_with_output().expect("an end");
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: self.screen + &String::from_utf8_lossy(&output.stdout),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Reads what there is; false if nobody has the other end any more.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 4096];
        match self.person.read(&mut buffer) {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.screen += &String::from_utf8_lossy(&buffer[..count]);
                true
            }
        }
    }
}
