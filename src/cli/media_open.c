/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/media_open.h"
#include "cli/object_job.h"
#include "cli/opening_key.h"
#include "cli/options.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
	"usage: gantry media open [--key FILE [--cert FILE]] [--passphrase-file FILE]\n"
	"                    [--trust FILE]... [--crl FILE]... [--incomplete]\n"
	"                    [--recorded] [-c FILE] DISC OUT\n"
	"\n"
	"Opens a disc of Secure DICOM Files (PS3.15 D.1), a folder or an image, or a mail\n"
	"with DICOM files (S/MIME), into the folder OUT, which must not be there. Each\n"
	"file is opened by a process of its own in a sandbox and is verified: OUT has\n"
	"whole files of DICOM as they were sealed, or there is no OUT.\n"
	"\n"
	"  --passphrase-file FILE  its first line is the passphrase of the disc or, with\n"
	"                          --key, of the key, which is asked for otherwise\n"
	"  --key FILE              the private key of somebody whom it is for (PEM), or\n"
	"                          its pkcs11: URI, with --cert\n"
	"  --cert FILE             its certificate: says of a disc that is for others\n"
	"                          that it is\n"
	"  --trust FILE            authorities (PEM): only files that are signed by whom\n"
	"                          they certify\n"
	"  --crl FILE              their revocation lists: nobody who is in one\n"
	"  --incomplete            keep what can be opened, though some files cannot\n"
	"  --recorded              only if a gateway that runs here has recorded the\n"
	"                          import in its audit trail\n"
	"  -c, --config FILE       its configuration; default: ./gantry.yaml, then\n"
	"                          /etc/gantry/gantry.yaml\n"
	"\n"
	"Exit status: 0 all was opened; 1 some was, or the DICOMDIR lists more or\n"
	"something else, or a disc has none; 2 wrong usage; 3 nothing was, and there is\n"
	"no OUT.\n";

enum { EXIT_ALL, EXIT_SOME, EXIT_USAGE, EXIT_NOTHING };

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "gantry media open: %s: ", media_printed(what));
	fprintf(stderr, "%s; nothing was opened\n", media_printed(why));
	return EXIT_NOTHING;
}

/* ---- With what ---- */

static struct opening_key key_of(const struct media_opening *j)
{
	return (struct opening_key){.verb = "media open",
		.after = "; nothing was opened",
		.key = j->with.key,
		.cert = j->with.cert,
		.passphrase_file = j->with.passphrase_file};
}

/* The files of one kind, after those that are there; what is there is to be freed in any case. */
static bool read_files(const char *const *paths, unsigned n, struct span *at, unsigned *n_at)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t *bytes;
		size_t len;
		if (!media_read_pem("open", paths[i], &bytes, &len)) {
			return false;
		}
		at[(*n_at)++] = span_of(bytes, len);
	}
	return true;
}

/* Who signs has to come from these authorities, and not to be in their lists. */
static int believe(struct media_opening *j)
{
	struct span at[2 * MEDIA_TRUST_MOST];
	char why[512] = "there is no memory";
	unsigned n = 0;
	int code = read_files(j->trust, j->n_trust, at, &n) && read_files(j->crl, j->n_crl, at, &n)
	                   ? EXIT_ALL
	                   : EXIT_NOTHING;
	for (unsigned i = 0; code == EXIT_ALL && i < j->n_trust; i++) {
		if (cms_opening_trust(j->opening, at[i]) < 0) {
			code = complain(j->trust[i], "it holds no certificate in PEM");
		}
	}
	if (code == EXIT_ALL && cms_opening_lists(j->opening, at + j->n_trust, j->n_crl, at, j->n_trust, why,
					sizeof(why)) < 0) {
		code = complain("--crl", why);
	}
	for (unsigned i = 0; i < n; i++) {
		free((void *)(uintptr_t)at[i].ptr);
	}
	return code;
}

static int prepare(struct media_opening *j)
{
	if (cms_opening_new(&j->opening) < 0) {
		return complain(j->source, "there is no memory");
	}
	int code = believe(j);
	if (code == EXIT_ALL && j->with.key) {
		const struct opening_key key = key_of(j);
		return opening_key_use(&key, j->opening, &j->desk) ? EXIT_ALL : EXIT_NOTHING;
	}
	if (code == EXIT_ALL) {
		code = media_passphrase("open", j->with.passphrase_file, false, j->passphrase) ? EXIT_ALL
		                                                                               : EXIT_NOTHING;
		cms_opening_passphrase(j->opening, j->passphrase);
	}
	return code;
}

/* ---- What came of it ---- */

/* With the object that the file is by the DICOMDIR, as those that are opened have the one that they are. */
static int on_listed(void *arg, const char *path, const char *instance)
{
	struct media_opening *j = arg;
	return media_add(&j->m.listed, path, NULL, instance);
}

static int read_directory(struct media_opening *j, const char *name, int fd)
{
	size_t unread = 0;
	int e = describe_directory(j->m.sandbox, fd, MEDIA_OPEN_SECONDS, on_listed, j, &unread);
	if (e == ERR_VALUE || e == ERR_TIMEOUT) {
		return media_add(&j->m.refused, name, NULL, "it is a DICOMDIR that cannot be read");
	}
	j->m.directories++;
	j->m.unread += unread;
	return e;
}

static int compare(struct media_opening *j)
{
	int e = 0;
	for (size_t i = 0; e == 0 && i < j->m.names.n; i++) {
		const char *name = j->m.names.at[i].file;
		int fd = strcasecmp(name, "DICOMDIR") == 0 ? stage_open(&j->stage, name) : -1;
		if (fd >= 0) {
			e = read_directory(j, name, fd);
			close(fd);
		}
	}
	e = e < 0 ? e
	          : media_refuse_listed(
			    &j->m, "it does not begin as a Secure DICOM File does: it is damaged");
	e = e < 0 ? e : media_compare(&j->m);
	return e < 0 ? e : media_compare_objects(&j->m);
}

static void tell(const struct media_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		fprintf(stderr, "%s: ", media_printed(l->at[i].file));
		fprintf(stderr, "%s\n", media_printed(l->at[i].why));
	}
}

/* Is there what the DICOMDIR lists? False: not all of it, or nobody can tell, as of a disc without one. A mail is one piece, and needs none. */
static bool say_missing(const struct media_opening *j)
{
	const struct media *m = &j->m;
	tell(&m->missing);
	tell(&m->others);
	if (m->unread > 0) {
		fprintf(stderr, "%zu entries of the DICOMDIR cannot be read\n", m->unread);
	}
	if (m->directories == 0 && !j->is_mail) {
		fputs("there is no DICOMDIR: nobody can tell whether files are missing\n", stderr);
	}
	return m->missing.n == 0 && m->others.n == 0 && m->unread == 0 && (m->directories > 0 || j->is_mail);
}

static void say_who(const struct media_opening *j)
{
	size_t n = j->m.names.n;
	if (j->n_unchecked > 0) {
		printf("%zu of them: neither signature nor digest, nobody can tell whether they are as they were sealed\n",
			j->n_unchecked);
	}
	if (j->n_unsigned == n) {
		puts(j->n_unchecked > 0 ? "nobody has signed them"
					: "they are as they were sealed; nobody has signed them");
	} else if (j->n_unsigned > 0) {
		printf("%zu of them nobody has signed\n", j->n_unsigned);
	} else {
		printf("signed by %s%s\n", media_printed(j->signer),
			j->n_untrusted > 0
				? ", whose certificate nobody vouches for: give an authority, --trust"
				: "");
	}
}

/* In its place, once it is recorded. */
static int publish(struct media_opening *j, char *why, size_t cap)
{
	char more[300];
	snprintf(more, sizeof(more), "%s%.200s%s", j->n_unsigned == 0 ? "signed by " : "not signed",
		j->n_unsigned == 0 ? j->signer : "",
		j->n_unsigned == 0 && j->n_untrusted > 0 ? ", whom nobody vouches for" : "");
	if (media_sort(&j->m) < 0) {
		return ERR_NO_MEMORY;
	}
	if (!media_record(&j->record, &j->m, j->source, more)) {
		snprintf(why, cap, "it could not be recorded: %s", j->record.why);
		return ERR_SYSTEM;
	}
	int e = stage_commit(&j->stage), kept = errno;
	if (e < 0) {
		media_record_undone(&j->record, &j->m, j->source, more);
	}
	errno = kept;
	return e;
}

static int finish(struct media_opening *j, int e, char *why, size_t cap)
{
	e = e < 0 ? e : compare(j);
	tell(&j->m.refused);
	if (j->unwritten) {
		snprintf(why, cap, "what it opens to cannot be written beside OUT, as is said above");
	} else if (e == ERR_DENIED) {
		snprintf(why, cap, "it does not open");
	} else if (e == 0 && j->m.names.n == 0) {
		snprintf(why, cap, "there is no Secure DICOM File that can be opened");
		e = ERR_NOT_FOUND;
	} else if (e == 0 && j->m.refused.n > 0 && !j->with.incomplete) {
		snprintf(why, cap, "not all files open, as is said above (--incomplete: without them)");
		e = ERR_VALUE;
	}
	e = e < 0 ? e : publish(j, why, cap);
	if (e < 0) {
		if (!why[0]) {
			snprintf(why, cap, "%s",
				e == ERR_SYSTEM  ? strerror(errno)
				: e == ERR_VALUE ? "OUT is there meanwhile"
						 : err_str(e));
		}
		media_record_warn(&j->record, &j->m);
		return complain(j->source, why);
	}
	printf("%s: %zu file%s opened\n", media_printed(j->out), j->m.names.n, j->m.names.n == 1 ? "" : "s");
	say_who(j);
	media_record_tell(&j->record);
	return say_missing(j) && j->m.refused.n == 0 ? EXIT_ALL : EXIT_SOME;
}

static int run(struct media_opening *j)
{
	char why[512] = "";
	struct media_outcome *o = object_job_memory(sizeof(*o));
	object_job_warm();
	int e = o ? sandbox_new(SANDBOX_KEYS, NULL, 0, &j->m.sandbox) : ERR_NO_MEMORY;
	int code = e < 0 ? complain(j->source, err_str(e))
	           : media_record_begin(&j->record, "open", j->with.config, j->with.recorded) ? EXIT_ALL
	                                                                                      : EXIT_NOTHING;
	if (code == EXIT_ALL && (e = stage_begin(&j->stage, j->out)) < 0) {
		code = complain(j->out, e == ERR_VALUE    ? "it is there already"
					: e == ERR_SYSTEM ? strerror(errno)
							  : err_str(e));
	}
	code = code == EXIT_ALL ? prepare(j) : code;
	if (code == EXIT_ALL) {
		e = media_open_all(j, o, why, sizeof(why));
		if (j->progress) {
			fputs("\r\033[K", stderr);
		}
		code = finish(j, e, why, sizeof(why));
	}
	stage_done(&j->stage);
	cms_opening_free(j->opening);
	key_desk_close(&j->desk);
	OPENSSL_cleanse(j->passphrase, sizeof(j->passphrase));
	if (o) {
		OPENSSL_cleanse(o, sizeof(*o));
	}
	object_job_free(o, sizeof(*o));
	media_done(&j->m);
	return code;
}

/* ---- The command line ---- */

int media_open(int argc, char **argv)
{
	static struct media_opening j = {.m = {.spool = SCRAP_NONE, .seconds = MEDIA_OPEN_SECONDS},
		.stage = STAGE_NONE,
		.desk = KEY_DESK_NONE};
	static const struct option_row rows[] = {
		{"trust", "FILE", .text = j.trust, .room = MEDIA_TRUST_MOST, .n = &j.n_trust},
		{"crl", "FILE", .text = j.crl, .room = MEDIA_TRUST_MOST, .n = &j.n_crl},
		MEDIA_WITH_ROWS(j.with), {0}};
	struct options o = {.usage = usage, .rows = rows, .arguments = "DISC OUT"};
	int code;
	if (!options_read(&o, argc, argv, &code)) {
		return code;
	}
	const struct opening_key key = key_of(&j);
	const char *misuse =
		j.n_crl > 0 && j.n_trust == 0 ? "--crl goes with --trust" : opening_key_misuse(&key);
	if (misuse) {
		return options_misuse(&o, "%s", misuse);
	}
	j.source = o.at[0];
	j.out = o.at[1];
	j.progress = isatty(STDERR_FILENO) == 1;
	return run(&j);
}
