/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INSPECT_SEALED_H
#define INSPECT_SEALED_H

#include "base/attr.h"
#include "base/reader.h"

#include <string.h>

/* Does a Secure DICOM File begin so (PS3.15 D.1)? RFC 5652 3: a sequence, of which an identifier says that its content is signed or encrypted. */
static inline bool inspect_is_sealed(struct span s)
{
	static const char *const contents[] = {
		"\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x07\x02",         /* SignedData */
		"\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x07\x03",         /* EnvelopedData */
		"\x06\x0B\x2A\x86\x48\x86\xF7\x0D\x01\x09\x10\x01\x17", /* AuthEnvelopedData, RFC 5083 */
	};
	struct reader r = reader_of(s);
	uint8_t type = 0, length = 0;
	if (reader_u8(&r, &type) != 0 || type != 0x30 || reader_u8(&r, &length) != 0 ||
		(length > 0x80 && reader_skip(&r, length & 0x7Fu) != 0)) {
		return false;
	}
	for (size_t k = 0; k < ARRAY_LEN(contents); k++) {
		size_t n = strlen(contents[k]);
		if (s.len - r.pos >= n && memcmp(s.ptr + r.pos, contents[k], n) == 0) {
			return true;
		}
	}
	return false;
}

#endif
