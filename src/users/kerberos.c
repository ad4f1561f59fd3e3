/* SPDX-License-Identifier: Apache-2.0 */
#include "users/kerberos_parts.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

/*
 * A Kerberos service ticket with its authenticator: the AP-REQ of RFC 4120 5.5.1 (PS3.7 speaks of RFC 1510), without any wrapping,
 * answered with the AP-REP. In a module of its own, and in a process that ends with the answer.
 */

/* The sentence of each fault that has one; of others the library's own. */
static const struct {
	krb5_error_code code;
	const char *why;
} faults[] = {
	{KRB5KRB_AP_ERR_TKT_EXPIRED, "its Kerberos ticket has expired"},
	{KRB5KRB_AP_ERR_TKT_NYV, "its Kerberos ticket is not valid yet"},
	{KRB5KRB_AP_ERR_SKEW,
		"its clock and the gateway's differ by more than Kerberos allows (`clock-skew`)"},
	{KRB5KRB_AP_ERR_BAD_INTEGRITY,
		"its Kerberos ticket cannot be opened with the key in the gateway's keytab"},
	{KRB5KRB_AP_ERR_MODIFIED,
		"its Kerberos ticket cannot be opened with the key in the gateway's keytab"},
	{KRB5KRB_AP_WRONG_PRINC, "its Kerberos ticket is for another service or realm"},
	{KRB5KRB_AP_ERR_NOT_US, "its Kerberos ticket is for another service or realm"},
	{KRB5_KT_NOTFOUND, "its Kerberos ticket is for another service or realm"},
	{KRB5KRB_AP_ERR_NOKEY, "its Kerberos ticket needs a key that the gateway's keytab has not"},
	{KRB5_KT_KVNONOTFOUND,
		"its Kerberos ticket needs another version of the key than the gateway's keytab has"},
	{KRB5KRB_AP_ERR_BADKEYVER,
		"its Kerberos ticket needs another version of the key than the gateway's keytab has"},
	{KRB5KRB_AP_ERR_BADMATCH, "its Kerberos ticket is another user's than its authenticator"},
	{KRB5KRB_AP_ERR_ILL_CR_TKT, "its Kerberos ticket came by way of realms that are not trusted"},
	{KRB5_NOPERM_ETYPE, "its Kerberos ticket is encrypted by something else than AES"},
	{KRB5_PROG_ETYPE_NOSUPP, "its Kerberos ticket is encrypted by something else than AES"},
	{KRB5_BAD_ENCTYPE, "its Kerberos ticket is encrypted by something else than AES"},
};

struct ticket {
	const struct proof_request *r;
	const struct user_kerberos *c;
	krb5_context context;
	krb5_auth_context auth;
	krb5_principal server;
	krb5_authenticator *who;
	struct proof *ret;
};

static void refuse_fault(struct ticket *t, krb5_error_code e)
{
	char why[256];
	for (unsigned i = 0; i < ARRAY_LEN(faults); i++) {
		if (faults[i].code == e) {
			proof_refuse(t->ret, faults[i].why);
			return;
		}
	}
	const char *text = krb5_get_error_message(t->context, e);
	snprintf(why, sizeof(why), "its Kerberos ticket was refused: %.180s", text);
	proof_refuse(t->ret, why);
}

/* RFC 4120 5.5.1: [APPLICATION 14]. PS3.7 knows no GSS-API around it. */
static bool is_request(struct span s)
{
	return s.len > 2 && s.ptr[0] == 0x6e;
}

static krb5_error_code read_request(struct ticket *t)
{
	krb5_data in = {.magic = KV5M_DATA, .length = (unsigned)t->r->primary.len};
	krb5_keytab keytab = NULL;
	in.data = (char *)(uintptr_t)t->r->primary.ptr;
	krb5_error_code e = kerberos_keytab(t->context, t->c, t->r->files[FILE_KEYTAB], &keytab);
	e = e == 0 ? krb5_parse_name(t->context, t->c->principal, &t->server) : e;
	e = e == 0 ? krb5_rd_req(t->context, &t->auth, &in, t->server, keytab, NULL, NULL) : e;
	return e == 0 ? krb5_auth_con_getauthenticator(t->context, t->auth, &t->who) : e;
}

static bool is_realm(const krb5_data *d, const char *name)
{
	return d->length == strlen(name) && memcmp(d->data, name, d->length) == 0;
}

static bool realm_is_taken(const struct ticket *t)
{
	const krb5_data *realm = &t->who->client->realm;
	for (unsigned i = 0; i < t->c->realms.n; i++) {
		if (is_realm(realm, t->c->realms.at[i])) {
			return true;
		}
	}
	return t->c->realms.n == 0 && is_realm(realm, strchr(t->c->principal, '@') + 1);
}

/* RFC 4120 3.2.3: what an authenticator is known by; and its sequence number, as two of one moment may be made elsewhere. */
static bool note_once(struct ticket *t, const char *client)
{
	char text[1200];
	int n = snprintf(text, sizeof(text), "%s\n%s\n%lld\n%ld\n%ld", client, t->c->principal,
		(long long)(uint32_t)t->who->ctime, (long)t->who->cusec, (long)t->who->seq_number);
	if (n < 0 || (size_t)n >= sizeof(text) ||
		EVP_Digest(text, (size_t)n, t->ret->once, NULL, EVP_sha256(), NULL) != 1) {
		return false;
	}
	t->ret->once_until_s = (int64_t)(uint32_t)t->who->ctime + t->c->skew_s + 2;
	return true;
}

static bool answer(struct ticket *t)
{
	krb5_data out = {0};
	krb5_error_code e = krb5_mk_rep(t->context, t->auth, &out);
	bool good = e == 0 && out.length <= sizeof(t->ret->response);
	if (good) {
		memcpy(t->ret->response, out.data, out.length);
		t->ret->response_len = out.length;
	}
	krb5_free_data_contents(t->context, &out);
	return good;
}

static void take(struct ticket *t)
{
	const char *realm = strchr(t->c->principal, '@') + 1;
	bool own = is_realm(&t->who->client->realm, realm);
	char *whole = NULL, *name = NULL;
	*t->ret = (struct proof){0};
	if (!realm_is_taken(t)) {
		proof_refuse(
			t->ret, "its Kerberos principal is of a realm whose users are not taken (`realms`)");
		return;
	}
	if ((int64_t)(uint32_t)t->who->ctime < t->r->since_s) {
		proof_refuse(t->ret,
			"its authenticator is older than the gateway's record of those that were used: it must try again");
		return;
	}
	if (krb5_unparse_name(t->context, t->who->client, &whole) != 0 ||
		krb5_unparse_name_flags(t->context, t->who->client,
			own && !t->c->keep_realm ? KRB5_PRINCIPAL_UNPARSE_NO_REALM : 0, &name) != 0 ||
		strncmp(whole, "WELLKNOWN/", 10) == 0) {
		proof_refuse(t->ret, "its Kerberos principal is no user's");
	} else if (!note_once(t, whole) || !answer(t)) {
		proof_refuse(t->ret, "its Kerberos ticket could not be answered");
	} else if (strlen(name) > 255) {
		proof_refuse(t->ret, "its Kerberos principal is too long");
	} else {
		(void)proof_set_name(t->ret, name, strlen(name));
	}
	krb5_free_unparsed_name(t->context, whole);
	krb5_free_unparsed_name(t->context, name);
}

void users_kerberos(const struct proof_request *r, struct proof *ret)
{
	struct ticket t = {.r = r, .c = &r->config->kerberos, .ret = ret};
	proof_refuse(ret, "the gateway's Kerberos library could not be set up");
	if (kerberos_context(t.c, &t.context) != 0) {
		return;
	}
	krb5_error_code e = is_request(r->primary) ? read_request(&t) : 0;
	if (!is_request(r->primary)) {
		proof_refuse(ret, "what it sent is no Kerberos service ticket (an AP-REQ, RFC 4120 5.5.1)");
	} else if (e != 0) {
		refuse_fault(&t, e);
	} else {
		take(&t);
	}
	krb5_free_authenticator(t.context, t.who);
	krb5_free_principal(t.context, t.server);
	if (t.auth) {
		krb5_auth_con_free(t.context, t.auth);
	}
	krb5_free_context(t.context);
}
