// Whether the state of this process, which R code can change, is the one that was last marked. This is
// asked after every task, so it compares addresses: R and the C library put a new value at a new
// address, and R/worker-reset.R keeps the old values, so that theirs are not used again.
#include <stdlib.h>
#include <string.h>
#include <Rinternals.h>
#ifdef _WIN32
#include <direct.h>
#define getcwd _getcwd
#define ENVIRONMENT _environ
#elif defined(__APPLE__)
#include <crt_externs.h>
#include <unistd.h>
#define ENVIRONMENT (*_NSGetEnviron())
#else
#include <unistd.h>
extern char **environ;
#define ENVIRONMENT environ
#endif

#define MAX_PATH_SIZE 4096

static struct {
  int is_marked;
  int n_options, n_variables; // how many addresses
  const void **addresses;     // first those of options, then those of environment variables
  SEXP options;               // .Options, a pairlist whose first cell stays
  R_xlen_t n_globals;
  char directory[MAX_PATH_SIZE];
} marked;

static void current_directory(char *path) {
  if (!getcwd(path, MAX_PATH_SIZE))
    path[0] = '\0';
}

// May jump.
void rrq_mark_state(void) {
  marked.is_marked = 0;
  marked.options = Rf_eval(Rf_install(".Options"), R_BaseEnv);
  int n_options = Rf_length(marked.options), n_variables = 0;
  while (ENVIRONMENT && ENVIRONMENT[n_variables])
    n_variables++;
  free(marked.addresses);
  marked.addresses = malloc((size_t)(n_options + n_variables) * sizeof(void *));
  if (!marked.addresses)
    return;
  const void **next = marked.addresses;
  for (SEXP cell = marked.options; cell != R_NilValue; cell = CDR(cell))
    *next++ = CAR(cell);
  for (int i = 0; i < n_variables; i++)
    *next++ = ENVIRONMENT[i];
  marked.n_options = n_options;
  marked.n_variables = n_variables;
  marked.n_globals = Rf_xlength(R_GlobalEnv);
  current_directory(marked.directory);
  marked.is_marked = 1;
}

static int options_changed(void) {
  int i = 0;
  for (SEXP cell = marked.options; cell != R_NilValue; cell = CDR(cell))
    if (i == marked.n_options || CAR(cell) != marked.addresses[i++])
      return 1;
  return i != marked.n_options;
}

static int variables_changed(void) {
  const void **known = marked.addresses + marked.n_options;
  int i = 0;
  for (; ENVIRONMENT && ENVIRONMENT[i]; i++)
    if (i == marked.n_variables || ENVIRONMENT[i] != known[i])
      return 1;
  return i != marked.n_variables;
}

static int directory_changed(void) {
  char path[MAX_PATH_SIZE];
  current_directory(path);
  return strcmp(path, marked.directory) != 0;
}

// Without a mark nothing has changed.
int rrq_state_changed(void) {
  return marked.is_marked &&
         (options_changed() || variables_changed() || Rf_xlength(R_GlobalEnv) != marked.n_globals ||
          directory_changed());
}
