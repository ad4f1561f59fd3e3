/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/book.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/reader.h"
#include "gateway/hold.h"
#include "gateway/state.h"
#include "keys/holder.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static_assert(NAME_TOKEN == NAMEBOOK_TOKEN && NAME_SEALED == NAMEBOOK_SEALED,
	"what the key holder makes is what the book keeps");

static void lose(struct book *b)
{
	if (b->fd > 0) {
		close(b->fd);
	}
	b->fd = 0;
}

static int find_channel(struct association *as, struct book *b)
{
	if (b->fd > 0) {
		return 0;
	}
	as->ask = (struct message){.type = MSG_BOOK, .fd = -1};
	int e = gate_ask(as, &as->ask, MSG_BOOKED, &as->reply, GATE_WAIT_MS);
	if (e == 0 && as->reply.number != 0) {
		e = ERR_NOT_FOUND;
	}
	b->fd = e == 0 ? as->reply.fd : 0;
	return e;
}

static int wait_for_answer(int fd)
{
	int64_t until_ms = clock_mono_ms() + GATE_WAIT_MS, left;
	while ((left = until_ms - clock_mono_ms()) > 0) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		if (poll(&p, 1, (int)left) > 0) {
			return 0;
		}
	}
	return ERR_TIMEOUT;
}

static int exchange(
	struct association *as, struct span request, uint8_t *answer, size_t cap, struct span *ret_bytes)
{
	struct book *b = &as->holds->book;
	uint8_t version, status;
	int e = find_channel(as, b);
	if (e < 0) {
		return e;
	}
	if (send(b->fd, request.ptr, request.len, MSG_NOSIGNAL) != (ssize_t)request.len ||
		wait_for_answer(b->fd) < 0) {
		lose(b);
		return ERR_CLOSED;
	}
	ssize_t n = recv(b->fd, answer, cap, MSG_DONTWAIT);
	struct reader r = reader_of(span_of(answer, n > 0 ? (size_t)n : 0));
	if (reader_u8(&r, &version) < 0 || version != BOOK_VERSION || reader_u8(&r, &status) < 0 ||
		reader_bytes(&r, reader_left(&r), ret_bytes) < 0) {
		lose(b);
		return ERR_CLOSED;
	}
	return -(int)status;
}

/* A book that was restarted has forgotten the channel, and is asked once more. */
static int ask(
	struct association *as, struct span request, uint8_t *answer, size_t cap, struct span *ret_bytes)
{
	bool had = as->holds->book.fd > 0;
	int e = exchange(as, request, answer, cap, ret_bytes);
	e = e == ERR_CLOSED && had ? exchange(as, request, answer, cap, ret_bytes) : e;
	return e < 0 ? ERR_SPACE : 0;
}

int book_flush(struct association *as)
{
	struct book *b = &as->holds->book;
	uint8_t request[BOOK_MESSAGE] = {BOOK_VERSION, BOOK_ENTER}, answer[16];
	struct span bytes;
	if (b->n == 0) {
		return 0;
	}
	size_t len = (size_t)b->n * NAME_ENTRY;
	memcpy(request + 2, b->waiting, len);
	int e = ask(as, span_of(request, 2 + len), answer, sizeof(answer), &bytes);
	b->n = 0;
	if (e < 0) {
		remake_forget(&as->holds->names); /* it thinks that they are there */
	}
	return e;
}

int book_note(struct association *as, const uint8_t entry[NAME_ENTRY])
{
	struct book *b = &as->holds->book;
	int e = b->n == BOOK_ENTER_MOST ? book_flush(as) : 0;
	if (e == 0) {
		memcpy(b->waiting[b->n++], entry, NAME_ENTRY);
	}
	return e;
}

/* ---- Old names ---- */

#define AT_ONCE 64
static_assert(AT_ONCE <= BOOK_FIND_MOST, "asked at once of the book");
static_assert(AT_ONCE <= HOLDER_NAMES_MOST, "and of the key holder");

/* Those that it has, with their tokens, as entries; whose they are. */
static int find(struct association *as, const uint8_t (*tokens)[NAME_TOKEN], unsigned n,
	uint8_t (*ret_entries)[NAME_ENTRY], unsigned *ret_whose, unsigned *ret_n)
{
	uint8_t request[2 + AT_ONCE * NAME_TOKEN] = {BOOK_VERSION, BOOK_FIND},
				      answer[2 + AT_ONCE * (1 + NAME_SEALED)];
	struct span bytes, sealed;
	memcpy(request + 2, tokens, (size_t)n * NAME_TOKEN);
	int e = ask(as, span_of(request, 2 + (size_t)n * NAME_TOKEN), answer, sizeof(answer), &bytes);
	if (e < 0) {
		return e;
	}
	struct reader r = reader_of(bytes);
	*ret_n = 0;
	for (unsigned i = 0; i < n; i++) {
		uint8_t found;
		if (reader_u8(&r, &found) < 0 || (found && reader_bytes(&r, NAME_SEALED, &sealed) < 0)) {
			lose(&as->holds->book);
			return ERR_SPACE;
		}
		if (found) {
			memcpy(ret_entries[*ret_n], tokens[i], NAME_TOKEN);
			memcpy(ret_entries[*ret_n] + NAME_TOKEN, sealed.ptr, NAME_SEALED);
			ret_whose[(*ret_n)++] = i;
		}
	}
	return 0;
}

/* Their sums are right, and their seals are not: that is no damage that a disk does. */
static void tell_damaged(struct association *as, unsigned n)
{
	struct book *b = &as->holds->book;
	if (n > 0 && !b->damaged) {
		log_event(LOG_LEVEL_ERROR, "names.damaged",
			"Records of the book of names were changed: what they stand for is not put back.",
			LOG_NUMBER("association", (int64_t)as->start->id), LOG_NUMBER("records", (int64_t)n));
		b->damaged = true;
	}
}

static int recall_some(struct association *as, struct book_name *names, unsigned n)
{
	struct link_new_name new[AT_ONCE];
	uint8_t tokens[AT_ONCE][NAME_TOKEN], entries[AT_ONCE][NAME_ENTRY];
	char old[AT_ONCE][NAME_OLD_MOST + 1];
	unsigned whose[AT_ONCE], n_found = 0, damaged = 0;
	for (unsigned i = 0; i < n; i++) {
		new[i] = (struct link_new_name){names[i].kind, span_str(names[i].new)};
		names[i].old[0] = 0;
	}
	int e = link_name_tokens(new, n, tokens);
	e = e == 0 ? find(as, (const uint8_t(*)[NAME_TOKEN])tokens, n, entries, whose, &n_found) : e;
	if (e < 0 || n_found == 0) {
		return e;
	}
	e = link_name_recall((const uint8_t(*)[NAME_ENTRY])entries, n_found, old);
	for (unsigned i = 0; e == 0 && i < n_found; i++) {
		memcpy(names[whose[i]].old, old[i], sizeof(old[i]));
		damaged += old[i][0] == 0;
	}
	tell_damaged(as, damaged);
	return e;
}

int book_recall(struct association *as, struct book_name *names, unsigned n)
{
	int e = 0;
	for (unsigned at = 0; e == 0 && at < n; at += AT_ONCE) {
		e = recall_some(as, names + at, n - at < AT_ONCE ? n - at : AT_ONCE);
	}
	return e;
}
