/* Rows with something in every column, for tests of what copies, keeps, shows or sends a struct: as
 * the tables of the store say what there is (which store_columns_test holds against the structs), a
 * field that is added is in the sample too, and whoever forgets it is found out. */
#ifndef BANGER_TESTS_SAMPLE_H
#define BANGER_TESTS_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/store/column.h"

/* All there are. */
extern const struct table *const sample_tables[];
extern const size_t n_sample_tables;

/* Nothing of the zeroed row is at its default afterwards. Texts and labels tell their column,
 * numbers are small enough for any enum. What the row owns is sample_done's, or …_done's. */
void sample_fill(const struct table *t, void *row);
/* Gives one column another value, not its default, or of a flag the other. */
void sample_change(const struct column *c, void *row);
void sample_done(const struct table *t, void *row);
bool sample_is_default(const struct column *c, const void *row);
bool sample_same(const struct column *c, const void *a, const void *b);
/* Two rows own what is the same memory. */
bool sample_shares(const struct column *c, const void *a, const void *b);

#endif
