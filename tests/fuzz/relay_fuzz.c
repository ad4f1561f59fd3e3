/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "gateway/exchange.h"
#include "gateway/relay.h"
#include "gateway/release.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * An open association between a caller and a target that both send what they like. The input is a row of pieces: a byte
 * that says which of them sends (bit 7) and how much (the rest), then the bytes. There is no gate. While the association
 * lives, what leaves for either side must be whole PDUs of known types.
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
	"      query: { require-any: [PatientID], matches: 2 } }\n";

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

static const struct site *site(void)
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
	s->max_out = max_out;
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

static void turn(struct association *as, struct side *s, struct far far[2])
{
	struct parse_fail fail = {0};
	for (int i = 0; i < 64 && s->up && !as->over; i++) {
		int e = relay_take(as, s, &fail);
		exchange_owed(as);
		must(!as->a.up || side_flush(&as->a) != ERR_TLS);
		must(!as->b.up || side_flush(&as->b) != ERR_TLS);
		if (e != ERR_AGAIN) {
			association_abort(as, s, &fail);
		}
		read_far(&far[0], !as->over && as->a.up);
		read_far(&far[1], !as->over && as->b.up);
		if (!s->blocked) {
			break;
		}
	}
}

static void begin(struct association *as, struct association_start *start, struct far far[2])
{
	*start = (struct association_start){.site = site(), .channel = -1};
	static struct audit audit;
	audit = (struct audit){.fd = -1};
	*as = (struct association){.start = start,
		.site = site(),
		.gate_lost = true,
		.unreported_flow = -1,
		.audit = &audit,
		.loss = RULE_UPSTREAM_LOST};
	as->caller.calling = "CT";
	as->caller.called = "PACS";
	as->caller.transport = TRANSPORT_PLAIN;
	as->route = (struct route){.from = 0, .to = 1, .flows = {0}, .n_flows = 1};
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct association as;
	static struct association_start start;
	static struct far far[2];
	struct reader r = reader_of(span_of(data, size));
	uint8_t how;
	begin(&as, &start, far);
	while (!as.over && reader_u8(&r, &how) == 0) {
		struct side *s = how & 0x80 ? &as.b : &as.a;
		size_t n = (size_t)(how & 0x7f) * 4;
		struct span piece;
		n = n < reader_left(&r) ? n : reader_left(&r);
		must(reader_bytes(&r, n, &piece) == 0);
		if (!s->up || n == 0 || write(far[how >> 7].fd, piece.ptr, n) != (ssize_t)n) {
			continue;
		}
		int e = side_fill(s, false);
		if (e != 0 && e != ERR_AGAIN && e != ERR_SPACE) {
			break;
		}
		turn(&as, s, far);
	}
	end(&as, far);
	return 0;
}
