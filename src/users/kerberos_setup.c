/* SPDX-License-Identifier: Apache-2.0 */
#include "users/kerberos_parts.h"
#include "users/keytab.h"

#include <errno.h>
#include <profile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- What the library would look for in krb5.conf ---- */

#define AES                                                                                                  \
	"aes256-cts-hmac-sha384-192 aes128-cts-hmac-sha256-128 aes256-cts-hmac-sha1-96 aes128-cts-hmac-sha1-96"

static const struct {
	const char *name, *value;
} settings[] = {
	{"permitted_enctypes", AES},
	{"allow_weak_crypto", "false"},
	{"default_rcache_name", "none:"}, /* the parent of the job has it */
	{"dns_lookup_kdc", "false"},
	{"dns_lookup_realm", "false"},
	{"dns_canonicalize_hostname", "false"},
	{"plugin_base_dir", "/nonexistent"},
};

static long found(const char *value, char ***ret_values)
{
	char **list = calloc(2, sizeof(*list));
	if (!list || !(list[0] = strdup(value))) {
		free(list);
		return ENOMEM;
	}
	*ret_values = list;
	return 0;
}

static long get_values(void *arg, const char *const *names, char ***ret_values)
{
	const struct user_kerberos *c = arg;
	char skew[16];
	if (!names[0] || strcmp(names[0], "libdefaults") != 0 || !names[1] || names[2]) {
		return PROF_NO_RELATION;
	}
	if (strcmp(names[1], "clockskew") == 0) {
		snprintf(skew, sizeof(skew), "%u", c->skew_s);
		return found(skew, ret_values);
	}
	if (strcmp(names[1], "default_realm") == 0) {
		return found(strchr(c->principal, '@') + 1, ret_values);
	}
	for (unsigned i = 0; i < ARRAY_LEN(settings); i++) {
		if (strcmp(settings[i].name, names[1]) == 0) {
			return found(settings[i].value, ret_values);
		}
	}
	return PROF_NO_RELATION;
}

static void free_values(void *arg, char **values)
{
	(void)arg;
	for (char **v = values; v && *v; v++) {
		free(*v);
	}
	free(values);
}

static long copy(void *arg, void **ret_arg)
{
	*ret_arg = arg;
	return 0;
}

krb5_error_code kerberos_context(const struct user_kerberos *config, krb5_context *ret_context)
{
	static struct profile_vtable table = {
		.minor_ver = 1, .get_values = get_values, .free_values = free_values, .copy = copy};
	profile_t profile = NULL;
	long e = profile_init_vtable(&table, (void *)(uintptr_t)config, &profile);
	if (e != 0) {
		return (krb5_error_code)e;
	}
	e = krb5_init_context_profile(profile, KRB5_INIT_CONTEXT_SECURE, ret_context);
	profile_release(profile);
	return (krb5_error_code)e;
}

/* ---- Keys ---- */

static krb5_error_code add(
	krb5_context context, krb5_keytab keytab, krb5_principal principal, const struct keytab_entry *e)
{
	krb5_keytab_entry entry = {.magic = KV5M_KEYTAB_ENTRY, .principal = principal, .vno = e->version};
	entry.key.magic = KV5M_KEYBLOCK;
	entry.key.enctype = e->kind;
	entry.key.length = (unsigned)e->key.len;
	entry.key.contents = (krb5_octet *)(uintptr_t)e->key.ptr;
	return krb5_kt_add_entry(context, keytab, &entry);
}

krb5_error_code kerberos_keytab(
	krb5_context context, const struct user_kerberos *config, struct span file, krb5_keytab *ret_keytab)
{
	struct reader r;
	struct keytab_entry e;
	krb5_principal principal = NULL;
	krb5_keytab keytab = NULL;
	unsigned n = 0;
	krb5_error_code err = krb5_parse_name(context, config->principal, &principal);
	err = err == 0 ? krb5_kt_resolve(context, "MEMORY:gantry", &keytab) : err;
	for (bool more = keytab_begin(file, &r) == 0; err == 0 && more && keytab_next(&r, &e) == 0;) {
		if (keytab_is(&e, config->principal) && keytab_is_strong(&e)) {
			err = add(context, keytab, principal, &e);
			n++;
		}
	}
	krb5_free_principal(context, principal);
	if (err == 0 && n > 0) {
		*ret_keytab = keytab;
		return 0;
	}
	if (keytab) {
		krb5_kt_close(context, keytab);
	}
	return err == 0 ? KRB5_KT_NOTFOUND : err;
}
