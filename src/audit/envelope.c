/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/envelope.h"

#include <openssl/crypto.h>

#define VERSION 1

static struct span info_of(enum envelope_of what)
{
	static const char *const infos[] = {
		[ENVELOPE_EPOCH] = "gantry audit epoch 1", [ENVELOPE_INDEX] = "gantry audit index 1"};
	return span_str(infos[what]);
}

int envelope_write(enum envelope_of what, const struct hpke_public *to, unsigned n,
	const uint8_t secret[ENVELOPE_SECRET], struct writer *w)
{
	uint8_t sealed[HPKE_SEALED_MOST(ENVELOPE_SECRET)];
	size_t len = 0;
	if (n == 0 || n > ENVELOPE_PEOPLE) {
		return ERR_LIMIT;
	}
	writer_u8(w, VERSION);
	writer_u8(w, (uint8_t)n);
	for (unsigned i = 0; i < n; i++) {
		int e = hpke_seal(&to[i], info_of(what), span_of(NULL, 0), span_of(secret, ENVELOPE_SECRET),
			sealed, sizeof(sealed), &len);
		if (e < 0) {
			return e;
		}
		writer_u16be(w, (uint16_t)to[i].kem);
		writer_bytes(w, to[i].id, sizeof(to[i].id));
		writer_u16be(w, (uint16_t)len);
		writer_bytes(w, sealed, len);
	}
	return writer_end(w);
}

/* One person's part. */
struct part {
	uint16_t kem;
	struct span id, sealed;
};

static int read_part(struct reader *r, struct part *p)
{
	uint16_t len;
	int e = reader_u16be(r, &p->kem);
	e = e < 0 ? e : reader_bytes(r, HPKE_ID, &p->id);
	e = e < 0 ? e : reader_u16be(r, &len);
	e = e < 0 ? e : reader_bytes(r, len, &p->sealed);
	if (e < 0) {
		return e;
	}
	size_t public = hpke_public_len(p->kem);
	if (public == 0) {
		return ERR_VALUE;
	}
	return len == public + ENVELOPE_SECRET + HPKE_TAG ? 0 : ERR_LENGTH;
}

/* o NULL: none is looked for. */
static int find(struct span envelope, const struct hpke_opener *o, struct span *ret_sealed)
{
	struct reader r = reader_of(envelope);
	uint8_t version, n;
	int e = reader_u8(&r, &version);
	e = e < 0 ? e : reader_u8(&r, &n);
	if (e < 0) {
		return e;
	}
	if (version != VERSION || n == 0 || n > ENVELOPE_PEOPLE) {
		return ERR_VALUE;
	}
	bool found = false;
	struct span sealed = span_of(NULL, 0);
	for (unsigned i = 0; i < n; i++) {
		struct part p;
		e = read_part(&r, &p);
		if (e < 0) {
			return e;
		}
		if (o && !found && p.kem == o->public.kem && memcmp(p.id.ptr, o->public.id, HPKE_ID) == 0) {
			sealed = p.sealed;
			found = true;
		}
	}
	e = reader_end(&r);
	if (e < 0 || !o) {
		return e;
	}
	if (!found) {
		return ERR_NOT_FOUND;
	}
	*ret_sealed = sealed;
	return 0;
}

int envelope_check(struct span envelope)
{
	struct span none;
	return find(envelope, NULL, &none);
}

int envelope_open(enum envelope_of what, struct span envelope, const struct hpke_opener *o,
	uint8_t ret_secret[ENVELOPE_SECRET])
{
	struct span sealed = span_of(NULL, 0);
	uint8_t secret[ENVELOPE_SECRET];
	size_t len = 0;
	int e = find(envelope, o, &sealed);
	e = e < 0 ? e : hpke_open(o, info_of(what), span_of(NULL, 0), sealed, secret, sizeof(secret), &len);
	if (e == 0) {
		memcpy(ret_secret, secret, sizeof(secret)); /* read_part() has held its length */
	}
	OPENSSL_cleanse(secret, sizeof(secret));
	return e;
}
