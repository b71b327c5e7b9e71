/* Identifiers: 16 characters of lower-case base 32 without look-alikes (0-9 a-z less i l o u), 80
 * random bits. Short enough to be part of every derived name, long enough never to collide. */
#ifndef BANGER_BASE_ID_H
#define BANGER_BASE_ID_H

#include <stdbool.h>

enum { ID_CHARS = 16, ID_BYTES = ID_CHARS + 1 };

/* Fills id with a fresh identifier. The kernel's random source cannot fail once seeded. */
void id_make(char id[ID_BYTES]);
/* True for 1 to ID_CHARS characters of the alphabet. */
bool id_is_prefix(const char *s);
bool id_is_valid(const char *s);

/* True for a DNS label (RFC 1123): 1-63 of a-z 0-9 -, starting and ending with a letter or digit.
 */
bool name_is_valid(const char *s);

#endif
