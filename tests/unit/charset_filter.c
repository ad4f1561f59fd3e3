/* SPDX-License-Identifier: Apache-2.0 */
#include "base/reader.h"
#include "base/writer.h"
#include "dicom/charset.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * Conversions for charset_compare.py. On standard input, one after another: options (a byte), the Specific Character
 * Set (a byte of length, and it), the VR, the value (four bytes of length, and it). On standard output for each: how
 * much was replaced (four bytes), and the text (four bytes of length, and it). Numbers are big-endian.
 */

static struct span read_all(FILE *from)
{
	size_t cap = 1 << 20, len = 0;
	uint8_t *bytes = malloc(cap);
	while (bytes) {
		size_t n = fread(bytes + len, 1, cap - len, from);
		len += n;
		if (n == 0) {
			return span_of(bytes, len);
		}
		if (len == cap) {
			uint8_t *more = realloc(bytes, cap *= 2);
			if (!more) {
				free(bytes);
			}
			bytes = more;
		}
	}
	return span_of(NULL, 0);
}

static int convert(struct reader *r)
{
	uint8_t options, n;
	uint32_t len;
	struct span charset, vr, value;
	int err = reader_u8(r, &options);
	err = err ? err : reader_u8(r, &n);
	err = err ? err : reader_bytes(r, n, &charset);
	err = err ? err : reader_bytes(r, 2, &vr);
	err = err ? err : reader_u32be(r, &len);
	err = err ? err : reader_bytes(r, len, &value);
	if (err) {
		return err;
	}
	size_t cap = (size_t)len * 3 + 1;
	char *text = malloc(cap);
	if (!text) {
		return ERR_NO_MEMORY;
	}
	struct charset cs = charset_of(charset);
	struct charset_text done;
	charset_to_utf8(&cs, (const char *)vr.ptr, options, value, text, cap, &done);
	uint8_t head[8];
	struct writer w = writer_of(head, sizeof(head));
	writer_u32be(&w, done.replaced);
	writer_u32be(&w, (uint32_t)done.len);
	err = done.truncated || writer_end(&w) || fwrite(head, 1, sizeof(head), stdout) != sizeof(head) ||
	                      fwrite(text, 1, done.len, stdout) != done.len
	              ? ERR_SPACE
	              : 0;
	free(text);
	return err;
}

int main(void)
{
	struct span all = read_all(stdin);
	struct reader r = reader_of(all);
	int err = all.ptr ? 0 : ERR_NO_MEMORY;
	while (err == 0 && reader_left(&r) > 0) {
		err = convert(&r);
	}
	free((void *)all.ptr);
	return err || fflush(stdout) ? 1 : 0;
}
