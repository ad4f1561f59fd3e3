/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/pseudonym.h"

#include "base/hmac.h"
#include "base/writer.h"

#include <stdio.h>

#define DAYS_MOST  3652
#define NAMED_MOST 1024 /* issuer and patient ID */
#define DISTINCT   16   /* bytes of a key; of chance 30 are */

bool pseudonym_key_is_chance(const uint8_t key[PSEUDONYM_KEY])
{
	bool seen[256] = {false}, text = true, row = true;
	unsigned distinct = 0;
	for (unsigned i = 0; i < PSEUDONYM_KEY; i++) {
		uint8_t c = key[i];
		distinct += !seen[c];
		seen[c] = true;
		text = text && ((c >= ' ' && c <= '~') || (c >= '\t' && c <= '\r'));
		row = row && (i == 0 || (uint8_t)(c - key[i - 1]) == (uint8_t)(key[1] - key[0]));
	}
	return distinct >= DISTINCT && !text && !row;
}

int pseudonym_make(void *arg, enum pseudonym kind, struct span value, uint8_t ret[32])
{
	const uint8_t first = (uint8_t)kind;
	if (value.len > NAMED_MOST) {
		return ERR_VALUE;
	}
	return hmac_sha256(arg, span_of(&first, 1), value, ret);
}

int pseudonym_uid(const struct pseudonyms *p, struct span uid, char ret_uid[UID_MAX + 1])
{
	uint8_t mac[32];
	char digits[40];
	unsigned n = sizeof(digits);
	unsigned __int128 number = 0;
	uid = uid_trim(uid);
	if (uid.len > UID_MAX) {
		return ERR_VALUE;
	}
	if (uid.len == 0 || uid_find(uid)) {
		memcpy(ret_uid, uid.len ? (const char *)uid.ptr : "", uid.len);
		ret_uid[uid.len] = 0;
		return 0;
	}
	int e = p->make(p->arg, PSEUDONYM_UID, uid, mac);
	if (e < 0) {
		return e;
	}
	for (unsigned i = 0; i < 16; i++) {
		number = number << 8 | mac[i];
	}
	digits[--n] = 0;
	do {
		digits[--n] = (char)('0' + (unsigned)(number % 10));
		number /= 10;
	} while (number != 0);
	snprintf(ret_uid, UID_MAX + 1, "2.25.%s", digits + n);
	return 0;
}

static int make_of_patient(const struct pseudonyms *p, enum pseudonym kind, struct span issuer,
	struct span id, uint8_t ret_mac[32])
{
	uint8_t both[NAMED_MOST];
	struct writer w = writer_of(both, sizeof(both));
	writer_span(&w, issuer);
	writer_u8(&w, 0);
	writer_span(&w, id);
	return writer_end(&w) < 0 ? ERR_VALUE : p->make(p->arg, kind, writer_span_of(&w), ret_mac);
}

int pseudonym_patient(
	const struct pseudonyms *p, struct span issuer, struct span id, char ret_id[PSEUDONYM_PATIENT_SIZE])
{
	/* Crockford's base 32: nothing that is read for something else. */
	static const char letters[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	uint8_t mac[32];
	int e = make_of_patient(p, PSEUDONYM_PATIENT, issuer, id, mac);
	if (e < 0) {
		return e;
	}
	for (unsigned i = 0; i < PSEUDONYM_PATIENT_SIZE - 1; i++) {
		ret_id[i] = letters[mac[i] & 31];
	}
	ret_id[PSEUDONYM_PATIENT_SIZE - 1] = 0;
	return 0;
}

int pseudonym_days(const struct pseudonyms *p, struct span issuer, struct span id, int *ret_days)
{
	uint8_t mac[32];
	int e = make_of_patient(p, PSEUDONYM_DATES, issuer, id, mac);
	if (e == 0) {
		uint32_t n = (uint32_t)mac[0] << 24 | (uint32_t)mac[1] << 16 | (uint32_t)mac[2] << 8 | mac[3];
		*ret_days = -1 - (int)(n % DAYS_MOST);
	}
	return e;
}
