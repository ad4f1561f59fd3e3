/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/book.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/reader.h"
#include "gateway/hold.h"
#include "gateway/state.h"
#include "keys/holder.h"

#include <openssl/evp.h>
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

/* By which the book has it, of what the key holder finds it by. */
static int bind_to(
	const struct association *as, int node, const uint8_t token[NAME_TOKEN], uint8_t *ret_token)
{
	uint8_t digest[32];
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	const char *name = as->site->nodes[node].name;
	bool good = c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1 &&
	            EVP_DigestUpdate(c, name, strlen(name) + 1) == 1 &&
	            EVP_DigestUpdate(c, token, NAME_TOKEN) == 1 && EVP_DigestFinal_ex(c, digest, NULL) == 1;
	EVP_MD_CTX_free(c);
	if (good) {
		memcpy(ret_token, digest, NAME_TOKEN);
	}
	return good ? 0 : ERR_SYSTEM;
}

int book_note(struct association *as, const uint8_t entry[NAME_ENTRY])
{
	struct book *b = &as->holds->book;
	uint8_t *to;
	int e = as->route.from < 0 ? ERR_SPACE : b->n == BOOK_ENTER_MOST ? book_flush(as) : 0;
	if (e < 0) {
		return e;
	}
	to = b->waiting[b->n];
	memcpy(to, entry, NAME_ENTRY);
	e = bind_to(as, as->route.from, entry, to);
	b->n += e == 0;
	return e;
}

/* ---- Old names ---- */

#define AT_ONCE 64
static_assert(AT_ONCE <= BOOK_FIND_MOST, "asked at once of the book");
static_assert(AT_ONCE <= HOLDER_NAMES_MOST, "and of the key holder");

struct recalled {
	uint8_t tokens[AT_ONCE][NAME_TOKEN]; /* the key holder's */
	bool known[AT_ONCE];
	unsigned n; /* of those that were found: */
	uint8_t entries[AT_ONCE][NAME_ENTRY];
	unsigned whose[AT_ONCE];
};

/* Those that a node has entered and nobody before it had. n: of tokens. */
static int find(struct association *as, int node, unsigned n, struct recalled *r)
{
	uint8_t request[2 + AT_ONCE * NAME_TOKEN] = {BOOK_VERSION, BOOK_FIND},
				      answer[2 + AT_ONCE * (1 + NAME_SEALED)];
	struct span bytes, sealed;
	unsigned asked[AT_ONCE], n_asked = 0;
	int e = 0;
	for (unsigned i = 0; e == 0 && i < n; i++) {
		if (!r->known[i]) {
			e = bind_to(as, node, r->tokens[i], request + 2 + (size_t)n_asked * NAME_TOKEN);
			asked[n_asked++] = i;
		}
	}
	size_t len = 2 + (size_t)n_asked * NAME_TOKEN;
	e = e == 0 && n_asked > 0 ? ask(as, span_of(request, len), answer, sizeof(answer), &bytes) : e;
	if (e < 0 || n_asked == 0) {
		return e;
	}
	struct reader reader = reader_of(bytes);
	for (unsigned i = 0; i < n_asked; i++) {
		uint8_t found;
		if (reader_u8(&reader, &found) < 0 ||
			(found && reader_bytes(&reader, NAME_SEALED, &sealed) < 0)) {
			lose(&as->holds->book);
			return ERR_SPACE;
		}
		if (found) {
			memcpy(r->entries[r->n], r->tokens[asked[i]], NAME_TOKEN);
			memcpy(r->entries[r->n] + NAME_TOKEN, sealed.ptr, NAME_SEALED);
			r->known[asked[i]] = true;
			r->whose[r->n++] = asked[i];
		}
	}
	return 0;
}

/* Its own first, then those of nodes that are in one flow with it. */
static int find_all(struct association *as, int device, unsigned n, struct recalled *r)
{
	int other = device == as->route.from ? as->route.to : as->route.from;
	int e = find(as, device, n, r);
	for (unsigned i = 0; e == 0 && r->n < n && i < as->site->n_nodes; i++) {
		if ((int)i != device && site_shares_names(as->site, (int)i, device, other)) {
			e = find(as, (int)i, n, r);
		}
	}
	return e;
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

static int recall_some(struct association *as, int device, struct book_name *names, unsigned n)
{
	struct link_new_name new[AT_ONCE];
	struct recalled r = {0};
	char old[AT_ONCE][NAME_OLD_MOST + 1];
	unsigned damaged = 0;
	for (unsigned i = 0; i < n; i++) {
		new[i] = (struct link_new_name){names[i].kind, span_str(names[i].new)};
		names[i].old[0] = 0;
	}
	int e = link_name_tokens(new, n, r.tokens);
	e = e == 0 ? find_all(as, device, n, &r) : e;
	if (e < 0 || r.n == 0) {
		return e;
	}
	e = link_name_recall((const uint8_t(*)[NAME_ENTRY])r.entries, r.n, old);
	for (unsigned i = 0; e == 0 && i < r.n; i++) {
		memcpy(names[r.whose[i]].old, old[i], sizeof(old[i]));
		damaged += old[i][0] == 0;
	}
	tell_damaged(as, damaged);
	return e;
}

int book_recall(struct association *as, int device, struct book_name *names, unsigned n)
{
	int e = device < 0 ? ERR_SPACE : 0;
	for (unsigned at = 0; e == 0 && at < n; at += AT_ONCE) {
		e = recall_some(as, device, names + at, n - at < AT_ONCE ? n - at : AT_ONCE);
	}
	return e;
}
