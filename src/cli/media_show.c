/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/media.h"
#include "cli/scu.h"
#include "dicom/charset.h"

#include <stdio.h>
#include <string.h>

/* How many of a list are named; JSON has all. */
#define NAMED 10

static const struct {
	const char *name, *text, *one, *many;
} kinds[LEFT_KINDS] = {
	[LEFT_PROGRAM] = {"program", "a program, or what starts by itself: not opened",
		"program or file that starts by itself, not opened",
		"programs and files that start by themselves, not opened"},
	[LEFT_SEALED] = {"sealed", "sealed: `gantry media open` first",
		"file that is sealed (Secure DICOM File): `gantry media open` first",
		"files that are sealed (Secure DICOM Files): `gantry media open` first"},
	[LEFT_OTHER] = {"not-dicom", "not a DICOM file", "file that is not DICOM",
		"files that are not DICOM"},
	[LEFT_LINK] = {"link", "a link: not followed", "link, not followed", "links, not followed"},
	[LEFT_SPECIAL] = {"special", "no plain file of this disc", "that is no plain file of this disc",
		"that are no plain files of this disc"},
};

const char *media_left_name(enum media_left left)
{
	return kinds[left].name;
}

const char *media_left_text(enum media_left left)
{
	return kinds[left].text;
}

const char *media_printed(const char *name)
{
	static char text[3 * 2048];
	struct charset utf8 = {.coding = CHARSET_UTF8};
	struct charset_text t;
	charset_to_utf8(&utf8, "ST", CHARSET_NO_BIDI, span_str(name), text, sizeof(text), &t);
	return text;
}

const char *media_made(const struct media *m)
{
	static char text[128];
	const char *how = m->deidentifies && m->signs ? "de-identified and signed"
	                  : m->deidentifies           ? "de-identified"
	                                              : "signed";
	text[0] = '\0';
	if (m->deidentifies || m->signs) {
		snprintf(text, sizeof(text), ", %s, as flow %s has it", how, m->by);
	}
	return text;
}

static const char *date(const char *da, char to[36])
{
	if (strlen(da) == 8 && strspn(da, "0123456789") == 8) {
		snprintf(to, 36, "%.4s-%.2s-%.2s", da, da + 4, da + 6);
	} else {
		snprintf(to, 36, "%.31s", da);
	}
	return to;
}

static void show_warnings(const struct media *m, const struct media_study *s)
{
	for (unsigned c = 0; c < CHECK_N; c++) {
		size_t n = media_warned(m, s, (enum inspect_check)c);
		if (n > 0) {
			const struct inspect_check_row *row = inspect_check_row((enum inspect_check)c);
			printf("    warning, %zu object%s: %s: %s\n", n, n == 1 ? "" : "s", row->name,
				row->sentence);
		}
	}
}

static void show_studies(const struct media *m)
{
	char day[36];
	for (size_t i = 0; i < m->n_studies; i++) {
		const struct media_study *s = &m->studies[i];
		const struct described *d = s->of;
		if (i == 0 || m->studies[i - 1].patient != s->patient) {
			printf("\n%s  ID %s  born %s\n", d->name[0] ? d->name : "(no name)",
				d->id[0] ? d->id : "(none)",
				d->birth_date[0] ? date(d->birth_date, day) : "(not said)");
		}
		printf("  %-10s  %-8s %-40s %zu object%s in %zu series\n",
			d->study_date[0] ? date(d->study_date, day) : "(no date)", s->modalities,
			d->description, s->objects, s->objects == 1 ? "" : "s", s->series);
		show_warnings(m, s);
	}
}

void media_show_names(const struct media_list *l, bool why)
{
	for (size_t i = 0; i < l->n && i < NAMED; i++) {
		const struct media_line *at = &l->at[i];
		printf("  %s", media_printed(at->file));
		if (why) {
			printf(": %s%s%s", at->check ? at->check : "", at->check ? ": " : "",
				media_printed(at->why));
		}
		putchar('\n');
	}
	if (l->n > NAMED) {
		printf("  … and %zu more\n", l->n - NAMED);
	}
}

static void show_left(const struct media *m)
{
	for (unsigned k = 0; k < LEFT_KINDS; k++) {
		const struct media_list *l = &m->left[k];
		if (l->n > 0) {
			printf("\nleft alone: %zu %s\n", l->n, l->n == 1 ? kinds[k].one : kinds[k].many);
			media_show_names(l, false);
		}
	}
}

void media_show(const struct media *m)
{
	printf("%s: %zu object%s of %zu patient%s\n", media_printed(m->source), m->n_objects,
		m->n_objects == 1 ? "" : "s", m->n_patients, m->n_patients == 1 ? "" : "s");
	show_studies(m);
	if (m->n_patients > 1) {
		puts("\nthere is more than one patient");
	}
	if (m->directories > 0) {
		printf("\nthe DICOMDIR lists %zu files; %zu of them are not there%s\n", m->listed.n,
			m->missing.n, m->unread ? ", and some of its entries cannot be read" : "");
		media_show_names(&m->missing, false);
	}
	if (m->refused.n > 0) {
		printf("\nrefused: %zu\n", m->refused.n);
		media_show_names(&m->refused, true);
	}
	show_left(m);
	if (m->repeated > 0) {
		printf("\n%zu file%s the same as another\n", m->repeated, m->repeated == 1 ? " is" : "s are");
	}
	if (m->broken[0]) {
		printf("\nthe disc could not be read to its end: %s\n", media_printed(m->broken));
	}
}

void media_show_sent(const struct media *m)
{
	size_t named = 0;
	printf("\n%zu of %zu objects sent to %s%s\n", m->n_sent, m->n_objects, m->to, media_made(m));
	for (size_t i = 0; i < m->n_objects && m->n_failed > 0; i++) {
		const struct media_object *o = &m->objects[i];
		if (scu_is_taken(o->status)) {
			continue;
		}
		if (named++ == NAMED) {
			printf("  … and %zu more\n", m->n_failed - NAMED);
			break;
		}
		printf("  %s: ", media_printed(o->file));
		if (o->status >= 0) {
			printf("status %04XH %s\n", (unsigned)o->status, o->comment ? o->comment : "");
		} else {
			printf("not sent: %s\n", o->comment ? o->comment : err_str(o->status));
		}
	}
}
