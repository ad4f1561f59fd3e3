/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/mail_seal.h"

#include "keys/cms_seal_parts.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LINE        57 /* bytes that are 76 characters of base64: RFC 2045 6.8 */
#define SIGNED_MOST (128u * 1024)

/* Not in base64, nor in the text. */
#define OUTER "=_gantry_signed"
#define MIXED "=_gantry_mail"
#define FILES "=_gantry_files"

struct base64 {
	uint8_t left[LINE];
	size_t n;
};

struct mail {
	const struct cms_sealing *s;
	int64_t now_s;
	cms_put *put;
	void *arg;
	struct cms_file *sealed;
	EVP_MD_CTX *digest; /* NULL: what is written is not signed */
	struct base64 outer, file;
	bool in_file;
	int err;
};

typedef int line_put(struct mail *m, const char *text, size_t n);

/* ---- Base64, in lines ---- */

static int put_line(struct mail *m, const uint8_t *bytes, size_t n, line_put *put)
{
	uint8_t line[4 * LINE / 3 + 3];
	int len = EVP_EncodeBlock(line, bytes, (int)n);
	line[len++] = '\r';
	line[len++] = '\n';
	return put(m, (const char *)line, (size_t)len);
}

static int encode(struct mail *m, struct base64 *b, struct span bytes, line_put *put)
{
	int e = m->err;
	while (e == 0 && bytes.len > 0) {
		size_t n = LINE - b->n < bytes.len ? LINE - b->n : bytes.len;
		memcpy(b->left + b->n, bytes.ptr, n);
		b->n += n;
		bytes = span_of(bytes.ptr + n, bytes.len - n);
		if (b->n == LINE) {
			e = put_line(m, b->left, b->n, put);
			b->n = 0;
		}
	}
	return e;
}

static int encode_end(struct mail *m, struct base64 *b, line_put *put)
{
	int e = m->err ? m->err : b->n > 0 ? put_line(m, b->left, b->n, put) : 0;
	b->n = 0;
	return e;
}

/* ---- Outside and inside ---- */

static int put_outer(struct mail *m, const char *text, size_t n)
{
	m->err = m->err ? m->err : m->put(m->arg, span_of((const uint8_t *)text, n));
	return m->err;
}

static int put_sealed(void *arg, struct span bytes)
{
	struct mail *m = arg;
	return encode(m, &m->outer, bytes, put_outer);
}

static int put_inner(struct mail *m, const char *text, size_t n)
{
	if (m->err == 0 && m->digest && EVP_DigestUpdate(m->digest, text, n) != 1) {
		m->err = ERR_TLS;
	}
	m->err = m->err ? m->err : cms_file_more(m->sealed, span_of((const uint8_t *)text, n));
	return m->err;
}

static int say(struct mail *m, const char *text)
{
	return put_inner(m, text, strlen(text));
}

/* ---- The head that a mail server reads ---- */

static bool is_address(const char *text)
{
	return strlen(text) < 255 && strchr(text, '@') &&
	       strspn(text,
		       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@.!#$%&'*+-/=?^_{|}~") ==
	               strlen(text);
}

/* The first of a certificate's that is one; "": it has none. */
static void address_of(X509 *cert, char to[256])
{
	STACK_OF(OPENSSL_STRING) *all = X509_get1_email(cert);
	to[0] = '\0';
	for (int i = 0; i < sk_OPENSSL_STRING_num(all) && !to[0]; i++) {
		const char *text = sk_OPENSSL_STRING_value(all, i);
		if (is_address(text)) {
			snprintf(to, 256, "%s", text);
		}
	}
	X509_email_free(all);
}

/* "To: a@b.c,\r\n d@e.f\r\n", or nothing. */
static void put_addresses(struct mail *m, const char *field, X509 *const *certs, unsigned n)
{
	char address[256], text[320];
	unsigned known = 0;
	for (unsigned i = 0; i < n; i++) {
		address_of(certs[i], address);
		if (address[0]) {
			snprintf(text, sizeof(text), "%s%s %s", known ? "," : field, known ? "\r\n" : ":",
				address);
			(void)put_outer(m, text, strlen(text));
			known++;
		}
	}
	if (known) {
		(void)put_outer(m, "\r\n", 2);
	}
}

static int put_head(struct mail *m)
{
	char text[128], date[64];
	struct tm tm;
	time_t now = (time_t)m->now_s;
	size_t n = gmtime_r(&now, &tm) ? strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm) : 0;
	snprintf(text, sizeof(text), "Date: %s\r\n", n > 0 ? date : "Thu, 01 Jan 1970 00:00:00 +0000");
	(void)put_outer(m, text, strlen(text));
	put_addresses(m, "From", &m->s->signer, 1);
	put_addresses(m, "To", m->s->to, m->s->n_to);
	static const char rest[] = "Subject: Medical images\r\n"
				   "MIME-Version: 1.0\r\n"
				   "Content-Type: application/pkcs7-mime; smime-type=enveloped-data;\r\n"
				   " name=\"smime.p7m\"\r\n"
				   "Content-Transfer-Encoding: base64\r\n"
				   "Content-Disposition: attachment; filename=\"smime.p7m\"\r\n"
				   "\r\n";
	return put_outer(m, rest, strlen(rest));
}

/* ---- What is encrypted ---- */

/* From where it is signed on, which is after the line of the boundary. */
static int put_inner_head(struct mail *m, const char *text)
{
	(void)say(m, "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n"
		     " micalg=sha-256; boundary=\"" OUTER "\"\r\n\r\n--" OUTER "\r\n");
	m->digest = EVP_MD_CTX_new();
	if (m->err == 0 && (!m->digest || EVP_DigestInit_ex(m->digest, EVP_sha256(), NULL) != 1)) {
		m->err = ERR_NO_MEMORY;
	}
	(void)say(m, "Content-Type: multipart/mixed; boundary=\"" MIXED "\"\r\n\r\n--" MIXED "\r\n"
		     "Content-Type: text/plain; charset=us-ascii\r\n\r\n");
	(void)say(m, text);
	return say(m, "\r\n--" MIXED "\r\nContent-Type: multipart/related; type=\"application/dicom\";\r\n"
		      " boundary=\"" FILES "\"\r\n");
}

int mail_begin(const struct cms_sealing *s, int64_t now_s, const char *text, cms_put *put, void *arg,
	struct mail **ret_mail)
{
	if (s->n_to == 0 || !s->key) {
		return ERR_MISSING;
	}
	struct mail *m = calloc(1, sizeof(*m));
	if (!m) {
		return ERR_NO_MEMORY;
	}
	*m = (struct mail){.s = s, .now_s = now_s, .put = put, .arg = arg};
	int e = put_head(m);
	e = e < 0 ? e : cms_bare_begin(s, put_sealed, m, &m->sealed);
	e = e < 0 ? e : put_inner_head(m, text);
	if (e < 0) {
		mail_free(m);
		return e;
	}
	*ret_mail = m;
	return 0;
}

static int end_file(struct mail *m)
{
	if (!m->in_file) {
		return m->err;
	}
	m->in_file = false;
	return encode_end(m, &m->file, put_inner);
}

int mail_file(struct mail *m, const char *id)
{
	char text[512];
	const char *slash = strrchr(id, '/');
	(void)end_file(m);
	snprintf(text, sizeof(text),
		"\r\n--" FILES "\r\nContent-Type: application/dicom; id=\"%.100s\"\r\n"
		"Content-Transfer-Encoding: base64\r\n"
		"Content-Disposition: attachment; filename=\"%.100s\"\r\n\r\n",
		id, slash ? slash + 1 : id);
	m->in_file = true;
	return say(m, text);
}

int mail_more(struct mail *m, struct span bytes)
{
	return encode(m, &m->file, bytes, put_inner);
}

/* The signature of what was said so far, which is not of it any more. */
static int put_signature(struct mail *m)
{
	uint8_t hash[CMS_HASH], *bytes = malloc(SIGNED_MOST);
	struct writer w = writer_of(bytes, SIGNED_MOST);
	struct base64 b = {.n = 0};
	int e = !bytes ? ERR_NO_MEMORY : EVP_DigestFinal_ex(m->digest, hash, NULL) != 1 ? ERR_TLS : 0;
	EVP_MD_CTX_free(m->digest);
	m->digest = NULL;
	e = e < 0 ? e : cms_put_detached(&w, m->s, m->now_s, hash);
	m->err = m->err ? m->err : e;
	(void)say(m, "\r\n--" OUTER "\r\nContent-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\n"
		     "Content-Transfer-Encoding: base64\r\n"
		     "Content-Disposition: attachment; filename=\"smime.p7s\"\r\n\r\n");
	e = encode(m, &b, writer_span_of(&w), put_inner);
	e = e < 0 ? e : encode_end(m, &b, put_inner);
	free(bytes);
	return e < 0 ? e : say(m, "\r\n--" OUTER "--\r\n");
}

int mail_end(struct mail *m)
{
	int e = end_file(m);
	e = e < 0 ? e : say(m, "\r\n--" FILES "--\r\n\r\n--" MIXED "--\r\n");
	e = e < 0 ? e : put_signature(m);
	e = e < 0 ? e : cms_file_end(m->sealed);
	e = e < 0 ? e : encode_end(m, &m->outer, put_outer);
	ERR_clear_error();
	m->err = e;
	return e;
}

void mail_free(struct mail *m)
{
	if (m) {
		cms_file_free(m->sealed);
		EVP_MD_CTX_free(m->digest);
		OPENSSL_cleanse(m, sizeof(*m));
		free(m);
	}
}
