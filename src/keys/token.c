/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/token_parts.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Slots of a module, and keys of a name, that are looked at. */
#define SLOTS_MOST 64
#define PIN_MOST   256

struct module {
	void *handle;
	CK_FUNCTION_LIST *call;
	char path[4096];
	struct module *next;
};

/* Loaded once, however many keys are in it; never unloaded: a module may have threads. */
static struct module *modules;

static const char *rv_text(CK_RV rv, char buf[64])
{
	static const struct {
		CK_RV rv;
		const char *text;
	} texts[] = {
		{CKR_PIN_INCORRECT, "the PIN is wrong"},
		{CKR_PIN_LOCKED, "the PIN is locked after too many wrong ones"},
		{CKR_PIN_EXPIRED, "the PIN has expired"},
		{CKR_USER_PIN_NOT_INITIALIZED, "the token has no user PIN yet"},
		{CKR_TOKEN_NOT_PRESENT, "the token is not there"},
		{CKR_TOKEN_NOT_RECOGNIZED, "the module does not know this token"},
		{CKR_DEVICE_REMOVED, "the token was removed"},
		{CKR_DEVICE_ERROR, "the token has a fault"},
		{CKR_GENERAL_ERROR, "the module says no more than CKR_GENERAL_ERROR"},
		{CKR_MECHANISM_INVALID, "the token does not have this kind of signature"},
		{CKR_KEY_FUNCTION_NOT_PERMITTED, "the key is not marked for signing (CKA_SIGN)"},
		{CKR_KEY_TYPE_INCONSISTENT, "the key is of another kind than the certificate's"},
	};
	for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
		if (texts[i].rv == rv) {
			return texts[i].text;
		}
	}
	snprintf(buf, 64, "PKCS#11 error 0x%lx", rv);
	return buf;
}

/* ---- The module ---- */

int token_environment(const char *const *variables, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const char *is = strchr(variables[i], '=');
		char *name = is ? strndup(variables[i], (size_t)(is - variables[i])) : NULL;
		if (!name || setenv(name, is + 1, 1) != 0) {
			free(name);
			return ERR_NO_MEMORY;
		}
		free(name);
	}
	return 0;
}

static int load(const char *path, CK_FUNCTION_LIST **ret_call, char *why, size_t cap)
{
	char text[64];
	for (struct module *m = modules; m; m = m->next) {
		if (strcmp(m->path, path) == 0) {
			*ret_call = m->call;
			return 0;
		}
	}
	struct module *m = calloc(1, sizeof(*m));
	if (!m) {
		return ERR_NO_MEMORY;
	}
	snprintf(m->path, sizeof(m->path), "%s", path);
	m->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	CK_C_GetFunctionList get = NULL;
	if (m->handle) {
		*(void **)&get = dlsym(m->handle, "C_GetFunctionList");
	}
	if (!get) {
		const char *said = dlerror();
		snprintf(why, cap, "the PKCS#11 module %s cannot be loaded: %s", path,
			said ? said : "it has no C_GetFunctionList");
		free(m);
		return ERR_SYSTEM;
	}
	CK_RV rv = get(&m->call);
	rv = rv == CKR_OK ? m->call->C_Initialize(NULL) : rv;
	if (rv != CKR_OK && rv != CKR_CRYPTOKI_ALREADY_INITIALIZED) {
		snprintf(why, cap, "the PKCS#11 module %s does not start: %s", path, rv_text(rv, text));
		free(m);
		return ERR_SYSTEM;
	}
	m->next = modules;
	modules = m;
	*ret_call = m->call;
	return 0;
}

/* ---- The token ---- */

/* Texts of a token are padded with spaces to a fixed length. */
static bool padded_is(const unsigned char *text, size_t len, const char *want)
{
	size_t n = strlen(want);
	if (!want[0]) {
		return true;
	}
	if (n > len || memcmp(text, want, n) != 0) {
		return false;
	}
	for (size_t i = n; i < len; i++) {
		if (text[i] != ' ' && text[i] != 0) {
			return false;
		}
	}
	return true;
}

static int find_slot(
	CK_FUNCTION_LIST *call, const struct token_uri *u, CK_SLOT_ID *ret_slot, char *why, size_t cap)
{
	CK_SLOT_ID slots[SLOTS_MOST];
	CK_ULONG n = SLOTS_MOST;
	char text[64];
	unsigned found = 0;
	CK_RV rv = call->C_GetSlotList(CK_TRUE, slots, &n);
	if (rv != CKR_OK) {
		snprintf(why, cap, "the PKCS#11 module %s lists no tokens: %s", u->module, rv_text(rv, text));
		return ERR_SYSTEM;
	}
	for (CK_ULONG i = 0; i < n; i++) {
		CK_TOKEN_INFO t;
		if (call->C_GetTokenInfo(slots[i], &t) == CKR_OK && (!u->has_slot || u->slot == slots[i]) &&
			padded_is(t.label, sizeof(t.label), u->token) &&
			padded_is(t.serialNumber, sizeof(t.serialNumber), u->serial) &&
			padded_is(t.manufacturerID, sizeof(t.manufacturerID), u->manufacturer) &&
			padded_is(t.model, sizeof(t.model), u->model)) {
			*ret_slot = slots[i];
			found++;
		}
	}
	if (found != 1) {
		snprintf(why, cap, "%s token of the PKCS#11 module %s is the one that the URI names: %s",
			found ? "more than one" : "no", u->module,
			found ? "add `serial=`" : "is it there, and may this user reach it?");
		return ERR_NOT_FOUND;
	}
	return 0;
}

static int read_pin(const char *path, char *pin, size_t *ret_len, char *why, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, pin, PIN_MOST);
	if (n < 0) {
		snprintf(why, cap, "the PIN's file %s cannot be read: %s", path, strerror(errno));
	}
	if (fd >= 0) {
		close(fd);
	}
	if (n < 0) {
		return ERR_SYSTEM;
	}
	const char *end = memchr(pin, '\n', (size_t)n);
	*ret_len = end ? (size_t)(end - pin) : (size_t)n;
	return 0;
}

static int log_in(struct token_key *k, const struct token_uri *u, char *why, size_t cap)
{
	char pin[PIN_MOST], text[64];
	size_t len = 0;
	if (!u->pin_file[0]) {
		return 0;
	}
	int e = read_pin(u->pin_file, pin, &len, why, cap);
	if (e < 0) {
		return e;
	}
	CK_RV rv = k->call->C_Login(k->session, CKU_USER, (unsigned char *)pin, len);
	OPENSSL_cleanse(pin, sizeof(pin));
	if (rv != CKR_OK && rv != CKR_USER_ALREADY_LOGGED_IN) {
		bool is_asked = strncmp(u->pin_file, "/proc/self/fd/", 14) == 0; /* it has no file */
		snprintf(why, cap, "the token takes no login with %s%s: %s",
			is_asked ? "that PIN" : "the PIN of ", is_asked ? "" : u->pin_file,
			rv_text(rv, text));
		return ERR_DENIED;
	}
	return 0;
}

/* At most two, which is one too many. */
static CK_RV find(struct token_key *k, const struct token_uri *u, CK_OBJECT_CLASS class,
	CK_OBJECT_HANDLE found[2], CK_ULONG *ret_n)
{
	CK_ATTRIBUTE want[3] = {{CKA_CLASS, &class, sizeof(class)}};
	CK_ULONG n_want = 1;
	if (u->object[0]) {
		want[n_want++] = (CK_ATTRIBUTE){CKA_LABEL, (void *)(uintptr_t)u->object, strlen(u->object)};
	}
	if (u->id_len > 0) {
		want[n_want++] = (CK_ATTRIBUTE){CKA_ID, (void *)(uintptr_t)u->id, u->id_len};
	}
	CK_RV rv = k->call->C_FindObjectsInit(k->session, want, n_want);
	if (rv == CKR_OK) {
		rv = k->call->C_FindObjects(k->session, found, 2, ret_n);
		(void)k->call->C_FindObjectsFinal(k->session);
	}
	return rv;
}

static int find_key(struct token_key *k, const struct token_uri *u, char *why, size_t cap)
{
	CK_ULONG n = 0;
	CK_OBJECT_HANDLE found[2];
	char text[64];
	const char *what = u->secret ? "secret" : "private";
	CK_RV rv = find(k, u, u->secret ? CKO_SECRET_KEY : CKO_PRIVATE_KEY, found, &n);
	if (rv != CKR_OK) {
		snprintf(why, cap, "the token does not let itself be searched: %s", rv_text(rv, text));
		return ERR_SYSTEM;
	}
	if (n != 1) {
		snprintf(why, cap, "the token has %s %s key of that name%s", n ? "more than one" : "no", what,
			n                ? ": add `id=`"
			: u->pin_file[0] ? ""
					 : ": without a login (`pin-source=`) such keys are often not shown");
		return ERR_NOT_FOUND;
	}
	k->key = found[0];
	k->public = CK_INVALID_HANDLE;
	if (!u->secret && find(k, u, CKO_PUBLIC_KEY, found, &n) == CKR_OK && n == 1) {
		k->public = found[0];
	}
	return 0;
}

static int open_session(struct token_key *k, const struct token_uri *u, char *why, size_t cap)
{
	CK_SLOT_ID slot = 0;
	char text[64];
	int e = find_slot(k->call, u, &slot, why, cap);
	if (e < 0) {
		return e;
	}
	CK_RV rv = k->call->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &k->session);
	if (rv != CKR_OK) {
		snprintf(why, cap, "the token gives no session: %s", rv_text(rv, text));
		return ERR_SYSTEM;
	}
	e = log_in(k, u, why, cap);
	e = e < 0 ? e : find_key(k, u, why, cap);
	if (e < 0) {
		(void)k->call->C_CloseSession(k->session);
	}
	return e;
}

static int open_key(const char *uri, bool secret, struct token_key **ret_key, char *why, size_t cap)
{
	struct token_key *k = calloc(1, sizeof(*k));
	struct token_uri *u = calloc(1, sizeof(*u));
	int e = k && u ? token_uri_parse(uri, u, why, cap) : ERR_NO_MEMORY;
	if (e == 0 && u->secret != secret) {
		snprintf(why, cap,
			secret ? "the pkcs11: URI must say `type=secret-key`"
			       : "the pkcs11: URI names a secret key (`type=secret-key`), and a private one is needed");
		e = ERR_VALUE;
	}
	e = e < 0 ? e : load(u->module, &k->call, why, cap);
	e = e < 0 ? e : open_session(k, u, why, cap);
	free(u);
	if (e < 0) {
		free(k);
		return e;
	}
	*ret_key = k;
	return 0;
}

int token_key_open(const char *uri, enum sign_kind kind, struct token_key **ret_key, char *why, size_t cap)
{
	return open_key(uri, false, ret_key, why, cap);
}

int token_secret_open(const char *uri, struct token_key **ret_key, char *why, size_t cap)
{
	return open_key(uri, true, ret_key, why, cap);
}

void token_key_free(struct token_key *k)
{
	if (k) {
		(void)k->call->C_CloseSession(k->session);
		free(k);
	}
}
