// What the standard library of Rust cannot do to this process without unsafe code.
#ifndef _WIN32
#include <fcntl.h>
#include <unistd.h>
#endif

// No open file but stdin, stdout and stderr outlives the next exec. R opens files without that flag.
void rrq_close_on_exec(void) {
#ifndef _WIN32
  long n = sysconf(_SC_OPEN_MAX);
  if (n < 0 || n > 65536)
    n = 65536;
  for (int fd = 3; fd < n; fd++) {
    int flags = fcntl(fd, F_GETFD);
    if (flags >= 0)
      fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
  }
#endif
}
