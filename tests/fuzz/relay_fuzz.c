/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/log.h"
#include "gateway/exchange.h"
#include "gateway/hold.h"
#include "gateway/relay.h"
#include "gateway/release.h"
#include "keys/holder.h"
#include "keys/link.h"

#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * An open association between a caller and a target that both send what they like. The input is a row of pieces: a byte
 * that says which of them sends (bit 7) and how much (the rest), then the bytes. There is no gate. While the association
 * lives, what leaves for either side must be whole PDUs of known types.
 *
 * If the first byte is 0xff an auditor is told what passes: the second says what the site does with what cannot be
 * recorded, and pieces of no bytes are the auditor's: what it does is in the byte that follows. Nothing may leave that
 * stands behind what it has not answered.
 *
 * If the first byte is 0xfe objects are looked into and held; the second says how. Then nothing may leave of one that is
 * held whole before it is complete.
 *
 * If the first byte is 0xfd objects are de-identified; the second says how, as above, where its bit 5 is set; where bit 3 is,
 * what they were goes with them, and nothing may leave of one before it is complete. A thread makes the pseudonyms.
 *
 * If there is a 0xfc before all that, pieces are large: a byte behind each says how many KiB of its last byte follow,
 * so that fragments of 64 KiB and more, which have a way of their own, need no such inputs.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char yaml[] =
	"nodes:\n"
	"  ct: { ae: [CT], from: [127.0.0.1], transport: plain }\n"
	"  pacs: { ae: [PACS], address: [\"127.0.0.1:1\"], transport: plain }\n"
	"listeners:\n"
	"  - { name: p, address: 127.0.0.1, port: 11112, transport: plain }\n"
	"flows:\n"
	"  - { name: all, from: [ct], to: pacs, services: [echo, store, find, move, get],\n"
	"      limits: { object-size: { most: 64, over: refuse } },\n"
	"      query: { require-any: [PatientID], matches: 2 } }\n"
	"  - { name: none, from: [ct], to: pacs, services: [echo], inspect: { danger: refuse } }\n";

static const char *const classes[] = {"1.2.840.10008.1.1", "1.2.840.10008.5.1.4.1.1.2",
	"1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.3", "1.2.840.10008.5.1.4.1.1.4"};

struct far {
	int fd;
	uint8_t bytes[8192]; /* not yet a whole PDU */
	size_t len;
};

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

static struct site *site(void)
{
	static struct site *s;
	if (!s) {
		struct mistakes m = {0};
		must(site_parse(span_str(yaml), "/etc/gantry.yaml", &s, &m) == 0);
		mistakes_done(&m);
		log_to(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_FORMAT_TEXT);
	}
	return s;
}

static void open_side(struct side *s, const char *name, struct far *far, bool requestor, uint32_t max_out)
{
	int pair[2];
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
	struct side_memory *m = calloc(1, sizeof(*m));
	must(m != NULL);
	side_init(s, name, m);
	stream_open(&s->t, pair[0]);
	far->fd = pair[1];
	far->len = 0;
	s->up = true;
	ul_init(&s->ul, requestor);
	s->ul.state = UL_STA6;
	s->max_in = 4096;
	s->tolerate = TOLERATE_ODD_FRAGMENTS; /* else inputs would end at every second change of a length */
	s->max_out = max_out;
}

/* ---- Objects that are held ---- */

enum { HELD_WHOLE, HELD_TAIL, HELD_BUT_PASSES, HELD_WAYS };

static int held = -1;

static void use_inspection(struct site *s, uint8_t how)
{
	static struct content content;
	content = *s->flows[1].inspect;
	held = how % HELD_WAYS;
	content.hold = held == HELD_TAIL ? HOLD_TAIL : HOLD_WHOLE;
	content.fail = held == HELD_BUT_PASSES ? HOLD_FAIL_PASS : HOLD_FAIL_REFUSE;
	content.hold_max = how & 0x80 ? 0 : 3600;
	s->flows[0].inspect = &content;
	s->flows[0].object_size.most = how & 0x40 ? 64 : 4096;
}

/* Nothing of an object that is held whole has left before it is complete, and what is kept is within its bounds. */
static void no_byte_before_its_verdict(const struct association *as)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct hold *h = &as->holds->of[i];
		must(h->len <= HOLD_MEMORY && h->passed <= h->len && h->load_passed <= h->load_len);
		must(h->room.loaded <= h->room.stored);
		must(h->state != HOLD_TAKING || h->keep != UINT64_MAX || (h->passed == 0 && !h->begun));
		must(h->state != HOLD_PASSING || h->keep == 0);
	}
}

/* ---- Objects that are made anew ---- */

static void *key_holder(void *arg)
{
	uint8_t ask[2048], answer[2 + PSEUDONYM_SIZE] = {HOLDER_VERSION};
	int fd = *(int *)arg;
	ssize_t n;
	while ((n = recv(fd, ask, sizeof(ask), 0)) > 0) {
		for (unsigned i = 0; i < PSEUDONYM_SIZE; i++) {
			answer[2 + i] = (uint8_t)(ask[(size_t)i % (size_t)n] + 31 * i + (size_t)n);
		}
		(void)!send(fd, answer, sizeof(answer), 0);
	}
	return NULL;
}

/* A certificate of nobody's. */
static struct blob *recipient(void)
{
	static uint8_t pem[4096];
	static struct blob b;
	if (b.bytes.len > 0) {
		return &b;
	}
	EVP_PKEY *key = EVP_RSA_gen(2048);
	X509 *cert = X509_new();
	BIO *to = BIO_new(BIO_s_mem());
	must(key && cert && to && X509_set_pubkey(cert, key) == 1);
	must(X509_gmtime_adj(X509_getm_notBefore(cert), 0) &&
		X509_gmtime_adj(X509_getm_notAfter(cert), 3600));
	must(X509_sign(cert, key, EVP_sha256()) > 0 && PEM_write_bio_X509(to, cert) == 1);
	int n = BIO_read(to, pem, sizeof(pem));
	must(n > 0 && (size_t)n < sizeof(pem));
	b.bytes = span_of(pem, (size_t)n);
	BIO_free(to);
	X509_free(cert);
	EVP_PKEY_free(key);
	return &b;
}

static void use_remaking(struct site *s, uint8_t how)
{
	static struct deidentify_flow flow;
	static int pair[2] = {-1, -1};
	pthread_t thread;
	if (pair[0] < 0) {
		must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
		must(pthread_create(&thread, NULL, key_holder, &pair[1]) == 0);
		link_use(pair[0], 5000);
	}
	if (how & 0x20) {
		use_inspection(s, how);
	}
	flow.rules = (struct deidentify_rules){
		.options = how & 1 ? OPTION_SHIFTED_DATES : 0, .keep_burned_in = how & 2};
	flow.originals_to = recipient();
	flow.n_originals_to = how & 8 ? 1 : 0;
	s->flows[0].deidentify = &flow;
	s->flows[0].object_size.most = how & 0x40 ? 64 : 1u << 20;
}

static void no_more_than_is_made(const struct association *as)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct hold *h = &as->holds->of[i];
		must(h->remake.passed <= h->remake.len && h->remake.len <= REMAKE_MADE);
		must(!h->encrypts || h->state != HOLD_TAKING || (!h->begun && h->remake.len == 0));
		must(!h->remake.on || !h->begun || h->remake.borrowed > 0 || h->remake.passed == 0);
	}
}

/* Read what came and step over whole PDUs. */
static void read_far(struct far *f, bool lives)
{
	ssize_t n;
	while ((n = read(f->fd, f->bytes + f->len, sizeof(f->bytes) - f->len)) > 0) {
		f->len += (size_t)n;
		struct reader r = reader_of(span_of(f->bytes, f->len));
		struct pdu_head h;
		size_t used = 0;
		while (lives && pdu_read_head(&r, &h) == 0) {
			must(h.type >= PDU_P_DATA_TF && h.type <= PDU_ABORT);
			must(h.len <= 4096);
			if (reader_skip(&r, h.len) != 0) {
				break;
			}
			used = r.pos;
		}
		f->len = lives ? f->len - used : 0;
		memmove(f->bytes, f->bytes + used, f->len);
		if (f->len == sizeof(f->bytes)) {
			f->len = 0;
		}
	}
}

/* ---- The auditor ---- */

static int auditor = -1;

enum { ANSWER, REFUSE, LEAVE, WAIT_TOO_LONG };

static void no_byte_before_its_record(const struct association *as)
{
	const struct side *sides[] = {&as->a, &as->b};
	const struct audit *au = as->audit;
	for (unsigned i = 0; i < au->n; i++) {
		const struct audit_pending *p = &au->pending[(au->first + i) % AUDIT_PENDING];
		must(p->bars == BARS_NONE || !sides[p->bars]->up || sides[p->bars]->out.sent <= p->mark);
	}
	for (unsigned i = 0; i < 2; i++) {
		const struct audit_look *l = &au->look[i];
		must(l->what == LOOK_AT_NOTHING || l->refused || l->late || !sides[!i]->up ||
			sides[!i]->out.sent <= l->mark);
	}
	must(au->n <= AUDIT_PENDING && au->n_sent <= au->n && au->copies_len <= AUDIT_COPIES);
}

/* One that came, in the order in which they come. */
static bool answer_one(bool well)
{
	static struct message m;
	static struct audit_event ev;
	static int64_t records;
	if (auditor < 0 || message_recv(auditor, FROM_TELLER, &m) != 0) {
		return false;
	}
	must(m.type == MSG_EVENT && audit_event_read(m.bytes, &ev) == 0);
	must(m.number >= -1 && m.number <= records);
	struct message answer = {.type = MSG_RECORDED, .fd = -1, .number = well ? ++records : ERR_SPACE};
	if (ev.kind != AUDIT_PROGRESS) {
		(void)!message_send(auditor, &answer);
	}
	return true;
}

static void auditor_does(struct association *as, uint8_t what)
{
	if (auditor < 0) {
		return;
	}
	switch (what % 4) {
	case ANSWER:
	case REFUSE:
		for (unsigned n = what / 4 + 1; n > 0 && answer_one(what % 4 == ANSWER); n--) {
		}
		as->audit->retry_ms = 0;
		audit_take(as);
		break;
	case LEAVE:
		close(auditor);
		auditor = -1;
		audit_take(as);
		break;
	case WAIT_TOO_LONG:
		(void)audit_check(as, INT64_MAX - 1000);
		break;
	default:
		break;
	}
	audit_progress(as, clock_mono_ms() + 1000);
}

static void use_auditor(struct association *as, struct site *s, uint8_t how)
{
	int pair[2];
	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) == 0);
	as->audit->fd = pair[0];
	auditor = pair[1];
	s->audit.has = true;
	s->audit.unrecorded = how % 3;
	s->audit.hold_most = 1;
}

static void flush(struct association *as, struct side *s)
{
	if (s->up) {
		must(side_flush(s) != ERR_TLS);
	}
}

static void turn(struct association *as, struct side *s, struct far far[2])
{
	struct parse_fail fail = {0};
	for (int i = 0; i < 64 && s->up && !as->over; i++) {
		int e = relay_take(as, s, &fail);
		if (s->blocked || s->in_len == SIDE_BUFFER) {
			audit_no_room(as, s);
		}
		bool moved = hold_pump(as, s);
		no_byte_before_its_verdict(as);
		no_more_than_is_made(as);
		exchange_owed(as);
		flush(as, &as->a);
		flush(as, &as->b);
		no_byte_before_its_record(as);
		if (e != ERR_AGAIN) {
			association_abort(as, s, &fail);
		}
		read_far(&far[0], !as->over && as->a.up);
		read_far(&far[1], !as->over && as->b.up);
		if (!moved && (!s->blocked || !relay_room(as, s))) {
			break;
		}
	}
}

/* Both sides go on with what has been answered. */
static void go_on(struct association *as, struct far far[2])
{
	turn(as, &as->a, far);
	turn(as, &as->b, far);
}

static void begin(struct association *as, struct association_start *start, struct far far[2])
{
	*start = (struct association_start){.site = site(), .channel = -1, .audit = -1};
	site()->audit = (struct audit_config){0};
	site()->flows[0].inspect = NULL;
	site()->flows[0].deidentify = NULL;
	site()->flows[0].object_size.most = 64;
	held = -1;
	static struct audit audit;
	static struct associate rq;
	static struct holds holds;
	audit = (struct audit){.fd = -1};
	*as = (struct association){.start = start,
		.site = site(),
		.gate_lost = true,
		.unreported_flow = -1,
		.audit = &audit,
		.holds = &holds,
		.rq = &rq,
		.loss = RULE_UPSTREAM_LOST};
	as->caller.calling = "CT";
	as->caller.called = "PACS";
	as->caller.transport = TRANSPORT_PLAIN;
	as->route = (struct route){.from = 0, .to = 1, .flows = {0}, .n_flows = 1};
	for (unsigned i = 0; i < 2; i++) {
		hold_drop(as, i == 0 ? &as->a : &as->b);
		holds.of[i].borrowed = holds.of[i].remake.borrowed = 0;
	}
	holds.said = (struct hold_said){0};
	open_side(&as->a, "caller", &far[0], false, 4096);
	open_side(&as->b, "target", &far[1], true, 134);
	for (unsigned i = 0; i < ARRAY_LEN(classes); i++) {
		as->context[2 * i + 1] = (struct agreed){.accepted = true,
			.abstract = span_str(classes[i]),
			.transfer = span_str("1.2.840.10008.1.2")};
	}
}

static void end(struct association *as, struct far far[2])
{
	struct side *sides[] = {&as->a, &as->b};
	for (unsigned i = 0; i < 2; i++) {
		side_close(sides[i]);
		free(sides[i]->msg.held);
		free((void *)(sides[i]->in - offsetof(struct side_memory, in)));
		close(far[i].fd);
	}
}

/* ---- Pieces ---- */

static bool large;

static void use_large_pieces(struct association *as, struct site *s)
{
	as->a.max_in = as->b.max_in = LIMIT_MAX_PDU;
	as->b.max_out = 4096;
	as->a.tolerate = 0;
	s->flows[0].object_size.most = 4u << 20;
}

static bool may_come(const struct association *as, const struct side *s)
{
	const struct side *to = s == &as->a ? &as->b : &as->a;
	/* association.c does not read otherwise */
	return !to->out.borrows || (side_barred(to) && audit_wants_more(as, s));
}

/* False: the association is over. */
static bool send_bytes(struct association *as, struct side *s, struct far far[2], struct span bytes)
{
	if (!s->up || bytes.len == 0 || s->blocked ||
		write(far[s == &as->b].fd, bytes.ptr, bytes.len) != (ssize_t)bytes.len || !may_come(as, s)) {
		return true;
	}
	struct parse_fail fail = {0};
	int wrong = 0, e = 0;
	/* Until all has come that was sent: large fragments of what is held come in a read of their own. */
	for (int k = 0; k < 64 && e == 0 && wrong == 0 && s->up && !as->over && !s->blocked; k++) {
		e = relay_fill(as, s, &fail, &wrong);
		turn(as, s, far);
		if (!may_come(as, s)) {
			break;
		}
	}
	return wrong == 0 && (e == 0 || e == ERR_AGAIN || e == ERR_SPACE);
}

static bool send_piece(
	struct association *as, struct side *s, struct far far[2], struct span piece, uint8_t more)
{
	static uint8_t filler[32 * 1024];
	bool lives = send_bytes(as, s, far, piece);
	memset(filler, piece.len > 0 ? piece.ptr[piece.len - 1] : 0, sizeof(filler));
	for (size_t left = (size_t)more * 1024; lives && left > 0 && !as->over;) {
		size_t n = left < sizeof(filler) ? left : sizeof(filler);
		lives = send_bytes(as, s, far, span_of(filler, n));
		left -= n;
	}
	return lives;
}

/* What the first bytes say is wanted beside the relay. */
static void use_what_is_said(struct association *as, struct reader *r)
{
	uint8_t what = 0, how;
	struct reader at = *r;
	large = reader_left(&at) > 0 && at.ptr[at.pos] == 0xfc;
	must(!large || (reader_skip(&at, 1) == 0 && reader_skip(r, 1) == 0));
	if (large) {
		use_large_pieces(as, site());
	}
	if (reader_left(&at) <= 2 || reader_u8(&at, &what) != 0 || reader_u8(&at, &how) != 0 || what < 0xfd) {
		return;
	}
	*r = at;
	if (what == 0xff) {
		use_auditor(as, site(), how);
	} else if (what == 0xfe) {
		use_inspection(site(), how);
	} else {
		use_remaking(site(), how);
	}
	if (large && !(how & 0x40)) {
		site()->flows[0].object_size.most = 4u << 20;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct association as;
	static struct association_start start;
	static struct far far[2];
	struct reader r = reader_of(span_of(data, size));
	uint8_t how, what;
	begin(&as, &start, far);
	use_what_is_said(&as, &r);
	while (!as.over && reader_u8(&r, &how) == 0) {
		size_t n = (size_t)(how & 0x7f) * 4;
		struct span piece;
		uint8_t more = 0;
		n = n < reader_left(&r) ? n : reader_left(&r);
		if (n == 0 && site()->audit.has && reader_u8(&r, &what) == 0) {
			auditor_does(&as, what);
			go_on(&as, far);
			continue;
		}
		must(reader_bytes(&r, n, &piece) == 0);
		if (large && reader_u8(&r, &more) != 0) {
			break;
		}
		if (!send_piece(&as, how & 0x80 ? &as.b : &as.a, far, piece, more)) {
			break;
		}
		if (held >= 0 && !as.over) {
			(void)hold_check(&as, clock_mono_ms() + 1);
		}
	}
	audit_end_transfers(&as, "the end");
	no_byte_before_its_record(&as);
	if (as.audit->fd >= 0) {
		close(as.audit->fd);
	}
	if (auditor >= 0) {
		close(auditor);
		auditor = -1;
	}
	end(&as, far);
	return 0;
}
