/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "cli/disc_directory.h"
#include "cli/media_seal.h"
#include "cli/options.h"
#include "cli/passphrase.h"
#include "cli/token_pin.h"
#include "keys/cert.h"
#include "keys/private.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static const char usage[] =
	"usage: gantry media seal [--to CERTIFICATE]... [--passphrase |\n"
	"                    --passphrase-file FILE] [--key FILE --cert FILE\n"
	"                    [--key-passphrase-file FILE]]\n"
	"                    [--keep-compressed | --keep-transfer-syntax] [--udf]\n"
	"                    [--incomplete] [--recorded] [-c FILE] FOLDER OUT\n"
	"\n"
	"Writes a disc that nobody reads but whom it is for: the objects of FOLDER (or of\n"
	"an image) and a DICOMDIR as Secure DICOM Files (PS3.15 D.1, PS3.11 Annex D),\n"
	"encrypted by AES-256. OUT: an image, if it ends in .iso; a mail (S/MIME, PS3.15\n"
	"B.8), if it ends in .eml; or else a folder. It must not be there. Objects become\n"
	"Explicit VR Little Endian, as the profile asks, if they are in another encoding.\n"
	"\n"
	"  --to CERTIFICATE        for whoever has the key of this certificate (PEM,\n"
	"                          RSA); several\n"
	"  --passphrase            for whoever knows it: it is asked for, twice. Without\n"
	"                          --to that is so anyhow\n"
	"  --passphrase-file FILE  the same, the first line of a file or a pipe\n"
	"  --key FILE              sign each file with this RSA key, of a file or by its\n"
	"                          pkcs11: URI,\n"
	"  --cert FILE             … whose certificate this is, with those that lead up\n"
	"                          to an authority (PEM)\n"
	"  --key-passphrase-file FILE\n"
	"                          its first line is the key's passphrase, or the PIN of\n"
	"                          its token; it is asked for otherwise, if the key has\n"
	"                          one and the URI no pin-source\n"
	"  --keep-compressed       do not decompress pixels\n"
	"  --keep-transfer-syntax  leave all objects as they are, byte for byte\n"
	"  --udf                   an image for a DVD or a Blu-ray disc: UDF beside ISO\n"
	"                          9660 (by genisoimage, which has to be there)\n"
	"  --incomplete            seal what can be, though some files cannot\n"
	"  --recorded              only if a gateway that runs here has recorded the\n"
	"                          export in its audit trail\n"
	"  -c, --config FILE       its configuration; default: ./gantry.yaml, then\n"
	"                          /etc/gantry/gantry.yaml\n"
	"\n"
	"Exit status: 0 all was sealed; 1 some was, with --incomplete; 2 wrong usage; 3\n"
	"nothing was, and there is no OUT.\n";

enum { EXIT_ALL, EXIT_SOME, EXIT_USAGE, EXIT_NOTHING };

#define SECONDS      60
#define SPOOL_MEMORY (512ull * 1024 * 1024)

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "gantry media seal: %s: ", media_printed(what));
	fprintf(stderr, "%s; nothing was sealed\n", media_printed(why));
	return EXIT_NOTHING;
}

/* ---- For whom and by whom ---- */

/* Who has the key opens it nevertheless; but he may have another by now. */
static void tell_expired(const char *name, struct span pem)
{
	char subject[256];
	int days = 0;
	if (cert_days_left(pem, clock_wall_ms() / 1000, &days, subject) == 0 && days < 0) {
		printf("%s: this certificate has expired: ask whether its key is still there\n",
			media_printed(name));
	}
}

static int add_recipients(struct media_sealing *j)
{
	char why[256];
	for (unsigned i = 0; i < j->n_to; i++) {
		uint8_t *pem;
		size_t len;
		if (!media_read_pem("seal", j->to[i], &pem, &len)) {
			return EXIT_NOTHING;
		}
		int e = cms_sealing_to(j->sealing, span_of(pem, len), why, sizeof(why));
		if (e == 0) {
			tell_expired(j->to[i], span_of(pem, len));
		}
		free(pem);
		if (e < 0) {
			return complain(j->to[i], e == ERR_NO_MEMORY ? err_str(e) : why);
		}
	}
	return EXIT_ALL;
}

static int add_passphrase(struct media_sealing *j)
{
	char text[MEDIA_PASSPHRASE];
	if (j->n_to > 0 && !j->ask && !j->with.passphrase_file) {
		return EXIT_ALL;
	}
	bool got = media_passphrase("seal", j->with.passphrase_file, true, text);
	const char *fault = got ? cms_passphrase_fault(text) : NULL;
	int e = got && !fault ? cms_sealing_passphrase(j->sealing, text) : 0;
	OPENSSL_cleanse(text, sizeof(text));
	return !got    ? EXIT_NOTHING
	       : fault ? complain("the passphrase", fault)
	       : e < 0 ? complain("the passphrase", err_str(e))
	               : EXIT_ALL;
}

static int open_key(struct media_sealing *j, struct span cert)
{
	char why[512], *whole = private_key_is_token(j->with.key) ? NULL : realpath(j->with.key, NULL);
	struct passphrase_way way = {.verb = "gantry media seal", .file = j->key_passphrase_file};
	const struct private_key_asks asks = {.ask = passphrase_of_key,
		.arg = &way,
		.otherwise =
			way.file || passphrase_asks() ? "" : PASSPHRASE_UNASKED_BUT("--key-passphrase-file")};
	struct token_pin pin;
	bool ok = token_pin_take(way.verb, whole ? whole : j->with.key, way.file, &pin);
	int e = ok ? private_key_open_asking(pin.uri, cert, &asks, &j->key, why, sizeof(why)) : 0;
	token_pin_done(&pin);
	free(whole);
	return e < 0 ? complain(j->with.key, why) : ok ? EXIT_ALL : EXIT_NOTHING;
}

static int add_signer(struct media_sealing *j)
{
	char why[512];
	uint8_t *pem;
	size_t len;
	if (!j->with.key) {
		return EXIT_ALL;
	}
	if (!media_read_pem("seal", j->with.cert, &pem, &len)) {
		return EXIT_NOTHING;
	}
	int code = cert_signs(span_of(pem, len), clock_wall_ms() / 1000, why, sizeof(why)) < 0
	                   ? complain(j->with.cert, why)
	                   : open_key(j, span_of(pem, len));
	int e = code == EXIT_ALL ? cms_sealing_signer(j->sealing, j->key, span_of(pem, len), why, sizeof(why))
	                         : 0;
	if (e < 0) {
		code = complain(j->with.cert, e == ERR_NO_MEMORY ? err_str(e) : why);
	}
	free(pem);
	return code;
}

/* ---- What is read ---- */

#define UNREAD "it cannot be read to where it says what it is"

static const char *directory_fault(int e)
{
	return e == ERR_VALUE || e == ERR_TIMEOUT ? UNREAD : e == ERR_SYSTEM ? strerror(errno) : err_str(e);
}

/* Without what it cannot list, if that was asked for. */
static int list_again(struct media_sealing *j, const bool *bad)
{
	struct media *m = &j->m;
	size_t before = m->n_objects, object = 0;
	int e = media_leave_out(m, bad, UNREAD);
	e = e < 0 || m->n_objects == 0 ? e : media_sort(m);
	if (e < 0 || m->n_objects == 0) {
		return complain(m->source, e < 0 ? err_str(e) : "there is no object to be sealed");
	}
	printf("\n%zu of %zu objects are left out, as they cannot be read to where they say what they are:\n",
		before - m->n_objects, before);
	for (size_t i = m->refused.n - (before - m->n_objects); i < m->refused.n; i++) {
		printf("  %s\n", media_printed(m->refused.at[i].file));
	}
	e = disc_directory(m, &j->directory, &j->directory_len, &object, NULL);
	return e < 0 ? complain(m->source, directory_fault(e)) : EXIT_ALL;
}

static int list(struct media_sealing *j)
{
	struct media *m = &j->m;
	size_t object = 0;
	bool *bad = calloc(m->n_objects, sizeof(*bad));
	int e = bad ? disc_directory(
			      m, &j->directory, &j->directory_len, &object, j->with.incomplete ? bad : NULL)
	            : ERR_NO_MEMORY;
	bool unread = e == ERR_VALUE || e == ERR_TIMEOUT;
	int code = e == 0 ? EXIT_ALL
	           : unread && j->with.incomplete
	                   ? list_again(j, bad)
	                   : complain(unread ? m->objects[object].file : m->source, directory_fault(e));
	free(bad);
	return code;
}

/* All of it, or as much as can be if that was asked for. */
static int read_folder(struct media_sealing *j)
{
	struct media *m = &j->m;
	char why[256];
	int e = sandbox_new(SANDBOX_KEYS, NULL, 0, &m->sandbox);
	e = e ? e : scrap_new(&m->spool, SPOOL_MEMORY);
	snprintf(why, sizeof(why), "%s", err_str(e));
	e = e ? e : media_take(m, why, sizeof(why));
	if (e < 0 || (e = media_sort(m)) < 0) {
		return complain(m->source, e == ERR_NO_MEMORY ? err_str(e) : why);
	}
	media_show(m);
	(void)fflush(stdout);
	if (m->n_objects == 0) {
		return complain(m->source, "there is no object to be sealed");
	}
	if ((m->refused.n > 0 || m->broken[0]) && !j->with.incomplete) {
		return complain(m->source,
			"some files cannot go onto a disc, as is said above (--incomplete: without them)");
	}
	e = media_convert(m, &j->conversion);
	if (e < 0) {
		return complain(m->source, e == ERR_SYSTEM ? strerror(errno) : err_str(e));
	}
	media_conversion_show(&j->conversion, m->n_objects);
	(void)fflush(stdout);
	return list(j);
}

static int make_disc(struct media_sealing *j)
{
	char why[512];
	if (media_seal_write(j, why, sizeof(why)) < 0) {
		media_record_warn(&j->record, &j->m);
		return complain(j->out, why);
	}
	return EXIT_ALL;
}

/* Secrets come last, when nothing is left to be read by processes that are copies of this one. */
static int run(struct media_sealing *j)
{
	int code = access(j->out, F_OK) == 0 ? complain(j->out, "it is there already")
	           : media_record_begin(&j->record, "seal", j->with.config, j->with.recorded) ? EXIT_ALL
	                                                                                      : EXIT_NOTHING;
	int e = code == EXIT_ALL ? cms_sealing_new(&j->sealing) : 0;
	code = e < 0 ? complain(j->out, err_str(e)) : code;
	code = code == EXIT_ALL ? add_recipients(j) : code;
	code = code == EXIT_ALL ? read_folder(j) : code;
	code = code == EXIT_ALL ? add_passphrase(j) : code;
	code = code == EXIT_ALL ? add_signer(j) : code;
	code = code == EXIT_ALL ? make_disc(j) : code;
	if (code == EXIT_ALL) {
		const struct media *m = &j->m;
		printf("\n%s: %zu object%s sealed\n", media_printed(j->out), m->n_objects,
			m->n_objects == 1 ? "" : "s");
		media_record_tell(&j->record);
		code = m->refused.n > 0 || m->broken[0] ? EXIT_SOME : EXIT_ALL;
	}
	free(j->directory);
	cms_sealing_free(j->sealing);
	private_key_free(j->key);
	media_list_done(&j->conversion.kept);
	media_done(&j->m);
	return code;
}

/* ---- The command line ---- */

static bool ends_in(const char *path, const char *end)
{
	size_t n = strlen(path), k = strlen(end);
	return n > k && strcasecmp(path + n - k, end) == 0;
}

/* What goes together, and what does not. NULL: all is well. */
static const char *misuse_of(const struct media_sealing *j)
{
	return !j->with.key != !j->with.cert            ? "--key and --cert go together: who signs"
	       : !j->with.key && j->key_passphrase_file ? "--key-passphrase-file goes with --key"
	       : j->ask && j->with.passphrase_file      ? "--passphrase or --passphrase-file, and not both"
	       : j->conversion.off && j->conversion.keep_coded
	               ? "--keep-compressed or --keep-transfer-syntax, and not both"
	       : j->form == MEDIA_MAIL && (j->n_to == 0 || !j->with.key || j->ask || j->with.passphrase_file)
	               ? "a mail is sealed to certificates and signed (PS3.15 B.8): --to, --key and --cert, without a passphrase"
	       : j->udf && j->form != MEDIA_IMAGE ? "--udf is for an image: an OUT that ends in .iso"
	                                          : NULL;
}

int media_seal(int argc, char **argv)
{
	static struct media_sealing j = {.m = {.spool = SCRAP_NONE, .seconds = SECONDS}, .stage = STAGE_NONE};
	static const struct option_row rows[] = {
		{"to", "CERTIFICATE", .text = j.to, .room = CMS_RECIPIENTS_MOST, .n = &j.n_to},
		{"passphrase", .flag = &j.ask}, {"udf", .flag = &j.udf},
		{"key-passphrase-file", "FILE", .text = &j.key_passphrase_file},
		{"keep-transfer-syntax", .flag = &j.conversion.off},
		{"keep-compressed", .flag = &j.conversion.keep_coded}, MEDIA_WITH_ROWS(j.with), {0}};
	struct options o = {.usage = usage, .rows = rows, .arguments = "FOLDER OUT"};
	int code;
	if (!options_read(&o, argc, argv, &code)) {
		return code;
	}
	j.m.source = o.at[0];
	j.out = o.at[1];
	j.form = ends_in(j.out, ".iso") ? MEDIA_IMAGE : ends_in(j.out, ".eml") ? MEDIA_MAIL : MEDIA_FOLDER;
	const char *misuse = misuse_of(&j);
	if (misuse) {
		return options_misuse(&o, "%s", misuse);
	}
	j.m.progress = isatty(STDERR_FILENO) == 1;
	return run(&j);
}
