//! An `Evaluate` that plays user code: a closure decides how each task ends.

use rrq_core::message::Message;
use rrq_core::status::Status;
use rrq_core::store::Reader;
use rrq_core::task::Isolation;
use rrq_core::worker::{
    Answer, Effect, Evaluate, Evaluation, Fetch, Idle, Launcher, Printed, Task,
};

type Play = Box<dyn FnMut(&Task) -> Evaluation + Send>;

/// Plays tasks and answers messages, and remembers what it did.
pub struct Actor {
    play: Play,
    /// Payloads of tasks and commands of messages, in the order they came.
    pub done: Vec<String>,
    /// The shared objects that tasks brought.
    pub objects: Vec<Vec<u8>>,
    /// The shell script that stands in for the server of isolated tasks, or for their processes.
    pub server: String,
    /// Whether that script is a fork server.
    pub forks: bool,
}

impl Actor {
    /// Every task ends as the closure says.
    pub fn new(play: impl FnMut(&Task) -> Evaluation + Send + 'static) -> Self {
        let server = "exit 1".to_owned();
        Actor { play: Box::new(play), done: Vec::new(), objects: Vec::new(), server, forks: true }
    }

    /// Every task completes with its payload as its value.
    pub fn echo() -> Self {
        Actor::new(|task| complete(payload(task)))
    }

    /// Every task takes this long.
    pub fn slow(pause: std::time::Duration) -> Self {
        Actor::new(move |task| {
            std::thread::sleep(pause);
            complete(payload(task))
        })
    }
}

fn payload(task: &Task) -> &[u8] {
    &task.body.payload
}

fn evaluation(status: Status, value: &[u8]) -> Evaluation {
    Evaluation::new(status, value.to_vec())
}

/// Ends well.
pub fn complete(value: impl AsRef<[u8]>) -> Evaluation {
    evaluation(Status::Complete, value.as_ref())
}

/// Ends with an error.
pub fn failed(value: impl AsRef<[u8]>) -> Evaluation {
    evaluation(Status::Error, value.as_ref())
}

impl Evaluate for Actor {
    fn evaluate(&mut self, task: &Task, fetch: &mut dyn Fetch) -> Evaluation {
        self.done.push(String::from_utf8_lossy(payload(task)).into_owned());
        for hash in task.body.objects() {
            match fetch.object(hash).and_then(Reader::read_all) {
                Ok(object) => self.objects.push(object),
                Err(error) => return failed(error.to_string()),
            }
        }
        (self.play)(task)
    }

    fn launcher(&self, _isolation: Isolation) -> Option<Launcher> {
        let args = vec!["-c".to_owned(), self.server.clone()];
        Some(Launcher { forks: self.forks, program: "/bin/sh".into(), args, env: Vec::new() })
    }

    fn ended(&mut self, _task: &Task, status: Status, reason: &str) -> Evaluation {
        evaluation(status, reason.as_bytes())
    }

    fn answer(&mut self, message: &Message, _idle: Idle) -> Answer {
        self.done.push(message.command.clone());
        let effect = match message.command.as_str() {
            "REFRESH" => Effect::Refresh,
            "PAUSE" => Effect::Pause,
            "RESUME" => Effect::Resume,
            "STOP" => Effect::Stop("told to stop".into()),
            "IDLE" => Effect::TimeoutIdle(0.0),
            _ => Effect::None,
        };
        let value = [message.command.as_bytes(), b"!"].concat();
        Answer { value, effect }
    }

    fn print_log(&mut self, _lines: &[Printed]) {}
}
