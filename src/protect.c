// Calls into R that depend on its version or need C.
#include <setjmp.h>
#include <stdint.h>
#include <time.h>
#include <R_ext/Print.h>
#include <Rinternals.h>
#include <Rversion.h>
#include <R_ext/GraphicsEngine.h> // declares R_interrupts_pending

// Runs a callback that calls into R, and comes back when R jumps away from it.
// R_UnwindProtect keeps the calling handlers on R's stack in place (R_tryEval would not), and the
// jump ends here, in C, so that it never crosses a frame of Rust.
static void leave(void *target, Rboolean jump) {
  if (jump)
    longjmp(*(jmp_buf *)target, 1);
}

SEXP rrq_protect(SEXP (*callback)(void *), void *data, int *jumped) {
  jmp_buf target;
  SEXP token = PROTECT(R_MakeUnwindCont());
  if (setjmp(target)) {
    *jumped = 1;
    UNPROTECT(1);
    return R_NilValue;
  }
  *jumped = 0;
  SEXP result = R_UnwindProtect(callback, data, leave, &target, token);
  UNPROTECT(1);
  return result;
}

// R 4.5 has ANY_ATTRIB() for packages and takes ATTRIB() out of its API.
int rrq_has_attributes(SEXP value) {
#if R_VERSION >= R_Version(4, 5, 0)
  return ANY_ATTRIB(value) != 0;
#else
  return ATTRIB(value) != R_NilValue;
#endif
}

// Any thread may call this. R's signal handler writes the int; a stale value is corrected by the next call.
int rrq_interrupt_pending(void) { return *(volatile int *)&R_interrupts_pending; }

// Only the main thread may call this.
void rrq_set_interrupt_pending(int pending) { R_interrupts_pending = pending; }

// R's output, which sink() may divert. May jump.
void rrq_print(const char *text, int size) { Rprintf("%.*s", size, text); }

// Returns how many bytes it wrote.
int rrq_local_time(int64_t seconds, char *text, int size) {
  time_t time = (time_t)seconds;
  struct tm *parts = localtime(&time);
  return parts ? (int)strftime(text, (size_t)size, "%Y-%m-%d %H:%M:%S", parts) : 0;
}
