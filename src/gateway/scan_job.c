/* SPDX-License-Identifier: Apache-2.0 */
#include "antivirus/probe.h"
#include "antivirus/scanner.h"
#include "gateway/lookup_state.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a job that shows clamd an object does, in a process of its own. It reads what the association hands it, and clamd's answers. */

/* While clamd starts anew an object waits for it. */
#define ABSENT_MS 10000

/* To find out whether it is there; a scanner that is busy with its definitions is not. */
#define SHORT_MS 5000

static struct clamd clamd_of(const struct antivirus_config *config, int64_t most_ms, int64_t absent_ms)
{
	int64_t ms = (int64_t)config->timeout_s * 1000;
	ms = ms < most_ms ? ms : most_ms;
	return (struct clamd){
		.socket = config->socket, .timeout_ms = ms, .absent_ms = absent_ms < ms ? absent_ms : ms};
}

static void fill(struct message *reply, enum scan_verdict verdict, const char *why)
{
	*reply = (struct message){.type = MSG_ANTIVIRUS, .fd = -1};
	reply->antivirus.good = true;
	reply->antivirus.verdict = (uint8_t)verdict;
	snprintf(reply->antivirus.why, sizeof(reply->antivirus.why), "%s", why);
}

void job_probe(const struct antivirus_config *config, bool at_length, struct message *reply)
{
	struct clamd quick = clamd_of(config, SHORT_MS, 0), slow = clamd_of(config, INT64_MAX, 0);
	struct probe p;
	probe_short(&quick, &p);
	if (p.good && at_length) {
		probe_long(&slow, config->max_size, &p);
	}
	fill(reply, SCAN_PENDING, p.why);
	reply->antivirus.good = p.good;
	reply->antivirus.most = p.most;
	snprintf(reply->antivirus.version, sizeof(reply->antivirus.version), "%s", p.version);
}

/* ---- Pieces of an object ---- */

struct pieces {
	int fd;
	size_t len;
	uint8_t buffer[2 * (SCAN_PIECE + SCAN_PIECE_HEAD)];
};

/* True: it was all. */
static bool take_object(struct pieces *p, struct scanner *s)
{
	for (;;) {
		struct pollfd in = {.fd = p->fd, .events = POLLIN};
		if (poll(&in, 1, SCANNER_IDLE_MS) == 0) {
			scanner_idle(s);
			continue;
		}
		ssize_t n = read(p->fd, p->buffer + p->len, sizeof(p->buffer) - p->len);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return false;
		}
		p->len += (size_t)n;
		size_t used;
		int e = scanner_read(s, span_of(p->buffer, p->len), &used);
		if (e != 0) {
			return e == ERR_CLOSED;
		}
		p->len -= used;
		memmove(p->buffer, p->buffer + used, p->len);
	}
}

void job_scan(
	const struct antivirus_config *config, uint64_t most, bool patient, int fd, struct message *reply)
{
	static struct pieces p;
	static struct scanner s;
	struct clamd clamd = clamd_of(config, INT64_MAX, patient ? ABSENT_MS : 0);
	p.fd = fd;
	scanner_begin(&s, &clamd, most < config->max_size ? most : config->max_size);
	if (!take_object(&p, &s)) {
		fill(reply, SCAN_PENDING, "");
		return;
	}
	scanner_end(&s);
	uint8_t answer[2 + SCAN_TEXT] = {(uint8_t)s.sum.verdict, (uint8_t)strlen(s.sum.text)};
	memcpy(answer + 2, s.sum.text, answer[1]);
	(void)!send(fd, answer, 2 + (size_t)answer[1], MSG_NOSIGNAL);
	fill(reply, s.sum.verdict, s.sum.text);
}
