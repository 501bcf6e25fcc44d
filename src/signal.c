// Signal handling. Windows has no such signals.
#ifdef _WIN32
void rrq_end_on_term(void) {}

void rrq_heed_interrupts(void) {}

void rrq_hold_signals(int hold) { (void)hold; }

void rrq_hold_sigpipe(int hold) { (void)hold; }

void rrq_release_signals(void) {}

void rrq_block_signals(int block) { (void)block; }
#else
#include <signal.h>
#include <unistd.h>

void rrq_set_interrupt_pending(int pending);

static void on_interrupt(int number) {
  (void)number;
  rrq_set_interrupt_pending(1);
}

// Background jobs of shells start with SIGINT ignored, and recent versions of R leave it so. But the
// engine interrupts tasks by that signal.
void rrq_heed_interrupts(void) {
  struct sigaction action;
  if (sigaction(SIGINT, NULL, &action) == 0 && action.sa_handler == SIG_IGN) {
    action.sa_handler = on_interrupt;
    action.sa_flags = SA_RESTART;
    sigaction(SIGINT, &action, NULL);
  }
}

static pid_t owner;
static volatile sig_atomic_t was_asked;

// SIGTERM as Ctrl-C: R then leaves what it does, and the worker its queue.
// A forked child is ended as ever, and so is one that does not heed the first of them.
static void on_term(int number) {
  if (getpid() == owner && !was_asked) {
    was_asked = 1;
    kill(owner, SIGINT);
  } else {
    signal(number, SIG_DFL);
    raise(number);
  }
}

void rrq_end_on_term(void) {
  owner = getpid();
  signal(SIGTERM, on_term);
}

// Of signals that only tell something: that a child has ended, a timer, that the terminal changed.
void rrq_hold_signals(int hold) {
  sigset_t held;
  sigemptyset(&held);
  sigaddset(&held, SIGCHLD);
  sigaddset(&held, SIGALRM);
  sigaddset(&held, SIGPROF);
  sigaddset(&held, SIGWINCH);
  pthread_sigmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &held, NULL);
}

static _Thread_local int n_holds, was_blocked;

// SIGPIPE must be blocked.
static void discard_sigpipe(void) {
  sigset_t pending, set;
  sigpending(&pending);
  if (!sigismember(&pending, SIGPIPE))
    return;
  int number;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  sigwait(&set, &number);
}

// Discards the SIGPIPE that a write of this thread raised while it was blocked. Calls may be nested.
void rrq_hold_sigpipe(int hold) {
  sigset_t set, other;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  if (hold) {
    if (n_holds++ > 0)
      return;
    pthread_sigmask(SIG_BLOCK, &set, &other);
    was_blocked = sigismember(&other, SIGPIPE);
    return;
  }
  if (--n_holds > 0 || was_blocked)
    return;
  discard_sigpipe();
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

// A thread that is started meanwhile inherits the mask. R's handlers must not run in it: while R
// sleeps or waits for input, its handler of SIGINT jumps back to where that began, on the stack of the
// main thread, and both threads would then run R on that stack.
void rrq_block_signals(int block) {
  static _Thread_local sigset_t before;
  if (!block) {
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return;
  }
  sigset_t set;
  sigfillset(&set);
  sigdelset(&set, SIGSEGV);
  sigdelset(&set, SIGBUS);
  sigdelset(&set, SIGFPE);
  sigdelset(&set, SIGILL);
  pthread_sigmask(SIG_BLOCK, &set, &before);
}

// Just before an exec: the next program would inherit what this thread blocks, and a pending SIGPIPE.
void rrq_release_signals(void) {
  discard_sigpipe();
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, NULL);
}
#endif
