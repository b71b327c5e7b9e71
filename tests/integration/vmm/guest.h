/* Makes an initramfs for a conformance guest: /init and what it is to do. */
#ifndef BANGER_TESTS_VMM_GUEST_H
#define BANGER_TESTS_VMM_GUEST_H

/* 0, or -1 with the reason on stderr. mode: stay, off, reset or panic. */
int guest_write_initramfs(const char *path, const char *mode);
/* vmlinux to test with: that of the folder BANGER_TEST_ASSETS; NULL without. */
const char *guest_kernel(void);

#endif
