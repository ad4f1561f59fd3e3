/* SPDX-License-Identifier: Apache-2.0 */
#include "net/proxy.h"

#include "base/reader.h"

#define SIGNATURE     "\r\n\r\n\0\r\nQUIT\n"
#define SIGNATURE_LEN 12

enum { COMMAND_LOCAL = 0x20, COMMAND_PROXY = 0x21 }; /* version 2 in the upper half */
enum { FAMILY_UNSPEC = 0x00, FAMILY_TCP4 = 0x11, FAMILY_TCP6 = 0x21 };

/* The fixed part. ERR_AGAIN: so far it is the beginning of one. */
static int read_fixed(struct span bytes, uint8_t *ret_command, uint8_t *ret_family, uint16_t *ret_len)
{
	struct reader r = reader_of(bytes);
	size_t n = bytes.len < SIGNATURE_LEN ? bytes.len : SIGNATURE_LEN;
	uint8_t command, family;
	uint16_t len;
	if (n > 0 && memcmp(bytes.ptr, SIGNATURE, n) != 0) {
		return ERR_TYPE;
	}
	int err = reader_skip(&r, SIGNATURE_LEN);
	err = err ? err : reader_u8(&r, &command);
	err = err ? err : reader_u8(&r, &family);
	err = err ? err : reader_u16be(&r, &len);
	if (err) {
		return ERR_AGAIN;
	}
	if (command != COMMAND_LOCAL && command != COMMAND_PROXY) {
		return ERR_VALUE;
	}
	if (len > PROXY_MOST - PROXY_FIXED) {
		return ERR_LIMIT;
	}
	*ret_command = command;
	*ret_family = family;
	*ret_len = len;
	return 0;
}

static void map_v4(const uint8_t *v4, struct in6_addr *ret)
{
	*ret = (struct in6_addr){0};
	ret->s6_addr[10] = ret->s6_addr[11] = 0xFF;
	memcpy(&ret->s6_addr[12], v4, 4);
}

static int read_addresses(struct reader *r, uint8_t family, struct proxy_header *h)
{
	struct span source, destination;
	size_t width = family == FAMILY_TCP4 ? 4 : 16;
	int err = reader_bytes(r, width, &source);
	err = err ? err : reader_bytes(r, width, &destination);
	err = err ? err : reader_u16be(r, &h->source_port);
	err = err ? err : reader_u16be(r, &h->destination_port);
	if (err) {
		return ERR_LENGTH;
	}
	if (family == FAMILY_TCP4) {
		map_v4(source.ptr, &h->source);
		map_v4(destination.ptr, &h->destination);
	} else {
		memcpy(&h->source, source.ptr, 16);
		memcpy(&h->destination, destination.ptr, 16);
	}
	return 0;
}

/* Type, length, value: passed over, but they must fill the rest exactly. */
static int skip_tlvs(struct reader *r)
{
	while (reader_left(r) > 0) {
		uint16_t len;
		int err = reader_skip(r, 1);
		err = err ? err : reader_u16be(r, &len);
		err = err ? err : reader_skip(r, len);
		if (err) {
			return ERR_LENGTH;
		}
	}
	return 0;
}

int proxy_read(struct span bytes, struct proxy_header *ret_header, size_t *ret_used)
{
	uint8_t command, family;
	uint16_t len;
	struct proxy_header h = {0};
	int err = read_fixed(bytes, &command, &family, &len);
	if (err) {
		return err;
	}
	if (bytes.len - PROXY_FIXED < len) {
		return ERR_AGAIN;
	}
	struct reader r = reader_of(span_of(bytes.ptr + PROXY_FIXED, len));
	/* LOCAL: whatever the family, the receiver uses the connection's own addresses and skips the rest. */
	h.is_local = command == COMMAND_LOCAL || family == FAMILY_UNSPEC;
	if (!h.is_local) {
		if (family != FAMILY_TCP4 && family != FAMILY_TCP6) {
			return ERR_VALUE;
		}
		err = read_addresses(&r, family, &h);
		err = err ? err : skip_tlvs(&r);
	}
	if (err == 0) {
		*ret_header = h;
		*ret_used = PROXY_FIXED + (size_t)len;
	}
	return err;
}

size_t proxy_wants(struct span bytes)
{
	uint8_t command, family;
	uint16_t len;
	int err = read_fixed(bytes, &command, &family, &len);
	if (err == ERR_AGAIN) {
		return PROXY_FIXED - bytes.len;
	}
	if (err || bytes.len - PROXY_FIXED >= len) {
		return 0;
	}
	return PROXY_FIXED + (size_t)len - bytes.len;
}

void proxy_write(struct writer *w, const struct in6_addr *source, uint16_t source_port,
	const struct in6_addr *destination, uint16_t destination_port)
{
	bool v4 = IN6_IS_ADDR_V4MAPPED(source) && IN6_IS_ADDR_V4MAPPED(destination);
	size_t skip = v4 ? 12 : 0, width = 16 - skip;
	writer_bytes(w, SIGNATURE, SIGNATURE_LEN);
	writer_u8(w, COMMAND_PROXY);
	writer_u8(w, v4 ? FAMILY_TCP4 : FAMILY_TCP6);
	writer_u16be(w, (uint16_t)(2 * width + 4));
	writer_bytes(w, &source->s6_addr[skip], width);
	writer_bytes(w, &destination->s6_addr[skip], width);
	writer_u16be(w, source_port);
	writer_u16be(w, destination_port);
}
