/* What is in each database of the corpus: a row in every table, something in every column. */
#ifndef BANGER_TESTS_CORPUS_ROWS_H
#define BANGER_TESTS_CORPUS_ROWS_H

struct store_txn;

void corpus_put_rows(struct store_txn *txn);

#endif
