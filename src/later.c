// Wakes the main thread through the event loop of the package later, from any thread.
#include <R_ext/Rdynload.h>
#include <Rinternals.h>
#include <stdint.h>

typedef void (*schedule_fn)(void (*)(void *), void *, double, int);
static schedule_fn schedule;
static SEXP woken;

// Only within rrq_protect(): it jumps if later, which must be loaded, does not have the function.
void rrq_later_find(SEXP callback) {
  schedule_fn found = (schedule_fn)R_GetCCallable("later", "execLaterNative2");
  if (woken)
    return;
  R_PreserveObject(callback);
  woken = callback;
  schedule = found;
}

static void call_woken(void *number) {
  SEXP call = PROTECT(Rf_lang2(woken, PROTECT(Rf_ScalarReal((double)(uintptr_t)number))));
  Rf_eval(call, R_GlobalEnv);
  UNPROTECT(2);
}

// later calls this on the main thread, from C++, which no error of R may cross.
static void on_woken(void *number) { R_ToplevelExec(call_woken, number); }

// Any thread may call this after rrq_later_find(): later documents that for its function.
void rrq_later_wake(uintptr_t number, int loop) { schedule(on_woken, (void *)number, 0, loop); }
