/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_ARMOR_H
#define AUDIT_ARMOR_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"
#include "base/writer.h"

/* Bytes in lines of text: base64 (RFC 4648 4) in its one canonical form, hex, and decimal numbers; and lines themselves. */

#define ARMOR_LEN(n) (((n) + 2) / 3 * 4)

void armor_write(struct writer *w, struct span bytes);
void armor_write_hex(struct writer *w, struct span bytes);
void armor_write_number(struct writer *w, uint64_t n);
void armor_write_text(struct writer *w, const char *text);

/* ERR_VALUE: not base64, bits left over that are not 0; ERR_SPACE: longer than cap. */
MUST_USE int armor_read(struct span text, uint8_t *buf, size_t cap, size_t *ret_len);
/* Exactly len bytes: ERR_LENGTH otherwise. */
MUST_USE int armor_read_exactly(struct span text, uint8_t *buf, size_t len);
MUST_USE int armor_read_hex(struct span text, uint8_t *buf, size_t len);
/* Without a leading zero, below 2^63. ERR_VALUE. */
MUST_USE int armor_read_number(struct span text, uint64_t *ret_n);

/* The next line, without its newline, which must be there. ERR_TRUNCATED. */
MUST_USE int armor_line(struct span *rest, struct span *ret_line);

/* The rest of a line after `word` and a space. False: it begins otherwise. */
bool armor_after(struct span line, const char *word, struct span *ret_rest);

#endif
