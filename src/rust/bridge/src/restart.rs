//! Replaces the R process of a spawned worker in place: it keeps its pid, so that the session that
//! spawned it still sees the process and its log.

use extendr_api::prelude::*;
use rrq_core::worker::Restart;

#[cfg(unix)]
pub use self::unix::{restart, resumed};

/// Where a process cannot be replaced, a worker leaves instead.
#[cfg(not(unix))]
pub fn restart(_arguments: &Robj, _scratch: &Robj) -> Option<Restart> {
    None
}

/// Where a process cannot be replaced, there is no registration to take over.
#[cfg(not(unix))]
pub fn resumed() -> Option<String> {
    None
}

#[cfg(unix)]
mod unix {
    use std::env;
    use std::os::unix::process::CommandExt;
    use std::process::{self, Command};
    use std::sync::Arc;

    use super::{Restart, Robj};
    use crate::convert::texts;
    use crate::protect::prepare_exec;

    /// Tells the new process, but no child of it, which registration to take over.
    const RESUME: &str = "RRQ_WORKER_RESUME";

    /// How to replace this process by one with the same command line, directory and environment.
    /// They are recorded now because tasks may change them. The temporary directory is deleted here
    /// because R does not get a chance to.
    pub fn restart(arguments: &Robj, scratch: &Robj) -> Option<Restart> {
        let (program, folder) = (env::current_exe().ok()?, env::current_dir().ok()?);
        let variables: Vec<_> = env::vars_os().filter(|(name, _)| name != RESUME).collect();
        let (arguments, scratch) = (texts(arguments), texts(scratch));
        let start = move |handover: &str| {
            for path in &scratch {
                let _ = std::fs::remove_dir_all(path);
            }
            let mut command = Command::new(&program);
            if let Some((name, rest)) = arguments.split_first() {
                command.arg0(name).args(rest);
            }
            command.env_clear().envs(variables.iter().map(|(name, value)| (name, value)));
            command.env(RESUME, format!("{}:{handover}", process::id())).current_dir(&folder);
            prepare_exec();
            command.exec()
        };
        Some(Restart(Arc::new(start)))
    }

    /// What this process takes over from the one it replaces.
    pub fn resumed() -> Option<String> {
        let variable = env::var(RESUME).ok()?;
        let (pid, handover) = variable.split_once(':')?;
        (pid.parse() == Ok(process::id())).then(|| handover.to_owned())
    }
}
