// Runs a callback that calls into R, and comes back when R jumps away from it.
// R_UnwindProtect keeps the calling handlers on R's stack in place (R_tryEval would not), and the
// jump ends here, in C, so that it never crosses a frame of Rust.
#include <setjmp.h>
#include <Rinternals.h>

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
