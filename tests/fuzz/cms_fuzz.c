/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/cms_inflate.h"
#include "keys/cms_parts.h"
#include "keys/cms_recipients.h"

#include <fcntl.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A Secure DICOM File that is taken apart. Where OpenSSL, which holds all of it, can read it too, both see the same content. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

/* All pieces, one after another; they cannot be more than the content. */
static int collect(const struct cms_parts *p, uint8_t *to, size_t *ret_len)
{
	struct cms_pieces pieces = cms_pieces_of(p);
	struct span piece;
	size_t len = 0;
	int more;
	while ((more = cms_pieces_next(&pieces, &piece)) > 0) {
		must(piece.len > 0 && piece.len <= p->content.len - len);
		memcpy(to + len, piece.ptr, piece.len);
		len += piece.len;
	}
	*ret_len = len;
	return more;
}

static void compare(struct span whole, const struct cms_parts *p, struct span content)
{
	const uint8_t *at = whole.ptr;
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &at, (long)whole.len);
	if (cms) {
		ASN1_OCTET_STRING **octets = CMS_get0_content(cms);
		must(octets && (*octets != NULL) == p->has_content);
		must(!*octets || ((size_t)ASN1_STRING_length(*octets) == content.len &&
					 (content.len == 0 || memcmp(ASN1_STRING_get0_data(*octets),
								      content.ptr, content.len) == 0)));
		CMS_ContentInfo_free(cms);
	}
	ERR_clear_error();
}

/* Where a key on a token looks for what is sealed to it. Its certificate has the issuer that those of the corpus name. */
static void look_for_key(struct span around)
{
	static X509 *cert;
	static uint8_t without[CMS_AROUND_MOST];
	struct writer w = writer_of(without, sizeof(without));
	struct cms_sealed_key k;
	if (!cert) {
		X509_NAME *name = X509_NAME_new();
		cert = X509_new();
		must(cert && name);
		must(X509_NAME_add_entry_by_txt(
			     name, "CN", MBSTRING_ASC, (const uint8_t *)"made", -1, -1, 0) == 1);
		must(X509_set_issuer_name(cert, name) == 1 &&
			ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) == 1);
		X509_NAME_free(name);
	}
	if (cms_recipients_find(around, cert, &k) == 0) {
		must(k.key.ptr >= around.ptr && k.key.ptr + k.key.len <= around.ptr + around.len);
		must(k.hash == 0 || k.hash == 20 || k.hash == 32 || k.hash == 48 || k.hash == 64);
	}
	must(cms_recipients_without(around, &w) != 0 || w.len <= around.len + 16);
	ERR_clear_error();
}

/* Never more than it may become; where all of it is there, as much as is counted. */
static void inflate_it(const struct cms_parts *p)
{
	uint64_t most = 100000, room = most;
	int file = memfd_create("inflated", MFD_CLOEXEC);
	int e = cms_inflate(p, file, &room);
	must(room <= most && lseek(file, 0, SEEK_END) == (off_t)(most - room));
	must(e == 0 || e == ERR_VALUE || e == ERR_TRUNCATED || e == ERR_LIMIT);
	close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1), *around = malloc(CMS_AROUND_MOST),
		*content = malloc(size ? size : 1);
	struct cms_parts p;
	size_t len;
	must(copy && around && content);
	memcpy(copy, data, size);
	for (enum cms_type type = CMS_NONE; type <= CMS_COMPRESSED_DATA; type++) {
		struct writer w = writer_of(around, CMS_AROUND_MOST);
		if (type == CMS_PLAIN || cms_parts_read(span_of(copy, size), type, &w, &p) != 0) {
			continue;
		}
		must(p.type != CMS_NONE && p.type != CMS_PLAIN);
		look_for_key(writer_span_of(&w));
		if (p.type == CMS_COMPRESSED_DATA && p.has_content) {
			inflate_it(&p);
		}
		if (collect(&p, content, &len) == 0 && type == CMS_NONE) {
			compare(span_of(copy, size), &p, span_of(content, len));
		}
	}
	free(content);
	free(around);
	free(copy);
	return 0;
}
