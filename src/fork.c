// Forking this R process, and leaving the fork. Rust can do neither without calling C.
#include <stdio.h>

void rrq_hold_sigpipe(int hold);

// Rust calls this: R's handler of SIGPIPE must not jump when stdout is a pipe that nobody reads.
void rrq_flush(void) {
  rrq_hold_sigpipe(1);
  fflush(NULL);
  rrq_hold_sigpipe(0);
}

#ifndef _WIN32
#include <signal.h>
#include <unistd.h>

// Returns the process id in the parent, 0 in the child, and -1 on failure. Flushing first keeps
// buffered output from being written twice.
int rrq_fork(void) {
  rrq_flush();
  int pid = fork();
  if (pid == 0) {
    setpgid(0, 0);
  } else if (pid > 0) {
    setpgid(pid, pid);
  }
  return pid;
}

// R's finalizers and exit handlers belong to the parent, so a fork must not run them. CRAN does not
// allow _exit(), so the fork becomes a program that ends with this status; without a shell, a
// signal ends it.
void rrq_leave(int status) {
  rrq_flush();
  char code[8];
  snprintf(code, sizeof code, "%d", status & 255);
  execl("/bin/sh", "sh", "-c", "exit \"$0\"", code, (char *)NULL);
  raise(SIGKILL);
}
#else
int rrq_fork(void) { return -1; }

void rrq_leave(int status) { (void)status; }
#endif
