/* For check_test.c. */
#ifndef BANGER_TESTS_CHECK_ELSEWHERE_H
#define BANGER_TESTS_CHECK_ELSEWHERE_H

void fails_elsewhere(void);

#endif
