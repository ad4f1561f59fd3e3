/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_OBJECT_PARTS_H
#define KEYS_OBJECT_PARTS_H

#include "dicom/sign_write.h"
#include "keys/object.h"
#include "keys/private.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

/* Signatures of objects, and what their modules share. */

struct object_trust {
	X509_STORE *store, *stamps; /* stamps: authorities of timestamps */
	const struct crl_list *lists;
};

#define TAG_SIGNATURES 0xFFFAFFFAu

/* ---- What making them in a file and in passing share ---- */

/* Borrowed. certificate: DER. */
const struct private_key *object_key_private(const struct object_key *k);
struct span object_key_certificate(const struct object_key *k);

/* RSASSA-PKCS1-v1_5 with that hash (PS3.15 C.1). */
const struct sign_scheme *object_scheme(enum object_hash hash);

/* MAC Calculation Transfer Syntax UID of what is signed of such a data set. */
const char *object_mac_syntax(enum encoding encoding, const char *syntax);
/* A MAC ID Number that no signature has. */
uint16_t object_free_id(const struct signed_facts *f);
/* The UID and the time (DT) of a signature that is made now. now_ms: wall. ERR_SYSTEM. */
MUST_USE int object_new_name(int64_t now_ms, char ret_uid[UID_MAX + 1], char ret_time[27]);
/* What is put in where: adds to ret->edits, and has all of ret->bytes. ERR_SPACE, ERR_LENGTH: it does not fit. */
MUST_USE int object_edits(const struct sign_places *places, const struct sign_fields *f,
	enum encoding encoding, struct object_signed *ret);

/* ---- What verifying files and verifying in passing share ---- */

/* Of a signature's item those that it is not over (PS3.3 C.12.1.1.3.1.2). */
#define OBJECT_APART 4
extern const uint32_t object_apart[OBJECT_APART];

void object_say(struct object_verdict *v, enum object_state state, const char *format, ...) PRINTF(3, 4);

/* What is known without the object: v->where, uid, time, purpose, algorithm. m: NULL: there are no parameters. */
void object_copy_facts(
	const struct signed_signature *s, const struct signed_mac *m, struct object_verdict *v);

/* PS3.15 C.1: the hashes that are to be verified; NULL: another. *ret_weak: no new signature is made with it. */
const EVP_MD *object_hash_of(const char *algorithm, uint8_t *ret_weak);

/* Why it cannot be verified; NULL: it can. */
const char *object_fault(const struct signed_signature *s, const struct signed_mac *m, const EVP_MD *hash);

/* NULL: it cannot be read. Freed by who asks. */
X509 *object_certificate(const struct signed_signature *s);

/* The signature's value without padding. */
struct span object_value(const struct signed_signature *s, const EVP_PKEY *key);

void object_judge_stamp(const struct signed_signature *s, const EVP_PKEY *key, const struct object_trust *t,
	int64_t now_s, struct object_verdict *v);

/* v: its time, and its timestamp, which was judged. */
enum object_time object_time_of(const struct object_verdict *v, const X509 *cert, int64_t now_s);

/* A signature that is right, and whose timestamp was judged: by somebody whom we believe? */
void object_judge_certificate(
	const struct object_trust *t, X509 *cert, int64_t now_s, struct object_verdict *v);

#endif
