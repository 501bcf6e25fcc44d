// Loads the Rust half. R calls R_init_rrq(), which hands over to extendr.
#include <R_ext/Visibility.h>

void R_init_rrq_extendr(void *dll);
void register_extendr_panic_hook(void);
void rrq_on_load(void);
#ifdef RRQ_CLOUD
void rrq_register_cloud(void);
#endif

void attribute_visible R_init_rrq(void *dll) {
  register_extendr_panic_hook();
  rrq_on_load();
#ifdef RRQ_CLOUD
  rrq_register_cloud();
#endif
  R_init_rrq_extendr(dll);
}
