/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/armor.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void armor_write(struct writer *w, struct span bytes)
{
	for (size_t i = 0; i < bytes.len; i += 3) {
		size_t left = bytes.len - i;
		uint32_t v = (uint32_t)bytes.ptr[i] << 16;
		v |= left > 1 ? (uint32_t)bytes.ptr[i + 1] << 8 : 0;
		v |= left > 2 ? bytes.ptr[i + 2] : 0;
		const char quad[4] = {alphabet[v >> 18], alphabet[(v >> 12) & 63],
			left > 1 ? alphabet[(v >> 6) & 63] : '=', left > 2 ? alphabet[v & 63] : '='};
		writer_bytes(w, quad, sizeof(quad));
	}
}

void armor_write_hex(struct writer *w, struct span bytes)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < bytes.len; i++) {
		const char pair[2] = {digits[bytes.ptr[i] >> 4], digits[bytes.ptr[i] & 15]};
		writer_bytes(w, pair, sizeof(pair));
	}
}

void armor_write_number(struct writer *w, uint64_t n)
{
	char digits[20];
	size_t at = sizeof(digits);
	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	writer_bytes(w, digits + at, sizeof(digits) - at);
}

void armor_write_text(struct writer *w, const char *text)
{
	writer_span(w, span_str(text));
}

static int value_of(uint8_t c)
{
	if (c >= 'A' && c <= 'Z') {
		return c - 'A';
	}
	if (c >= 'a' && c <= 'z') {
		return c - 'a' + 26;
	}
	if (c >= '0' && c <= '9') {
		return c - '0' + 52;
	}
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int armor_read(struct span text, uint8_t *buf, size_t cap, size_t *ret_len)
{
	if (text.len % 4 != 0) {
		return ERR_VALUE;
	}
	size_t pad = 0;
	while (pad < 2 && pad < text.len && text.ptr[text.len - 1 - pad] == '=') {
		pad++;
	}
	size_t len = text.len / 4 * 3 - pad, out = 0;
	if (len > cap) {
		return ERR_SPACE;
	}
	for (size_t i = 0; i < text.len; i += 4) {
		size_t digits = text.len - i == 4 ? 4 - pad : 4;
		uint32_t v = 0;
		for (size_t k = 0; k < 4; k++) {
			int d = k < digits ? value_of(text.ptr[i + k]) : 0;
			if (d < 0) {
				return ERR_VALUE;
			}
			v = v << 6 | (uint32_t)d;
		}
		/* One form alone: the bits that no byte takes are 0. */
		if ((digits == 2 && (v & 0xffff)) || (digits == 3 && (v & 0xff))) {
			return ERR_VALUE;
		}
		for (size_t k = 0; k + 1 < digits; k++) {
			buf[out++] = (uint8_t)(v >> (16 - 8 * k));
		}
	}
	*ret_len = out;
	return 0;
}

int armor_read_exactly(struct span text, uint8_t *buf, size_t len)
{
	size_t got;
	if (text.len != ARMOR_LEN(len)) {
		return ERR_LENGTH;
	}
	int r = armor_read(text, buf, len, &got);
	return r == ERR_SPACE ? ERR_LENGTH : r < 0 ? r : got == len ? 0 : ERR_LENGTH;
}

static int digit_of(uint8_t c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int armor_read_hex(struct span text, uint8_t *buf, size_t len)
{
	if (text.len != 2 * len) {
		return ERR_LENGTH;
	}
	for (size_t i = 0; i < text.len; i++) {
		if (digit_of(text.ptr[i]) < 0) {
			return ERR_VALUE;
		}
	}
	for (size_t i = 0; i < len; i++) {
		unsigned high = (unsigned)digit_of(text.ptr[2 * i]),
			 low = (unsigned)digit_of(text.ptr[2 * i + 1]);
		buf[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

int armor_read_number(struct span text, uint64_t *ret_n)
{
	uint64_t n = 0;
	if (text.len == 0 || text.len > 19 || (text.len > 1 && text.ptr[0] == '0')) {
		return ERR_VALUE;
	}
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9') {
			return ERR_VALUE;
		}
		n = n * 10 + (uint64_t)(text.ptr[i] - '0'); /* 19 digits fit */
	}
	if (n > INT64_MAX) {
		return ERR_VALUE;
	}
	*ret_n = n;
	return 0;
}

int armor_line(struct span *rest, struct span *ret_line)
{
	const uint8_t *end = rest->len > 0 ? memchr(rest->ptr, '\n', rest->len) : NULL;
	if (!end) {
		return ERR_TRUNCATED;
	}
	size_t len = (size_t)(end - rest->ptr);
	*ret_line = span_of(rest->ptr, len);
	*rest = span_of(end + 1, rest->len - len - 1);
	return 0;
}

bool armor_after(struct span line, const char *word, struct span *ret_rest)
{
	size_t n = strlen(word);
	if (line.len <= n || memcmp(line.ptr, word, n) != 0 || line.ptr[n] != ' ') {
		return false;
	}
	*ret_rest = span_of(line.ptr + n + 1, line.len - n - 1);
	return true;
}
