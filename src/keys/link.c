/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/link.h"
#include "base/clock.h"
#include "keys/holder.h"
#include "base/reader.h"
#include "base/writer.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

/* The key holder signs no more objects just now: so often, and so long after. */
#define VOUCH_TRIES   50
#define VOUCH_WAIT_NS 10000000L

static int channel = -1, patience_ms;
static const char *why = "";

void link_use(int fd, int wait_ms)
{
	channel = fd;
	patience_ms = wait_ms;
	why = "";
}

const char *link_why(void)
{
	return why;
}

static int wait_for(int fd, short events, int64_t deadline_ms)
{
	struct pollfd p = {.fd = fd, .events = events};
	int64_t left = deadline_ms - clock_mono_ms();
	if (left <= 0) {
		return ERR_TIMEOUT;
	}
	(void)poll(&p, 1, (int)left);
	return 0;
}

static int put(int fd, struct span head, struct span body, int64_t deadline_ms)
{
	struct iovec part[2] = {
		{(void *)(uintptr_t)head.ptr, head.len}, {(void *)(uintptr_t)body.ptr, body.len}};
	struct msghdr m = {.msg_iov = part, .msg_iovlen = 2};
	while (fd >= 0) {
		ssize_t n = sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0) {
			return 0;
		}
		if (errno != EAGAIN && errno != EINTR) {
			return errno == EPIPE || errno == ECONNRESET ? ERR_CLOSED : ERR_SYSTEM;
		}
		int e = wait_for(fd, POLLOUT, deadline_ms);
		if (e < 0) {
			return e;
		}
	}
	return ERR_CLOSED;
}

static int get(int fd, uint8_t *buf, size_t cap, int64_t deadline_ms, struct span *ret_answer)
{
	for (;;) {
		ssize_t n = recv(fd, buf, cap, MSG_DONTWAIT);
		if (n > 0) {
			*ret_answer = span_of(buf, (size_t)n);
			return 0;
		}
		if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			return n == 0 || errno == ECONNRESET ? ERR_CLOSED : ERR_SYSTEM;
		}
		int e = wait_for(fd, POLLIN, deadline_ms);
		if (e < 0) {
			return e;
		}
	}
}

int link_put(int fd, int wait_ms, struct span head, struct span body)
{
	return put(fd, head, body, clock_mono_ms() + wait_ms);
}

int link_get(int fd, int wait_ms, uint8_t *buf, size_t cap, struct span *ret_bytes)
{
	struct span answer;
	uint8_t version, status;
	int e = get(fd, buf, cap, clock_mono_ms() + wait_ms, &answer);
	if (e < 0) {
		return e;
	}
	struct reader r = reader_of(answer);
	if (reader_u8(&r, &version) < 0 || version != HOLDER_VERSION || reader_u8(&r, &status) < 0 ||
		reader_bytes(&r, reader_left(&r), ret_bytes) < 0) {
		return ERR_PEER;
	}
	return -(int)status;
}

int link_exchange(int fd, int wait_ms, struct span head, struct span body, uint8_t *buf, size_t cap,
	struct span *ret_bytes)
{
	int64_t begun = clock_mono_ms();
	int e = link_put(fd, wait_ms, head, body);
	int64_t left = begun + wait_ms - clock_mono_ms();
	return e < 0 ? e : link_get(fd, (int)(left > 0 ? left : 0), buf, cap, ret_bytes);
}

/* A channel whose answers are out of step is of no more use. */
static int ask(struct span head, struct span body, uint8_t *buf, size_t cap, struct span *ret_bytes)
{
	int e = link_exchange(channel, patience_ms, head, body, buf, cap, ret_bytes);
	channel = e == ERR_TIMEOUT || e == ERR_CLOSED ? -1 : channel;
	return e;
}

static const char *explain(int e)
{
	switch (e) {
	case 0:
		return "";
	case ERR_CLOSED:
		return "the key holder is away, and nothing can be signed: see its own lines in the log";
	case ERR_TIMEOUT:
		return "the key holder does not answer, and nothing can be signed: is a token slow or gone?";
	case ERR_LIMIT:
		return "the key holder signs no more for this association: it asked too often";
	case ERR_SYSTEM:
		return "the token with the private key does not answer: see the log";
	default:
		return "the key holder refuses to sign this handshake: what was asked is none that it knows";
	}
}

int link_sign(enum sign_purpose purpose, unsigned key, const struct sign_scheme *scheme,
	struct span structure, uint8_t *sig, size_t cap, size_t *ret_len)
{
	uint8_t head[HOLDER_HEAD], buf[PRIVATE_KEY_SIGNATURE_MOST + 2];
	struct writer w = writer_of(head, sizeof(head));
	struct span bytes;
	writer_u8(&w, HOLDER_VERSION);
	writer_u8(&w, ASK_SIGN);
	writer_u8(&w, (uint8_t)purpose);
	writer_u16be(&w, (uint16_t)key);
	writer_u16be(&w, scheme->code);
	int e = ask(writer_span_of(&w), structure, buf, sizeof(buf), &bytes);
	if (e == 0 && (bytes.len == 0 || bytes.len > cap)) {
		e = ERR_SPACE;
	}
	why = explain(e);
	if (e < 0) {
		return e;
	}
	memcpy(sig, bytes.ptr, bytes.len);
	*ret_len = bytes.len;
	return 0;
}

static struct span session_head(uint8_t *buf, size_t cap, uint8_t what, const bool *once, struct span id)
{
	struct writer w = writer_of(buf, cap);
	writer_u8(&w, HOLDER_VERSION);
	writer_u8(&w, what);
	if (once) {
		writer_u8(&w, *once);
	}
	writer_u8(&w, (uint8_t)id.len);
	writer_span(&w, id);
	return writer_span_of(&w);
}

void link_session_put(struct span id, struct span der, bool once)
{
	uint8_t head[64];
	/* A full channel: the session is not kept. */
	(void)put(channel, session_head(head, sizeof(head), ASK_SESSION_PUT, &once, id), der, 0);
}

int link_session_get(struct span id, uint8_t *der, size_t cap, size_t *ret_len)
{
	uint8_t head[64], buf[HOLDER_ANSWER_MOST];
	struct span bytes;
	int e = ask(session_head(head, sizeof(head), ASK_SESSION_GET, NULL, id), span_of(NULL, 0), buf,
		sizeof(buf), &bytes);
	if (e < 0) {
		return e;
	}
	if (bytes.len > cap) {
		return ERR_SPACE;
	}
	memcpy(der, bytes.ptr, bytes.len);
	*ret_len = bytes.len;
	return 0;
}

/* ---- Names ---- */

#define AGAIN_MS 20

/* A channel that has asked for much is told to wait. */
static int ask_names(struct span head, struct span body, uint8_t *buf, size_t cap, struct span *ret_bytes)
{
	int64_t deadline_ms = clock_mono_ms() + patience_ms;
	int e;
	while ((e = ask(head, body, buf, cap, ret_bytes)) == ERR_AGAIN && clock_mono_ms() < deadline_ms) {
		(void)nanosleep(&(struct timespec){.tv_nsec = AGAIN_MS * 1000000L}, NULL);
	}
	return e == ERR_AGAIN ? ERR_TIMEOUT : e;
}

static struct span name_head(uint8_t head[3], uint8_t what, enum pseudonym kind)
{
	head[0] = HOLDER_VERSION;
	head[1] = what;
	head[2] = (uint8_t)kind;
	return span_of(head, 3);
}

int link_pseudonym(enum pseudonym kind, struct span value, uint8_t ret[PSEUDONYM_SIZE])
{
	uint8_t head[3], buf[PSEUDONYM_SIZE + 2];
	struct span bytes;
	int e = ask_names(name_head(head, ASK_PSEUDONYM, kind), value, buf, sizeof(buf), &bytes);
	if (e == 0 && bytes.len != PSEUDONYM_SIZE) {
		e = ERR_PEER;
	}
	if (e == 0) {
		memcpy(ret, bytes.ptr, PSEUDONYM_SIZE);
	}
	return e;
}

static int read_made(struct span bytes, struct vouch_made *ret)
{
	struct reader r = reader_of(bytes);
	struct span uid, time, value, certificate;
	uint8_t n_uid, n_time;
	uint16_t n_value;
	if (reader_u8(&r, &n_uid) < 0 || n_uid >= sizeof(ret->uid) || reader_bytes(&r, n_uid, &uid) < 0 ||
		reader_u8(&r, &n_time) < 0 || n_time >= sizeof(ret->time) ||
		reader_bytes(&r, n_time, &time) < 0 || reader_u16be(&r, &n_value) < 0 || n_value == 0 ||
		reader_bytes(&r, n_value, &value) < 0 ||
		reader_bytes(&r, reader_left(&r), &certificate) < 0) {
		return ERR_PEER;
	}
	*ret = (struct vouch_made){.value = value, .certificate = certificate};
	memcpy(ret->uid, uid.ptr, uid.len);
	memcpy(ret->time, time.ptr, time.len);
	return 0;
}

int link_vouch(const struct vouch_sum *sum, uint8_t *buf, size_t cap, struct vouch_made *ret)
{
	uint8_t ask_bytes[3 + 2 + 8 + VOUCH_STATE + VOUCH_BLOCK];
	struct writer w = writer_of(ask_bytes, sizeof(ask_bytes));
	struct span bytes;
	int e = ERR_AGAIN;
	writer_u8(&w, HOLDER_VERSION);
	writer_u8(&w, ASK_VOUCH);
	writer_u8(&w, sum->hash);
	writer_u16be(&w, sum->id);
	writer_u64be(&w, sum->done);
	writer_bytes(&w, sum->state, sizeof(sum->state));
	writer_bytes(&w, sum->rest, sizeof(sum->rest));
	for (unsigned i = 0; e == ERR_AGAIN && i < VOUCH_TRIES; i++) {
		if (i > 0) {
			(void)nanosleep(&(struct timespec){.tv_nsec = VOUCH_WAIT_NS}, NULL);
		}
		e = ask(writer_span_of(&w), span_of(NULL, 0), buf, cap, &bytes);
	}
	return e < 0 ? e : read_made(bytes, ret);
}

int link_name(enum pseudonym kind, struct span value, uint8_t ret[PSEUDONYM_SIZE],
	uint8_t ret_entry[NAME_ENTRY], bool *ret_has)
{
	uint8_t head[3], buf[PSEUDONYM_SIZE + NAME_ENTRY + 2];
	struct span bytes;
	int e = ask_names(name_head(head, ASK_NAME, kind), value, buf, sizeof(buf), &bytes);
	if (e == 0 && bytes.len != PSEUDONYM_SIZE && bytes.len != PSEUDONYM_SIZE + NAME_ENTRY) {
		e = ERR_PEER;
	}
	if (e < 0) {
		return e;
	}
	memcpy(ret, bytes.ptr, PSEUDONYM_SIZE);
	*ret_has = bytes.len > PSEUDONYM_SIZE;
	if (*ret_has) {
		memcpy(ret_entry, bytes.ptr + PSEUDONYM_SIZE, NAME_ENTRY);
	}
	return 0;
}

int link_name_tokens(const struct link_new_name *names, unsigned n, uint8_t (*ret_tokens)[NAME_TOKEN])
{
	static const uint8_t head[] = {HOLDER_VERSION, ASK_NAME_TOKENS};
	uint8_t body[HOLDER_NAMES_MOST * 257], buf[HOLDER_NAMES_MOST * NAME_TOKEN + 2];
	struct writer w = writer_of(body, sizeof(body));
	struct span bytes;
	for (unsigned i = 0; i < n; i++) {
		writer_u8(&w, (uint8_t)names[i].kind);
		writer_u8(&w, (uint8_t)names[i].name.len);
		writer_span(&w, names[i].name);
	}
	if (writer_end(&w) < 0) {
		return ERR_LIMIT;
	}
	int e = ask_names(span_of(head, sizeof(head)), writer_span_of(&w), buf, sizeof(buf), &bytes);
	if (e == 0 && bytes.len != (size_t)n * NAME_TOKEN) {
		e = ERR_PEER;
	}
	if (e == 0) {
		memcpy(ret_tokens, bytes.ptr, bytes.len);
	}
	return e;
}

int link_name_recall(const uint8_t (*entries)[NAME_ENTRY], unsigned n, char (*ret_old)[NAME_OLD_MOST + 1])
{
	static const uint8_t head[] = {HOLDER_VERSION, ASK_NAME_RECALL};
	uint8_t buf[HOLDER_NAMES_MOST * (1 + NAME_OLD_MOST) + 2];
	struct span bytes, old;
	int e = ask_names(span_of(head, sizeof(head)),
		span_of((const uint8_t *)entries, (size_t)n * NAME_ENTRY), buf, sizeof(buf), &bytes);
	struct reader r = reader_of(bytes);
	for (unsigned i = 0; e == 0 && i < n; i++) {
		uint8_t len = 0;
		if (reader_u8(&r, &len) < 0 || len > NAME_OLD_MOST || reader_bytes(&r, len, &old) < 0) {
			return ERR_PEER;
		}
		memcpy(ret_old[i], len ? (const char *)old.ptr : "", len);
		ret_old[i][len] = 0;
	}
	return e;
}
