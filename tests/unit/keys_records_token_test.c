/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/token.h"
#include "keys/token_opener.h"
#include "keys_records.h"

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>

/* The keys of the audit trail, and an auditor's, on a token: SoftHSM2. */

/* SoftHSM2 2.6.1 loses what it reads of a curve's name, some bytes each time. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "fast_unwind_on_malloc=0";
}

const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libsofthsm2.so";
}

#define SOFTHSM "/usr/lib/softhsm/libsofthsm2.so"

static CK_FUNCTION_LIST *module(void)
{
	CK_FUNCTION_LIST *call = NULL;
	CK_C_GetFunctionList get = NULL;
	void *handle = dlopen(SOFTHSM, RTLD_NOW);
	assert_non_null(handle);
	*(void **)&get = dlsym(handle, "C_GetFunctionList");
	assert_non_null(get);
	assert_int_equal(get(&call), CKR_OK);
	assert_int_equal(call->C_Initialize(NULL), CKR_OK);
	return call;
}

static CK_SESSION_HANDLE new_token(CK_FUNCTION_LIST *call)
{
	CK_SLOT_ID slots[4];
	CK_ULONG n = 4;
	CK_SESSION_HANDLE s;
	unsigned char label[32];
	memset(label, ' ', sizeof(label));
	memcpy(label, "audit", 5);
	assert_int_equal(call->C_GetSlotList(CK_TRUE, slots, &n), CKR_OK);
	assert_true(n > 0);
	assert_int_equal(call->C_InitToken(slots[0], (unsigned char *)"0815", 4, label), CKR_OK);
	n = 4;
	assert_int_equal(call->C_GetSlotList(CK_TRUE, slots, &n), CKR_OK);
	assert_int_equal(
		call->C_OpenSession(slots[0], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &s), CKR_OK);
	assert_int_equal(call->C_Login(s, CKU_SO, (unsigned char *)"0815", 4), CKR_OK);
	assert_int_equal(call->C_InitPIN(s, (unsigned char *)"4711", 4), CKR_OK);
	assert_int_equal(call->C_Logout(s), CKR_OK);
	assert_int_equal(call->C_Login(s, CKU_USER, (unsigned char *)"4711", 4), CKR_OK);
	return s;
}

static void make_pair(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE s, CK_MECHANISM_TYPE how, const char *label,
	const unsigned char *curve, size_t curve_len)
{
	CK_BBOOL yes = CK_TRUE;
	CK_MECHANISM m = {how, NULL, 0};
	CK_ATTRIBUTE public[] = {{CKA_TOKEN, &yes, 1}, {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)},
		{CKA_EC_PARAMS, (void *)(uintptr_t)curve, curve_len}};
	CK_ATTRIBUTE private[] = {{CKA_TOKEN, &yes, 1}, {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)},
		{CKA_PRIVATE, &yes, 1}, {CKA_SENSITIVE, &yes, 1}, {CKA_SIGN, &yes, 1}, {CKA_DERIVE, &yes, 1}};
	CK_OBJECT_HANDLE a, b;
	assert_int_equal(call->C_GenerateKeyPair(s, &m, public, 3, private, 6, &a, &b), CKR_OK);
}

static void make_secret(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE s)
{
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = CKK_GENERIC_SECRET;
	CK_ATTRIBUTE a[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_KEY_TYPE, &type, sizeof(type)},
		{CKA_VALUE, site.index_key, BLIND_KEY}, {CKA_LABEL, (void *)(uintptr_t) "index", 5},
		{CKA_TOKEN, &yes, 1}, {CKA_PRIVATE, &yes, 1}, {CKA_SENSITIVE, &yes, 1},
		{CKA_EXTRACTABLE, &no, 1}, {CKA_SIGN, &yes, 1}};
	CK_OBJECT_HANDLE o;
	assert_int_equal(call->C_CreateObject(s, a, ARRAY_LEN(a), &o), CKR_OK);
}

static char uris[4][512]; /* checkpoint, index, an auditor's, one that is not there */

static void make_token(void)
{
	/* Object identifiers in DER: prime256v1, Ed25519. SoftHSM2 takes a name for the latter too, and loses memory by it. */
	static const unsigned char p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07},
				   ed25519[] = {0x06, 0x03, 0x2b, 0x65, 0x70};
	static const char *const names[] = {
		"checkpoint", "index;type=secret-key", "auditor;type=private", "nothing"};
	char path[128], text[256];
	snprintf(path, sizeof(path), "%s/tokens", site.folder);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/softhsm.conf", site.folder);
	snprintf(text, sizeof(text),
		"directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n",
		site.folder);
	write_file(path, 0600, text);
	assert_int_equal(setenv("SOFTHSM2_CONF", path, 1), 0);
	snprintf(path, sizeof(path), "%s/pin", site.folder);
	write_file(path, 0600, "4711\n");
	CK_FUNCTION_LIST *call = module();
	CK_SESSION_HANDLE s = new_token(call);
	make_pair(call, s, CKM_EC_KEY_PAIR_GEN, "auditor", p256, sizeof(p256));
	make_pair(call, s, CKM_EC_EDWARDS_KEY_PAIR_GEN, "checkpoint", ed25519, sizeof(ed25519));
	make_secret(call, s);
	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(uris[i], sizeof(uris[i]),
			"pkcs11:token=audit;object=%s?module-path=" SOFTHSM "&pin-source=%s/pin", names[i],
			site.folder);
	}
}

static void keys_on_a_token(void **state)
{
	make_token();
	struct holder *h = holder_of(uris[0], uris[1]);
	struct holder_client auditor = {.whose = HOLDER_AUDITOR};
	signs(h, 3, 1);
	refuses(h, checkpoint_text(ORIGIN, 2, 1), ERR_ORDER);
	gives_tokens(h);
	/* The key stays there: no envelope. */
	assert_int_equal(ask(h, &auditor, ASK_INDEX_ENVELOPE, span_str("")), 0);
	assert_int_equal(answer_len, 2);
	holder_free(h);
	says(uris[3], uris[1], ERR_NOT_FOUND, "no private key of that name");
	says(uris[1], uris[1], ERR_VALUE, "type=secret-key");
	says(uris[0], uris[0], ERR_VALUE, "must say `type=secret-key`");
	says(uris[2], uris[1], ERR_UNSUPPORTED, "is no Ed25519 key");
}

static void an_auditor_on_a_token(void **state)
{
	struct token_key *key = NULL;
	struct hpke_opener o;
	char why[256];
	uint8_t secret[ENVELOPE_SECRET], got[ENVELOPE_SECRET], buf[ENVELOPE_MOST];
	struct writer w = writer_of(buf, sizeof(buf));
	int e = token_opener(uris[2], &key, &o, why, sizeof(why));
	if (e != 0) {
		fail_msg("%s", why);
	}
	assert_int_equal(o.public.kem, HPKE_P256);
	const struct hpke_public to[] = {site.opener[0].public, o.public};
	memset(secret, 0x3c, sizeof(secret));
	assert_int_equal(envelope_write(ENVELOPE_EPOCH, to, 2, secret, &w), 0);
	for (unsigned i = 0; i < 3; i++) {
		memset(got, 0, sizeof(got));
		assert_int_equal(envelope_open(ENVELOPE_EPOCH, writer_span_of(&w), &o, got), 0);
		assert_memory_equal(got, secret, sizeof(got));
	}
	buf[w.len - 1] ^= 1;
	assert_int_equal(envelope_open(ENVELOPE_EPOCH, writer_span_of(&w), &o, got), ERR_DENIED);
	token_key_free(key);
	key = NULL;
	assert_int_equal(token_opener(uris[0], &key, &o, why, sizeof(why)), ERR_UNSUPPORTED);
	assert_null(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_on_a_token),
		cmocka_unit_test(an_auditor_on_a_token),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
