//! A running program: its output as a reader that ends well only when the program does, and its certain end.

use std::io;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Child;
use std::process::ChildStderr;
use std::process::ChildStdout;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::Timespec;
use rustix::event::poll;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::WaitId;
use rustix::process::WaitIdOptions;
use rustix::process::kill_process_group;
use rustix::process::waitid;

use super::tail::Tail;
use crate::base::cancel::Cancel;
use crate::base::cancel::Interrupted;
use crate::base::limits;

/// How long one wait lasts before the cancel flag and the clock are asked again.
const TICK: Duration = Duration::from_millis(50);

const GRACE: Duration = Duration::from_millis(limits::COMMAND_GRACE_MILLIS);

/// Why the output of a program is not what was asked for.
#[derive(Debug, thiserror::Error)]
pub(in crate::source) enum Failure {
    #[error("it ended with exit code {0}")]
    Code(i32),
    #[error("it was ended by signal {0}{name}", name = signal_name(*.0))]
    Signal(i32),
    #[error("it did not end within {} seconds", .0.as_secs_f64())]
    Timeout(Duration),
    #[error("it closed its output, but did not end within {} more seconds", .0.as_secs_f64())]
    Lingers(Duration),
    #[error(
        "it ended, but a process that it started keeps its output open: whether that one succeeds would stay unknown"
    )]
    LeftWriter,
    #[error("it wrote nothing")]
    Empty,
    #[error("its output could not be read: {0}")]
    Pipe(#[from] io::Error),
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// The limits of one run.
pub(in crate::source) struct Bounds {
    /// From start to end.
    pub(in crate::source) timeout: Option<Duration>,
    /// How long the program may outlive its output, and its output the program.
    pub(in crate::source) linger: Duration,
    /// Whether no output at all is success.
    pub(in crate::source) allow_empty: bool,
}

/// Reads the standard output of a program.
///
/// The end of the output is given only after the program has ended with exit code 0; everything else is an error, which
/// [`Output::failure`] then holds. Whatever happens, the program is gone when this value is. So is its process group, unless the program
/// succeeded: what such a one leaves running, without its output, it leaves on purpose, as a shell does that is not asked to wait.
pub(in crate::source) struct Output<'a> {
    child: Child,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    cancel: &'a Cancel,
    bounds: Bounds,
    begun: Instant,
    ended: Option<Instant>,
    bytes: u64,
    bytes_after_end: u64,
    is_reaped: bool,
    is_whole: bool,
    /// The end of what the program said.
    pub(in crate::source) said: Tail,
    /// Why reading failed.
    pub(in crate::source) failure: Option<Failure>,
}

impl<'a> Output<'a> {
    /// Starts the program in a process group of its own.
    pub(in crate::source) fn start(command: Command, bounds: Bounds, cancel: &'a Cancel) -> io::Result<Self> {
        Self::start_with(command, Stdio::null(), bounds, cancel)
    }

    /// As [`start`](Self::start), with something to read for the program.
    pub(in crate::source) fn start_with(
        mut command: Command,
        input: Stdio,
        bounds: Bounds,
        cancel: &'a Cancel,
    ) -> io::Result<Self> {
        let mut child = command
            .process_group(0)
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        Ok(Self {
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            child,
            cancel,
            bounds,
            begun: Instant::now(),
            ended: None,
            bytes: 0,
            bytes_after_end: 0,
            is_reaped: false,
            is_whole: false,
            said: Tail::new(limits::COMMAND_STDERR_BYTES),
            failure: None,
        })
    }

    /// Whether the output was read to its end and the program succeeded.
    pub(in crate::source) fn is_whole(&self) -> bool {
        self.is_whole
    }

    fn step(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        loop {
            self.check_bounds()?;
            // Asked before reading: what comes out of the pipe later than this was in it, or has another writer.
            let has_ended = self.has_ended()?;
            if self.wait_for_output(TICK)? {
                return self.read_once(buffer, has_ended);
            }
            if self.ended.is_some_and(|ended| ended.elapsed() > self.bounds.linger) {
                return Err(Failure::LeftWriter);
            }
        }
    }

    fn read_once(&mut self, buffer: &mut [u8], has_ended: bool) -> Result<usize, Failure> {
        let stdout = self.stdout.as_mut().expect("open until its end");
        let count = loop {
            match stdout.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.bytes += count as u64;
        if count == 0 {
            self.finish()?;
        } else if has_ended {
            self.bytes_after_end += count as u64;
            if self.bytes_after_end > limits::COMMAND_PIPE_BYTES_MAX {
                return Err(Failure::LeftWriter);
            }
        }
        Ok(count)
    }

    fn check_bounds(&self) -> Result<(), Failure> {
        self.cancel.check()?;
        match self.bounds.timeout {
            Some(timeout) if self.begun.elapsed() > timeout => Err(Failure::Timeout(timeout)),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the program has ended. It stays unreaped, so that its process group id stays its own.
    fn has_ended(&mut self) -> io::Result<bool> {
        if self.ended.is_none() {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            let status = waitid(WaitId::Pid(Pid::from_child(&self.child)), options)?;
            self.ended = status.map(|_| Instant::now());
        }
        Ok(self.ended.is_some())
    }

    /// Waits until there is output or its end, and keeps what is said meanwhile.
    fn wait_for_output(&mut self, most: Duration) -> io::Result<bool> {
        let [output_ready, said_ready] = ready(self.stdout.as_ref(), self.stderr.as_ref(), most)?;
        if said_ready {
            self.listen()?;
        }
        Ok(output_ready)
    }

    /// Reads standard error once; called only when that does not block.
    fn listen(&mut self) -> io::Result<()> {
        let Some(stderr) = &mut self.stderr else { return Ok(()) };
        let mut buffer = [0; 8192];
        match stderr.read(&mut buffer) {
            Ok(0) => self.stderr = None,
            Ok(count) => self.said.push(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The output has ended: waits for the program, and says whether it succeeded.
    fn finish(&mut self) -> Result<(), Failure> {
        self.stdout = None;
        let closed = Instant::now();
        let mut pause = Duration::from_millis(1);
        while !self.has_ended()? {
            self.check_bounds()?;
            if closed.elapsed() > self.bounds.linger {
                return Err(Failure::Lingers(self.bounds.linger));
            }
            self.listen_or_sleep(pause)?;
            pause = (pause * 2).min(TICK);
        }
        // Others may hold standard error open: what is there is taken, its end is not waited for.
        while self.stderr.is_some() && ready(None, self.stderr.as_ref(), Duration::ZERO)?[1] {
            self.listen()?;
        }
        check_status(self.exit_status()?)?;
        if self.bytes == 0 && !self.bounds.allow_empty {
            return Err(Failure::Empty);
        }
        let _status = self.child.wait()?;
        self.is_reaped = true;
        self.is_whole = true;
        Ok(())
    }

    fn listen_or_sleep(&mut self, pause: Duration) -> io::Result<()> {
        if self.stderr.is_none() {
            thread::sleep(pause);
            return Ok(());
        }
        let _no_output = self.wait_for_output(pause)?;
        Ok(())
    }

    /// The status of the ended program, which stays unreaped.
    fn exit_status(&self) -> io::Result<ExitStatus> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(Pid::from_child(&self.child)), options)?;
        let status = status.ok_or(io::ErrorKind::NotFound)?;
        let raw = match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => (code & 0xff) << 8,
            (None, Some(signal)) => signal,
            (None, None) => return Err(io::Error::other("its status is of no known form")),
        };
        Ok(ExitStatus::from_raw(raw))
    }

    /// Ends the whole process group, gently and then for certain, and reaps the program. Not after it was reaped: the number of its group
    /// may be another's by then.
    fn terminate(&mut self) {
        if self.is_reaped {
            return;
        }
        // A program that is blocked on a full pipe hears of the end this way.
        self.stdout = None;
        let group = Pid::from_child(&self.child);
        // Errors mean that nobody is left in the group.
        let _gone = kill_process_group(group, Signal::TERM);
        self.wait_for_end(GRACE);
        let _gone = kill_process_group(group, Signal::KILL);
        self.wait_for_end(GRACE);
        // A process that hangs in the kernel cannot be reaped now; waiting for it would hang this program as well.
        self.is_reaped = self.ended.is_some() && self.child.wait().is_ok();
    }

    fn wait_for_end(&mut self, most: Duration) {
        let begun = Instant::now();
        let mut pause = Duration::from_millis(1);
        while !self.has_ended().unwrap_or(true) && begun.elapsed() < most {
            // Nobody reads what is said any more, but a full pipe must not keep the program from ending.
            if self.listen_or_sleep(pause).is_err() {
                self.stderr = None;
            }
            pause = (pause * 2).min(TICK);
        }
    }
}

impl Read for Output<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_whole || buffer.is_empty() {
            return Ok(0);
        }
        if self.failure.is_some() {
            return Err(io::Error::other("the program has failed"));
        }
        self.step(buffer).map_err(|failure| {
            self.terminate();
            let error = io::Error::other(failure.to_string());
            self.failure = Some(failure);
            error
        })
    }
}

impl Drop for Output<'_> {
    fn drop(&mut self) {
        self.terminate();
    }
}

fn check_status(status: ExitStatus) -> Result<(), Failure> {
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(Failure::Code(code)),
        (None, signal) => Err(Failure::Signal(signal.unwrap_or_default())),
    }
}

/// Which of the two pipes can be read without blocking, waiting `most` for the first of them.
fn ready(first: Option<&ChildStdout>, second: Option<&ChildStderr>, most: Duration) -> io::Result<[bool; 2]> {
    let mut polled = Vec::with_capacity(2);
    polled.extend(first.map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)));
    polled.extend(second.map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)));
    let most = Timespec::try_from(most).expect("a tick is short");
    match poll(&mut polled, Some(&most)) {
        Ok(_) => {}
        Err(rustix::io::Errno::INTR) => return Ok([false; 2]),
        Err(error) => return Err(error.into()),
    }
    let mut answers = polled.iter().map(|pipe| !pipe.revents().is_empty());
    Ok([
        first.is_some() && answers.next().unwrap_or_default(),
        second.is_some() && answers.next().unwrap_or_default(),
    ])
}

fn signal_name(number: i32) -> &'static str {
    match Signal::from_named_raw(number) {
        Some(Signal::KILL) => " (SIGKILL: killed, perhaps for want of memory)",
        Some(Signal::TERM) => " (SIGTERM)",
        Some(Signal::INT) => " (SIGINT)",
        Some(Signal::HUP) => " (SIGHUP)",
        Some(Signal::PIPE) => " (SIGPIPE)",
        Some(Signal::SEGV) => " (SIGSEGV)",
        Some(Signal::ABORT) => " (SIGABRT)",
        Some(_) | None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str) -> (Vec<u8>, Option<Failure>, Duration) {
        let cancel = Cancel::new();
        let bounds = Bounds {
            timeout: None,
            linger: Duration::from_millis(300),
            allow_empty: false,
        };
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let mut output = Output::start(command, bounds, &cancel).expect("a shell is installed");
        let mut bytes = Vec::new();
        let begun = Instant::now();
        let read = output.read_to_end(&mut bytes);
        assert_eq!(read.is_ok(), output.is_whole());
        (bytes, output.failure.take(), begun.elapsed())
    }

    #[test]
    fn output_closed_and_no_end() {
        let (_, failure, _) = run("echo x; exec >&-; sleep 30");
        assert!(matches!(failure, Some(Failure::Lingers(_))), "{failure:?}");
    }

    #[test]
    fn output_closed_before_the_end_is_fine_when_the_end_comes() {
        let (bytes, failure, _) = run("echo x; exec >&-; sleep 0.1; exit 0");
        assert!(failure.is_none() && bytes == b"x\n", "{failure:?}");
        let (_, failure, _) = run("echo x; exec >&-; sleep 0.1; exit 9");
        assert!(matches!(failure, Some(Failure::Code(9))), "{failure:?}");
    }

    #[test]
    fn output_kept_open_by_another() {
        let (_, failure, _) = run("sleep 30 & echo x");
        assert!(matches!(failure, Some(Failure::LeftWriter)), "{failure:?}");
        let (_, failure, took) = run("yes & exit 0");
        assert!(matches!(failure, Some(Failure::LeftWriter)), "{failure:?}");
        assert!(took < Duration::from_secs(10), "{took:?}");
    }

    /// Whether the process still runs some moments from now; one that ended may wait to be reaped.
    fn goes_on(pid: &[u8]) -> bool {
        let stat = format!("/proc/{}/stat", String::from_utf8_lossy(pid).trim());
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(1) {
            thread::sleep(TICK);
            match std::fs::read_to_string(&stat) {
                Ok(line) if !line.contains(") Z ") => {}
                Ok(_) | Err(_) => return false,
            }
        }
        true
    }

    #[test]
    fn what_a_program_leaves_behind_goes_on_only_when_it_succeeded() {
        let (pid, failure, _) = run("sleep 60 >&- 2>&- & echo $!");
        assert!(failure.is_none(), "{failure:?}");
        assert!(goes_on(&pid));
        let number: i32 = String::from_utf8_lossy(&pid).trim().parse().expect("a number");
        rustix::process::kill_process(Pid::from_raw(number).expect("not 0"), Signal::KILL).expect("it runs");

        let (pid, failure, _) = run("sleep 60 >&- 2>&- & echo $!; exit 9");
        assert!(matches!(failure, Some(Failure::Code(9))), "{failure:?}");
        assert!(!goes_on(&pid));
    }

    #[test]
    fn standard_error_kept_open_by_another_does_not_matter() {
        let (bytes, failure, took) = run("sleep 3 >&- & echo x");
        assert!(failure.is_none() && bytes == b"x\n", "{failure:?}");
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
}
