/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/log.h"
#include "gateway/gate_state.h"
#include "keys/cert.h"

/*
 * Certificates that end soon: said in the log when a configuration is taken, and each day from then on, louder as the
 * day comes near. `gantry status` has the days of all of them at any time.
 */

#define DAY_MS     86400000
#define HANDSHAKES "a certificate has expired: handshakes fail until it is renewed"

static const struct {
	int days; /* that many or fewer are left */
	enum log_level level;
} stages[] = {
	{7, LOG_LEVEL_ERROR},
	{30, LOG_LEVEL_WARNING},
	{60, LOG_LEVEL_NOTICE},
};

/* over: what is said when it has expired. */
static void look_at(const struct blob *b, const char *use, const char *over, int64_t now_s)
{
	char subject[256] = "";
	int days = 0;
	if (cert_days_left(b->bytes, now_s, &days, subject) != 0) {
		return; /* `gantry check` refuses such a file */
	}
	for (unsigned i = 0; i < ARRAY_LEN(stages); i++) {
		if (days <= stages[i].days) {
			log_event(stages[i].level, "certificate.expires",
				days < 0 ? over : "a certificate expires soon: renew it, and reload",
				LOG_TEXT("file", b->path), LOG_TEXT("use", use), LOG_TEXT("subject", subject),
				LOG_NUMBER("days_left", days));
			return;
		}
	}
}

void expiry_check(struct gate *g, int64_t now_ms, bool fresh)
{
	const struct site *s = gate_newest(g);
	if (!s || (!fresh && (g->next_expiry_ms == 0 || now_ms < g->next_expiry_ms))) {
		return;
	}
	g->next_expiry_ms = now_ms + DAY_MS;
	for (unsigned i = 0; i < s->n_identities; i++) {
		look_at(&s->identities[i].certificate, "identity", HANDSHAKES, clock_wall_ms() / 1000);
	}
	for (unsigned i = 0; i < s->n_trust; i++) {
		look_at(&s->trust[i], "trust", HANDSHAKES, clock_wall_ms() / 1000);
	}
	if (s->revocation.certificate.path) {
		look_at(&s->revocation.certificate, "revocation", HANDSHAKES, clock_wall_ms() / 1000);
	}
	if (s->signatures.certificate.path) {
		look_at(&s->signatures.certificate, "signatures",
			"the certificate of who signs objects has expired: none are signed until it is renewed",
			clock_wall_ms() / 1000);
	}
}
