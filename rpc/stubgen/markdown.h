/* Comments as Markdown. */
#ifndef BANGER_RPC_STUBGEN_MARKDOWN_H
#define BANGER_RPC_STUBGEN_MARKDOWN_H

#include "rpc/stubgen/text.h"

/* A comment as paragraphs, with an empty line behind it; nothing for "". */
void markdown_paragraphs(struct text *t, const char *comment);
/* A comment on one line, fit for a cell of a table. */
void markdown_cell(struct text *t, const char *comment);
/* "#anchor" of a heading, as GitHub makes it. */
void markdown_anchor(struct text *t, const char *heading);

#endif
