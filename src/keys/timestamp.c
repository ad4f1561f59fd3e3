/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/timestamp.h"
#include "keys/x509.h"

#include <openssl/err.h>
#include <openssl/ts.h>
#include <openssl/tserr.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define AHEAD_MOST 300 /* seconds that another's clock may be before ours */

PRINTF(3, 4) static bool say(struct object_stamp *s, enum object_state state, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	(void)vsnprintf(s->why, sizeof(s->why), format, args);
	va_end(args);
	s->state = state;
	return false;
}

static PKCS7 *read_token(struct span token)
{
	const unsigned char *at = token.ptr;
	PKCS7 *p = token.len > 0 ? d2i_PKCS7(NULL, &at, (long)token.len) : NULL;
	size_t left = p ? token.len - (size_t)(at - token.ptr) : 0;
	if (left > 1 || (left == 1 && *at != 0)) {
		PKCS7_free(p);
		return NULL;
	}
	return p;
}

/* ---- What it is over ---- */

/* As TS_RESP_verify_token() has it: 1, 0 and an error in the queue. */
static int is_over(PKCS7 *token, struct span over)
{
	TS_VERIFY_CTX *ctx = TS_VERIFY_CTX_new();
	BIO *data = x509_bio(over);
	int right = 0;
	if (ctx && data) {
		(void)TS_VERIFY_CTX_set_flags(ctx, TS_VFY_VERSION | TS_VFY_DATA);
		(void)TS_VERIFY_CTX_set_data(ctx, data); /* which it frees */
		data = NULL;
		right = TS_RESP_verify_token(ctx, token) == 1;
	}
	BIO_free(data);
	TS_VERIFY_CTX_free(ctx);
	return right;
}

int timestamp_is_over(struct span token, struct span over)
{
	PKCS7 *p = read_token(token);
	TS_TST_INFO *info = p && PKCS7_type_is_signed(p) ? PKCS7_to_TS_TST_INFO(p) : NULL;
	int e = !info ? ERR_VALUE : is_over(p, over) ? 0 : ERR_NOT_FOUND;
	TS_TST_INFO_free(info);
	PKCS7_free(p);
	ERR_clear_error();
	return e;
}

static bool check_imprint(PKCS7 *token, TS_TST_INFO *info, struct span over, struct object_stamp *ret)
{
	X509_ALGOR *algorithm = TS_MSG_IMPRINT_get_algo(TS_TST_INFO_get_msg_imprint(info));
	const ASN1_OBJECT *hash;
	X509_ALGOR_get0(&hash, NULL, NULL, algorithm);
	int nid = OBJ_obj2nid(hash);
	ret->weak = nid == NID_md5 || nid == NID_sha1 || nid == NID_ripemd160;
	if (is_over(token, over)) {
		return true;
	}
	int reason = ERR_GET_REASON(ERR_peek_last_error());
	return reason == TS_R_MESSAGE_IMPRINT_MISMATCH
	               ? say(ret, OBJECT_FALSE, "it is over something else than this signature")
	       : reason == TS_R_UNSUPPORTED_VERSION
	               ? say(ret, OBJECT_UNKNOWN, "it is of a version that RFC 3161 does not have")
	               : say(ret, OBJECT_UNKNOWN, "it is by a hash that is not known here");
}

/* ---- When ---- */

static bool check_time(TS_TST_INFO *info, int64_t now_s, struct object_stamp *ret, int64_t *ret_s)
{
	time_t t;
	struct tm tm;
	if (x509_time_s(TS_TST_INFO_get_time(info), ret_s) < 0) {
		return say(ret, OBJECT_UNKNOWN, "its time cannot be read");
	}
	t = (time_t)*ret_s;
	if (!gmtime_r(&t, &tm) || strftime(ret->time, sizeof(ret->time), "%Y-%m-%d %H:%M:%S UTC", &tm) == 0) {
		ret->time[0] = 0;
		return say(ret, OBJECT_UNKNOWN, "its time cannot be read");
	}
	return *ret_s <= now_s + AHEAD_MOST || say(ret, OBJECT_UNTRUSTED, "its time is in the future");
}

/* ---- By whom ---- */

/* The last error that is of timestamps says what; the words of one about a certificate are in its data. */
static bool say_why(struct object_stamp *ret)
{
	const char *data = "", *words = "";
	int flags = 0, reason = 0;
	for (unsigned long e; (e = ERR_get_error_all(NULL, NULL, NULL, &data, &flags)) != 0;) {
		reason = ERR_GET_LIB(e) == ERR_LIB_TS ? ERR_GET_REASON(e) : reason;
		if (reason == TS_R_CERTIFICATE_VERIFY_ERROR && flags & ERR_TXT_STRING && !words[0]) {
			/* "Verify error:certificate has expired": the string lives as long as the queue's slot */
			static const char head[] = "Verify error:";
			words = strncmp(data, head, sizeof(head) - 1) == 0 ? data + sizeof(head) - 1 : data;
			return say(ret, OBJECT_UNTRUSTED,
				"its authority's certificate is not to be trusted: %s", words);
		}
	}
	return reason == TS_R_SIGNATURE_FAILURE
	               ? say(ret, OBJECT_FALSE,
				 "what its authority signed is something else, or another key signed it")
	       : reason == TS_R_ESS_SIGNING_CERTIFICATE_ERROR
	               ? say(ret, OBJECT_FALSE, "it is signed by another certificate than it names")
	       : reason == TS_R_THERE_MUST_BE_ONE_SIGNER
	               ? say(ret, OBJECT_UNKNOWN, "it has not just one signer")
	               : say(ret, OBJECT_UNKNOWN,
				 "its authority's certificate is not in it, or cannot be read");
}

/* Its chain once more: TS_RESP_verify_signature() keeps it to itself. */
static bool is_revoked(PKCS7 *token, X509 *signer, X509_STORE *store, const struct crl_list *lists,
	int64_t now_s, char *why, size_t cap)
{
	X509_STORE_CTX *c = lists ? X509_STORE_CTX_new() : NULL;
	bool revoked = false;
	if (c && X509_STORE_CTX_init(c, store, signer, token->d.sign->cert) == 1 &&
		X509_verify_cert(c) == 1) {
		revoked = crl_chain_revoked(
			lists, X509_STORE_CTX_get0_chain(c), now_s, "its authority's certificate", why, cap);
	} else if (lists) {
		snprintf(why, cap, "its authority's certificate cannot be looked up in the revocation lists");
		revoked = true;
	}
	X509_STORE_CTX_free(c);
	return revoked;
}

static bool check_signer(PKCS7 *token, X509_STORE *store, const struct crl_list *lists, int64_t now_s,
	struct object_stamp *ret)
{
	X509 *signer CLEANUP(x509_freep) = NULL;
	X509_VERIFY_PARAM *param = X509_VERIFY_PARAM_new();
	char revoked[200] = "";
	bool ready = param != NULL;
	if (ready) {
		X509_VERIFY_PARAM_set_time(param, (time_t)now_s);
		(void)X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
		ready = X509_STORE_set1_param(store, param) == 1;
	}
	X509_VERIFY_PARAM_free(param);
	STACK_OF(X509) *signers = PKCS7_get0_signers(token, NULL, 0);
	if (sk_X509_num(signers) == 1) {
		x509_name_text(X509_get_subject_name(sk_X509_value(signers, 0)), ret->by, sizeof(ret->by));
	}
	sk_X509_free(signers);
	ERR_clear_error();
	if (!ready) {
		return say(ret, OBJECT_UNKNOWN, "no memory");
	}
	/* With the purpose of timestamping: RFC 3161 2.3, a critical extended key usage that is that alone. */
	if (TS_RESP_verify_signature(token, NULL, store, &signer) != 1) {
		return say_why(ret);
	}
	return !is_revoked(token, signer, store, lists, now_s, revoked, sizeof(revoked)) ||
	       say(ret, OBJECT_UNTRUSTED, "%s", revoked);
}

void timestamp_judge(struct span token, struct span over, X509_STORE *store, const struct crl_list *lists,
	int64_t now_s, struct object_stamp *ret)
{
	int64_t at = 0;
	*ret = (struct object_stamp){.present = 1, .state = OBJECT_UNKNOWN};
	PKCS7 *p = read_token(token);
	TS_TST_INFO *info = p && PKCS7_type_is_signed(p) ? PKCS7_to_TS_TST_INFO(p) : NULL;
	if (!info) {
		(void)say(ret, OBJECT_UNKNOWN, "it is no token of RFC 3161");
	} else if (check_time(info, now_s, ret, &at) && check_imprint(p, info, over, ret) &&
		   check_signer(p, store, lists, now_s, ret)) {
		ret->state = OBJECT_GOOD;
		ret->time_s = at;
	}
	TS_TST_INFO_free(info);
	PKCS7_free(p);
	ERR_clear_error();
}

/* ---- What an authority answers ---- */

static int take_answer(TS_RESP *r, uint8_t **ret_token, size_t *ret_len, char *why, size_t cap)
{
	TS_STATUS_INFO *status = TS_RESP_get_status_info(r);
	long said = ASN1_INTEGER_get(TS_STATUS_INFO_get0_status(status));
	const STACK_OF(ASN1_UTF8STRING) *texts = TS_STATUS_INFO_get0_text(status);
	PKCS7 *token = TS_RESP_get_token(r);
	if (said != TS_STATUS_GRANTED && said != TS_STATUS_GRANTED_WITH_MODS) {
		const ASN1_UTF8STRING *text =
			sk_ASN1_UTF8STRING_num(texts) > 0 ? sk_ASN1_UTF8STRING_value(texts, 0) : NULL;
		snprintf(why, cap, "the timestamping authority refuses (status %ld)%s%.*s", said,
			text ? ": " : "", text ? ASN1_STRING_length(text) : 0,
			text ? (const char *)ASN1_STRING_get0_data(text) : "");
		return ERR_DENIED;
	}
	unsigned char *der = NULL;
	int len = token ? i2d_PKCS7(token, &der) : -1;
	uint8_t *copy = len > 0 ? malloc((size_t)len) : NULL;
	if (copy) {
		memcpy(copy, der, (size_t)len);
		*ret_token = copy;
		*ret_len = (size_t)len;
	} else {
		snprintf(why, cap, "the response holds no timestamp");
	}
	OPENSSL_free(der);
	return copy ? 0 : ERR_VALUE;
}

int timestamp_of_response(struct span response, uint8_t **ret_token, size_t *ret_len, char *why, size_t cap)
{
	const unsigned char *at = response.ptr;
	TS_RESP *r = response.len > 0 ? d2i_TS_RESP(NULL, &at, (long)response.len) : NULL;
	int e = r ? take_answer(r, ret_token, ret_len, why, cap) : ERR_VALUE;
	if (!r) {
		snprintf(why, cap, "the response is none of RFC 3161");
	}
	TS_RESP_free(r);
	ERR_clear_error();
	return e;
}
