/* SPDX-License-Identifier: Apache-2.0 */
#include "priv/message.h"
#include "base/limits.h"
#include "base/reader.h"
#include "base/writer.h"
#include "keys/ocsp.h"
#include "priv/message_reports.h"
#include "priv/message_values.h"

#include <stddef.h>
#include <string.h>

/* ---- One pair of functions a shape ---- */

static void write_nothing(struct writer *w, const struct message *m)
{
}

static int read_nothing(struct reader *r, struct message *m)
{
	return 0;
}

static void write_number(struct writer *w, const struct message *m)
{
	writer_u64be(w, (uint64_t)m->number);
}

static int read_number(struct reader *r, struct message *m)
{
	return get_i64(r, &m->number);
}

static void write_admit(struct writer *w, const struct message *m)
{
	put_ip(w, &m->admit.ip);
	writer_u16be(w, m->admit.port);
}

static int read_admit(struct reader *r, struct message *m)
{
	int e = get_ip(r, &m->admit.ip);
	return GET(e, reader_u16be, r, &m->admit.port);
}

static void write_client(struct writer *w, const struct message *m)
{
	put_ip(w, &m->client.ip);
	writer_u64be(w, m->client.association);
}

static int read_client(struct reader *r, struct message *m)
{
	int e = get_ip(r, &m->client.ip);
	return GET(e, reader_u64be, r, &m->client.association);
}

static void write_holder(struct writer *w, const struct message *m)
{
	PUT_TEXT(w, m->text);
	writer_u64be(w, (uint64_t)m->number);
	writer_u64be(w, m->client.association);
}

static int read_holder(struct reader *r, struct message *m)
{
	int e = GET_TEXT(0, r, m->text);
	e = GET(e, get_i64, r, &m->number);
	return GET(e, reader_u64be, r, &m->client.association);
}

static void write_associated(struct writer *w, const struct message *m)
{
	const struct msg_associated *a = &m->associated;
	writer_u32be(w, (uint32_t)a->from);
	writer_u32be(w, (uint32_t)a->to);
	writer_u32be(w, (uint32_t)a->flow);
	PUT_TEXT(w, a->calling);
	PUT_TEXT(w, a->called);
	writer_u8(w, a->tls);
	PUT_TEXT(w, a->tls_version);
	PUT_TEXT(w, a->suite);
	PUT_TEXT(w, a->subject);
	PUT_TEXT(w, a->certificate);
	PUT_TEXT(w, a->serial);
	PUT_TEXT(w, a->issuer);
}

static int read_associated(struct reader *r, struct message *m)
{
	struct msg_associated *a = &m->associated;
	int e = get_i32(r, &a->from);
	e = GET(e, get_i32, r, &a->to);
	e = GET(e, get_i32, r, &a->flow);
	e = GET_TEXT(e, r, a->calling);
	e = GET_TEXT(e, r, a->called);
	e = GET(e, get_bool, r, &a->tls);
	e = GET_TEXT(e, r, a->tls_version);
	e = GET_TEXT(e, r, a->suite);
	e = GET_TEXT(e, r, a->subject);
	e = GET_TEXT(e, r, a->certificate);
	e = GET_TEXT(e, r, a->serial);
	return GET_TEXT(e, r, a->issuer);
}

static void write_connect(struct writer *w, const struct message *m)
{
	writer_u32be(w, (uint32_t)m->connect.node);
	writer_u32be(w, (uint32_t)m->connect.address);
	put_ip(w, &m->connect.source);
	writer_u16be(w, m->connect.source_port);
}

static int read_connect(struct reader *r, struct message *m)
{
	int e = get_i32(r, &m->connect.node);
	e = GET(e, get_i32, r, &m->connect.address);
	e = GET(e, get_ip, r, &m->connect.source);
	return GET(e, reader_u16be, r, &m->connect.source_port);
}

static void write_connected(struct writer *w, const struct message *m)
{
	writer_u32be(w, (uint32_t)m->connected.result);
	writer_u32be(w, (uint32_t)m->connected.address);
	writer_u8(w, m->connected.is_folder);
	PUT_TEXT(w, m->connected.text);
}

static int read_connected(struct reader *r, struct message *m)
{
	int e = get_i32(r, &m->connected.result);
	e = GET(e, get_i32, r, &m->connected.address);
	e = GET(e, get_bool, r, &m->connected.is_folder);
	return GET_TEXT(e, r, m->connected.text);
}

static void write_object(struct writer *w, const struct message *m)
{
	writer_u32be(w, (uint32_t)m->object.flow);
	writer_u64be(w, m->object.bytes);
	writer_u32be(w, m->object.objects);
}

static int read_object(struct reader *r, struct message *m)
{
	int e = get_i32(r, &m->object.flow);
	e = GET(e, reader_u64be, r, &m->object.bytes);
	e = GET(e, reader_u32be, r, &m->object.objects);
	return e == 0 && m->object.objects > 1 ? ERR_VALUE : e;
}

static void write_counts(struct writer *w, const struct message *m)
{
	writer_u32be(w, m->counts.at_once);
	writer_u32be(w, m->counts.last_minute);
	writer_u64be(w, m->counts.objects_hour);
	writer_u64be(w, m->counts.bytes_hour);
}

static int read_counts(struct reader *r, struct message *m)
{
	int e = reader_u32be(r, &m->counts.at_once);
	e = GET(e, reader_u32be, r, &m->counts.last_minute);
	e = GET(e, reader_u64be, r, &m->counts.objects_hour);
	return GET(e, reader_u64be, r, &m->counts.bytes_hour);
}

static void write_progress(struct writer *w, const struct message *m)
{
	const struct msg_progress *p = &m->progress;
	writer_u64be(w, p->messages);
	writer_u64be(w, p->objects);
	writer_u64be(w, p->bytes_in);
	writer_u64be(w, p->bytes_out);
	writer_u32be(w, p->refusals);
	writer_u32be(w, p->tolerated);
	writer_u64be(w, p->remade);
	writer_u8(w, p->state);
}

static int read_progress(struct reader *r, struct message *m)
{
	struct msg_progress *p = &m->progress;
	int e = reader_u64be(r, &p->messages);
	e = GET(e, reader_u64be, r, &p->objects);
	e = GET(e, reader_u64be, r, &p->bytes_in);
	e = GET(e, reader_u64be, r, &p->bytes_out);
	e = GET(e, reader_u32be, r, &p->refusals);
	e = GET(e, reader_u32be, r, &p->tolerated);
	e = GET(e, reader_u64be, r, &p->remade);
	e = GET(e, reader_u8, r, &p->state);
	return e == 0 && p->state > 3 ? ERR_VALUE : e;
}

static void write_text(struct writer *w, const struct message *m)
{
	PUT_TEXT(w, m->text);
}

static int read_text(struct reader *r, struct message *m)
{
	int e = get_text(r, m->text, sizeof(m->text));
	return e == 0 && !m->text[0] ? ERR_VALUE : e;
}

static void write_text_number(struct writer *w, const struct message *m)
{
	write_text(w, m);
	write_number(w, m);
}

static int read_text_number(struct reader *r, struct message *m)
{
	int e = read_text(r, m);
	return GET(e, get_i64, r, &m->number);
}

/* The one text that may be empty: all is well. */
static int read_ready(struct reader *r, struct message *m)
{
	int e = get_text(r, m->text, sizeof(m->text));
	return GET(e, get_i64, r, &m->number);
}

static void write_bytes_number(struct writer *w, const struct message *m)
{
	write_number(w, m);
	writer_u16be(w, (uint16_t)m->bytes.len);
	writer_span(w, m->bytes);
}

static int read_bytes_number(struct reader *r, struct message *m)
{
	uint16_t n;
	int e = read_number(r, m);
	e = GET(e, reader_u16be, r, &n);
	e = e == 0 ? reader_bytes(r, n, &m->bytes) : e;
	return e == 0 && n == 0 ? ERR_LENGTH : e;
}

/* An event with a query in it is longer than 16 bits count. */
static void write_event(struct writer *w, const struct message *m)
{
	write_number(w, m);
	writer_u32be(w, (uint32_t)m->bytes.len);
	writer_span(w, m->bytes);
}

static int read_event(struct reader *r, struct message *m)
{
	uint32_t n;
	int e = read_number(r, m);
	e = GET(e, reader_u32be, r, &n);
	e = e == 0 ? reader_bytes(r, n, &m->bytes) : e;
	return e == 0 && n == 0 ? ERR_LENGTH : e;
}

static void write_standing(struct writer *w, const struct message *m)
{
	write_text(w, m);
	write_number(w, m);
	writer_u8(w, m->standing.state);
	writer_u32be(w, m->standing.again_s);
}

static int read_standing(struct reader *r, struct message *m)
{
	int e = read_ready(r, m);
	e = GET(e, reader_u8, r, &m->standing.state);
	e = GET(e, reader_u32be, r, &m->standing.again_s);
	return e == 0 && m->standing.state > STANDING_UNKNOWN ? ERR_VALUE : e;
}

static void write_user(struct writer *w, const struct message *m)
{
	const struct msg_user *u = &m->user;
	write_text(w, m);
	write_number(w, m);
	writer_u8(w, u->proved);
	PUT_TEXT(w, u->name);
	PUT_TEXT(w, u->groups);
	writer_u8(w, u->next);
	writer_bytes(w, u->once, sizeof(u->once));
	writer_u64be(w, (uint64_t)u->once_until_s);
	writer_u16be(w, (uint16_t)m->bytes.len);
	writer_span(w, m->bytes);
}

static int read_user(struct reader *r, struct message *m)
{
	struct msg_user *u = &m->user;
	struct span once;
	uint16_t n;
	int e = read_ready(r, m);
	e = GET(e, get_bool, r, &u->proved);
	e = GET_TEXT(e, r, u->name);
	e = GET_TEXT(e, r, u->groups);
	e = GET(e, get_bool, r, &u->next);
	e = e == 0 ? reader_bytes(r, sizeof(u->once), &once) : e;
	if (e == 0) {
		memcpy(u->once, once.ptr, once.len);
	}
	e = GET(e, get_i64, r, &u->once_until_s);
	e = GET(e, reader_u16be, r, &n);
	e = e == 0 ? reader_bytes(r, n, &m->bytes) : e;
	return e == 0 && (u->proved != (u->name[0] != 0) || (u->proved && u->next)) ? ERR_VALUE : e;
}

static void write_addresses(struct writer *w, const struct message *m)
{
	unsigned n = m->addresses.n < MSG_ADDRESSES_MOST ? m->addresses.n : MSG_ADDRESSES_MOST;
	PUT_TEXT(w, m->addresses.host);
	writer_u32be(w, n);
	for (unsigned i = 0; i < n; i++) {
		put_ip(w, &m->addresses.ip[i]);
	}
}

static int read_addresses(struct reader *r, struct message *m)
{
	int e = get_text(r, m->addresses.host, sizeof(m->addresses.host));
	e = GET(e, reader_u32be, r, &m->addresses.n);
	if (e == 0 && m->addresses.n > MSG_ADDRESSES_MOST) {
		return ERR_VALUE;
	}
	for (unsigned i = 0; e == 0 && i < m->addresses.n; i++) {
		e = get_ip(r, &m->addresses.ip[i]);
	}
	return e;
}

static int read_line(struct reader *r, struct message *m)
{
	int e = read_number(r, m);
	return e == 0 && (m->number < MSG_LINE_TABLE || m->number >= MSG_LINES_MOST) ? ERR_VALUE : e;
}

static int read_told(struct reader *r, struct message *m)
{
	int e = read_number(r, m);
	return e == 0 && m->number != MSG_TOLD_GONE && m->number != MSG_TOLD_ALL ? ERR_VALUE : e;
}

static int read_unrecorded(struct reader *r, struct message *m)
{
	int e = get_i64(r, &m->number);
	int64_t n = MSG_UNRECORDED_COUNT(m->number);
	return e == 0 && (n < 1 || n > MSG_UNRECORDED_MOST) ? ERR_VALUE : e;
}

/* ---- The table ---- */

enum with_fd { FD_NO, FD_YES, FD_IF_CONNECTED, FD_IF_ZERO /* the number */ };

struct row {
	const char *name;
	unsigned from;
	enum with_fd fd;
	void (*write)(struct writer *w, const struct message *m);
	int (*read)(struct reader *r, struct message *m);
	size_t size; /* of what it has of the union */
};

#define OF(member)  sizeof(((struct message *)NULL)->member)

#define SUPERVISOR  FROM_SUPERVISOR
#define DOWN        FROM_GATE_DOWN
#define ASSOCIATION FROM_ASSOCIATION

static const struct row rows[] = {
	[MSG_SITE] = {"site", SUPERVISOR | DOWN, FD_YES, write_nothing, read_nothing},
	[MSG_LISTENER] = {"listener", SUPERVISOR, FD_YES, write_number, read_number},
	[MSG_CHANNEL] = {"channel", SUPERVISOR, FD_YES, write_number, read_number},
	[MSG_LEDGER] = {"ledger", SUPERVISOR, FD_YES, write_nothing, read_nothing},
	[MSG_CONTROL] = {"control", SUPERVISOR, FD_YES, write_nothing, read_nothing},
	[MSG_DOOR] = {"door", SUPERVISOR, FD_YES, write_nothing, read_nothing},
	[MSG_LOG] = {"log", SUPERVISOR | DOWN, FD_YES, write_number, read_number},
	[MSG_GO] = {"go", SUPERVISOR, FD_NO, write_nothing, read_nothing},
	[MSG_STOP] = {"stop", SUPERVISOR | DOWN, FD_NO, write_nothing, read_nothing},
	[MSG_KEPT] = {"kept", SUPERVISOR, FD_NO, write_text_number, read_text_number},
	[MSG_KEYS] = {"keys", SUPERVISOR, FD_YES, write_number, read_number},
	[MSG_FILE] = {"file", SUPERVISOR, FD_YES, write_number, read_number},
	[MSG_READY] = {"ready", FROM_GATE_UP | FROM_KEYS, FD_NO, write_text_number, read_ready},
	[MSG_CUT] = {"cut", FROM_GATE_UP, FD_NO, write_number, read_number},
	[MSG_LEDGER_FULL] = {"ledger-full", FROM_GATE_UP, FD_NO, write_nothing, read_nothing},
	[MSG_ADMIT] = {"admit", ASSOCIATION, FD_NO, write_admit, read_admit, OF(admit)},
	[MSG_ASSOCIATED] = {"associated", ASSOCIATION, FD_NO, write_associated, read_associated,
		OF(associated)},
	[MSG_CONNECT] = {"connect", ASSOCIATION, FD_NO, write_connect, read_connect, OF(connect)},
	[MSG_REFUSAL] = {"refusal", ASSOCIATION, FD_NO, message_write_refusal, message_read_refusal,
		OF(refusal)},
	[MSG_OBJECT] = {"object", ASSOCIATION, FD_NO, write_object, read_object, OF(object)},
	[MSG_CHAIN] = {"chain", ASSOCIATION | FROM_GATE_LOOKUP, FD_NO, write_bytes_number, read_bytes_number},
	[MSG_WHO] = {"who", ASSOCIATION | FROM_GATE_LOOKUP, FD_NO, write_bytes_number, read_bytes_number},
	[MSG_PROGRESS] = {"progress", ASSOCIATION, FD_NO, write_progress, read_progress, OF(progress)},
	[MSG_VERDICT] = {"verdict", DOWN, FD_NO, write_number, read_number},
	[MSG_COUNTS] = {"counts", DOWN, FD_NO, write_counts, read_counts, OF(counts)},
	[MSG_CONNECTED] = {"connected", DOWN, FD_IF_CONNECTED, write_connected, read_connected,
		OF(connected)},
	[MSG_NUMBER] = {"number", DOWN, FD_NO, write_number, read_number},
	[MSG_STANDING] = {"standing", FROM_LOOKUP | DOWN | FROM_JOB, FD_NO, write_standing, read_standing,
		OF(standing)},
	[MSG_RESOLVE] = {"resolve", FROM_GATE_LOOKUP, FD_NO, write_text, read_text},
	[MSG_ADDRESSES] = {"addresses", FROM_LOOKUP | FROM_JOB, FD_NO, write_addresses, read_addresses,
		OF(addresses)},
	[MSG_FOLDER] = {"folder", FROM_GATE_STORE, FD_YES, write_text_number, read_text_number},
	[MSG_USER] = {"user", FROM_LOOKUP | DOWN | FROM_JOB, FD_NO, write_user, read_user, OF(user)},
	[MSG_STAPLE] = {"staple", FROM_LOOKUP | FROM_JOB, FD_NO, write_bytes_number, read_bytes_number},
	[MSG_LIST] = {"list", FROM_JOB, FD_YES, write_number, read_number},
	[MSG_CLIENT] = {"client", FROM_GATE_KEYS | FROM_GATE_AUDITOR, FD_YES, write_client, read_client,
		OF(client)},
	[MSG_AUDIT] = {"audit", ASSOCIATION, FD_NO, write_nothing, read_nothing},
	[MSG_OPERATOR] = {"operator", FROM_GATE_ALONE, FD_YES, write_nothing, read_nothing},
	[MSG_TELL] = {"tell", DOWN, FD_IF_ZERO, write_number, read_number},
	[MSG_LINE] = {"line", FROM_GATE_AUDITOR, FD_YES, write_number, read_line},
	[MSG_TOLD] = {"told", FROM_TELLER, FD_NO, write_number, read_told},
	[MSG_EVENT] = {"event", FROM_TELLER | FROM_GATE_AUDITOR | SUPERVISOR, FD_NO, write_event, read_event},
	[MSG_LAST_EVENT] = {"last event", FROM_TELLER, FD_NO, write_event, read_event},
	[MSG_SPOOL] = {"spool", SUPERVISOR, FD_YES, write_number, read_number},
	[MSG_RECORDED] = {"recorded", FROM_AUDITOR, FD_NO, write_number, read_number},
	[MSG_COURIER] = {"courier", FROM_FORWARD | FROM_COURIER, FD_NO, message_write_courier,
		message_read_courier, OF(courier)},
	[MSG_SCAN] = {"scan", ASSOCIATION, FD_NO, write_nothing, read_nothing},
	[MSG_SCANNING] = {"scanning", FROM_GATE_LOOKUP, FD_YES, write_number, read_number},
	[MSG_SCANNER] = {"scanner", DOWN, FD_IF_ZERO, write_number, read_number},
	[MSG_CLEAN] = {"clean", ASSOCIATION, FD_NO, write_number, read_number},
	[MSG_CLEANING] = {"cleaning", FROM_GATE_LOOKUP, FD_YES, write_number, read_number},
	[MSG_CLEANER] = {"cleaner", DOWN, FD_IF_ZERO, write_number, read_number},
	[MSG_ANTIVIRUS] = {"antivirus", FROM_LOOKUP | FROM_JOB, FD_NO, message_write_antivirus,
		message_read_antivirus, OF(antivirus)},
	[MSG_JOURNAL] = {"journal", FROM_AUDITOR_GATE, FD_NO, message_write_journal, message_read_journal,
		OF(journal)},
	[MSG_HOLD] = {"hold", ASSOCIATION, FD_NO, write_nothing, read_nothing},
	[MSG_HELD] = {"held", DOWN, FD_IF_ZERO, write_number, read_number},
	[MSG_HOLDER] = {"holder", FROM_GATE_STORE, FD_YES, write_holder, read_holder, OF(client)},
	[MSG_ROOM] = {"room", FROM_HOLDER, FD_NO, write_number, read_number},
	[MSG_ROOMED] = {"roomed", FROM_STORE, FD_IF_ZERO, write_number, read_number},
	[MSG_UNRECORDED] = {"unrecorded", ASSOCIATION | FROM_GATE_AUDITOR, FD_NO, write_number,
		read_unrecorded},
	[MSG_KEEP] = {"keep", ASSOCIATION, FD_NO, write_nothing, read_nothing},
	[MSG_KEEPER] = {"keeper", DOWN, FD_IF_ZERO, write_number, read_number},
	[MSG_KEEPING] = {"keeping", FROM_GATE_STORE, FD_YES, message_write_keeping, message_read_keeping,
		OF(keeping)},
	[MSG_QUARANTINE] = {"quarantine", SUPERVISOR, FD_YES, write_number, read_number},
	[MSG_QUARANTINED] = {"quarantined", FROM_STORE_GATE, FD_NO, message_write_quarantined,
		message_read_quarantined, OF(quarantined)},
	[MSG_BOOK] = {"book", ASSOCIATION, FD_NO, write_nothing, read_nothing},
	[MSG_BOOKED] = {"booked", DOWN, FD_IF_ZERO, write_number, read_number},
	[MSG_BOOKING] = {"booking", FROM_GATE_STORE, FD_YES, write_number, read_number},
	[MSG_BOOK_FOLDER] = {"book-folder", SUPERVISOR, FD_YES, write_number, read_number},
	[MSG_ROOM_NOW] = {"room-now", FROM_HOLDER, FD_NO, write_number, read_number},
};
static_assert(ARRAY_LEN(rows) == MSG_TYPE_COUNT, "one row a message type");

static const struct row *row_of(unsigned type)
{
	return type < ARRAY_LEN(rows) && rows[type].name ? &rows[type] : NULL;
}

static bool fd_fits(const struct row *row, const struct message *m, bool has_fd)
{
	bool wanted = row->fd == FD_YES || (row->fd == FD_IF_CONNECTED && m->connected.result == 0) ||
	              (row->fd == FD_IF_ZERO && m->number == 0);
	return wanted == has_fd;
}

const char *message_name(enum message_type t)
{
	const struct row *row = row_of(t);
	return row ? row->name : "unknown";
}

size_t message_extent(enum message_type t)
{
	const struct row *row = row_of(t);
	return offsetof(struct message, admit) + (row ? row->size : 0);
}

int message_write(const struct message *m, uint8_t *buf, size_t cap, size_t *ret_len)
{
	const struct row *row = row_of(m->type);
	if (!row) {
		return ERR_TYPE;
	}
	if (!fd_fits(row, m, m->fd >= 0)) {
		return ERR_VALUE;
	}
	struct writer w = writer_of(buf, cap);
	writer_u8(&w, MESSAGE_VERSION);
	writer_u8(&w, (uint8_t)m->type);
	writer_u32be(&w, m->generation);
	row->write(&w, m);
	int e = writer_end(&w);
	if (e == 0) {
		*ret_len = w.len;
	}
	return e;
}

int message_read_into(struct span bytes, unsigned permitted, bool has_fd, struct message *m)
{
	struct reader r = reader_of(bytes);
	uint8_t version, type;
	int e = reader_u8(&r, &version);
	e = GET(e, reader_u8, &r, &type);
	if (e != 0) {
		return e;
	}
	const struct row *row = row_of(type);
	if (version != MESSAGE_VERSION || !row || (row->from & permitted) == 0) {
		return ERR_PEER;
	}
	/* Of the text and the union, most of what a message is, few have much. */
	memset(m, 0, message_extent((enum message_type)type));
	m->type = (enum message_type)type;
	m->fd = -1;
	m->text[0] = '\0';
	e = reader_u32be(&r, &m->generation);
	if (e == 0) {
		e = row->read(&r, m);
	}
	if (e == 0) {
		e = reader_end(&r);
	}
	if (e == 0 && !fd_fits(row, m, has_fd)) {
		e = ERR_PEER;
	}
	return e;
}
