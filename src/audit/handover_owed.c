/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/handover_parts.h"

#include "audit/armor.h"

#include <stdlib.h>

/* What the journal is to be told of, and how it is. */

static const char owed_name[] = "owed-hand-over", owed_title[] = "gantry-hand-over-owed@v1";

int handover_owed_write(const struct journal_io *io, int dir, const struct handover *h)
{
	uint8_t text[400];
	struct writer w = writer_of(text, sizeof(text));
	const uint64_t numbers[] = {h->first, h->next, h->segments, h->bytes};
	armor_write_text(&w, owed_title);
	for (unsigned i = 0; i < ARRAY_LEN(numbers); i++) {
		writer_u8(&w, '\n');
		armor_write_number(&w, numbers[i]);
	}
	writer_u8(&w, '\n');
	armor_write_text(&w, h->statement);
	writer_u8(&w, '\n');
	armor_write_hex(&w, span_of(h->sha256.at, MERKLE_HASH));
	writer_u8(&w, '\n');
	int r = writer_end(&w);
	return r < 0 ? r : io_replace(io, dir, owed_name, writer_span_of(&w));
}

static int parse_owed(struct span text, struct handover *h)
{
	struct span line;
	uint64_t segments = 0;
	uint64_t *const numbers[] = {&h->first, &h->next, &segments, &h->bytes};
	int r = armor_line(&text, &line);
	r = r == 0 && !span_eq(line, span_str(owed_title)) ? ERR_VALUE : r;
	for (unsigned i = 0; r == 0 && i < ARRAY_LEN(numbers); i++) {
		r = armor_line(&text, &line);
		r = r < 0 ? r : armor_read_number(line, numbers[i]);
	}
	r = r < 0 ? r : armor_line(&text, &line);
	if (r == 0 && (line.len >= sizeof(h->statement) || !note_name_valid(line))) {
		r = ERR_VALUE;
	}
	if (r == 0) {
		memcpy(h->statement, line.ptr, line.len);
		h->segments = (size_t)segments;
		r = armor_line(&text, &line);
	}
	r = r < 0 ? r : armor_read_hex(line, h->sha256.at, MERKLE_HASH);
	return r < 0 ? r : text.len > 0 || h->segments == 0 || h->next <= h->first ? ERR_VALUE : 0;
}

int handover_owed_read(const struct journal_io *io, int dir, struct handover *ret_owed)
{
	struct handover h = {0};
	uint8_t *bytes;
	size_t len;
	int r = io_read_file(io, dir, owed_name, 400, &bytes, &len);
	if (r < 0) {
		return r == ERR_NOT_FOUND ? 0 : r == ERR_LIMIT ? ERR_VALUE : r;
	}
	r = parse_owed(span_of(bytes, len), &h);
	free(bytes);
	if (r < 0) {
		return ERR_VALUE;
	}
	*ret_owed = h;
	return 1;
}

uint64_t handover_owed(int dir)
{
	struct handover owed = {0};
	return handover_owed_read(&journal_io_system, dir, &owed) == 1 ? owed.next : 0;
}

void handover_body(const struct handover *h, char ret_body[HANDOVER_BODY_MOST])
{
	struct writer w = writer_of(ret_body, HANDOVER_BODY_MOST);
	armor_write_text(&w, h->statement);
	writer_u8(&w, ' ');
	armor_write_hex(&w, span_of(h->sha256.at, MERKLE_HASH));
	writer_u8(&w, ' ');
	armor_write_number(&w, h->next);
	writer_u8(&w, 0);
}

int handover_body_read(struct span body, uint64_t *ret_next)
{
	uint64_t first, next;
	char name[64] = "";
	uint8_t sha256[MERKLE_HASH];
	const uint8_t *a = memchr(body.ptr, ' ', body.len);
	size_t n = a ? (size_t)(a - body.ptr) : sizeof(name);
	if (n >= sizeof(name) || body.len < n + 2 + 2 * MERKLE_HASH + 1 || a[1 + 2 * MERKLE_HASH] != ' ') {
		return ERR_VALUE;
	}
	memcpy(name, body.ptr, n);
	struct span number = span_of(a + 2 + 2 * MERKLE_HASH, body.len - n - 2 - 2 * MERKLE_HASH);
	if (segment_file_of(name, &first) != FILE_HANDOVER ||
		armor_read_hex(span_of(a + 1, 2 * MERKLE_HASH), sha256, sizeof(sha256)) < 0 ||
		armor_read_number(number, &next) < 0) {
		return ERR_VALUE;
	}
	*ret_next = next;
	return 0;
}

bool handover_body_statement(struct span body, char ret_statement[HANDOVER_STATEMENT_LEN])
{
	static const char begins[] = "hand-over-";
	const size_t n = HANDOVER_STATEMENT_LEN - 1, at = sizeof(begins) - 1;
	if (body.len <= n || body.ptr[n] != ' ' || memcmp(body.ptr, begins, at) != 0) {
		return false;
	}
	for (size_t i = at; i < n; i++) {
		if (body.ptr[i] < '0' || body.ptr[i] > '9') {
			return false;
		}
	}
	memcpy(ret_statement, body.ptr, n);
	ret_statement[n] = 0;
	return true;
}

int handover_told(int dir, const struct journal_io *io)
{
	io = io ? io : &journal_io_system;
	if (io->unlink(io->arg, dir, owed_name) < 0) {
		return io_error();
	}
	return io->fsync(io->arg, dir) < 0 ? io_error() : 0;
}
