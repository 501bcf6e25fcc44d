// Forking this R process, and leaving it at once. Rust has neither without calling C.
#include <stdio.h>
#include <stdlib.h>

#ifndef _WIN32
#include <Rembedded.h>
#include <unistd.h>

// The process id in the parent, 0 in the child, -1 when there can be none. What was printed and not
// written yet must not be written twice.
int rrq_fork(void) {
  fflush(NULL);
  int pid = fork();
  if (pid == 0) {
    setpgid(0, 0);
    // The parent's folder is not ours: R makes us one of our own when tempdir(check = TRUE) finds
    // none here, and deletes only that one when it quits or crashes.
    static char none[] = "/nonexistent/rrq";
    R_TempDir = none;
  } else if (pid > 0) {
    setpgid(pid, pid);
  }
  return pid;
}

// Without R's finalizers, which are those of the parent.
void rrq_leave(int status) {
  fflush(NULL);
  _exit(status);
}
#else
int rrq_fork(void) { return -1; }

void rrq_leave(int status) {
  fflush(NULL);
  _Exit(status);
}
#endif

void rrq_flush(void) { fflush(NULL); }
