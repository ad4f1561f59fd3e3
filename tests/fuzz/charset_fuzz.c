/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit/safe_text.h"

#include "dicom/charset.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good) {
		abort();
	}
}

/* Convert into an allocation of exactly cap bytes, and see that the text is what the header promises. */
static char *convert(const struct charset *cs, const char *vr, unsigned options, struct span value,
	size_t cap, struct charset_text *ret)
{
	char *to = malloc(cap ? cap : 1);
	unsigned replacements;
	require(to);
	to[0] = 'x';
	charset_to_utf8(cs, vr, options, value, to, cap, ret);
	require(cap == 0 ? ret->len == 0 && to[0] == 'x' : ret->len < cap && to[ret->len] == 0);
	bool lines = (options & CHARSET_LINES) && strchr("LSU", vr[0]) && vr[1] == 'T';
	require(safe_text(to, ret->len, lines, &replacements));
	require(ret->replaced <= replacements); /* the value may have a U+FFFD of its own */
	return to;
}

/* The options, the VR and the size of the buffer in three bytes; the Specific Character Set up to a NUL; the value. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char vrs[][3] = {"PN", "LO", "LT", "SH", "ST", "UC", "UT", "UI"};
	if (size < 3) {
		return 0;
	}
	unsigned options = data[0] & 3;
	const char *vr = vrs[data[1] % ARRAY_LEN(vrs)];
	size_t cap = data[2];
	const uint8_t *rest = data + 3, *nul = memchr(rest, 0, size - 3);
	size_t len = nul ? (size_t)(nul - rest) : size - 3;
	struct span value = nul ? span_of(nul + 1, size - 3 - len - 1) : span_of(rest, 0);
	struct charset cs = charset_of(span_of(rest, len));

	/* No byte becomes more than the three of U+FFFD: with room for them nothing is cut. */
	struct charset_text whole, part;
	char *all = convert(&cs, vr, options, value, value.len * 3 + 1, &whole);
	require(!whole.truncated);
	char *some = convert(&cs, vr, options, value, cap, &part);
	/* What is cut is a beginning of the whole, as long as it can be. */
	require(part.len <= whole.len && memcmp(all, some, part.len) == 0);
	require(part.truncated == (cap == 0 ? whole.len > 0 : part.len < whole.len));
	require(!part.truncated || cap == 0 || cap - 1 - part.len < 4);
	/* A text that was converted is in UTF-8, and is what it is converted to. */
	struct charset utf8 = charset_of(span_str("ISO_IR 192"));
	struct charset_text again;
	char *same = convert(&utf8, "LT", CHARSET_LINES, span_of(all, whole.len), whole.len * 3 + 1, &again);
	while (whole.len > 0 && all[whole.len - 1] == ' ') {
		whole.len--; /* spaces at the end that were not there before, such as a new line's */
	}
	require(again.replaced == 0 && again.len == whole.len && memcmp(all, same, whole.len) == 0);
	free(all);
	free(some);
	free(same);
	return 0;
}
