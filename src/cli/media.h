/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_MEDIA_H
#define CLI_MEDIA_H

#include "cli/describe.h"
#include "cli/scrap.h"
#include "inspect/inspect.h"

#include <jansson.h>

/* What is on a patient's disc, and what became of it: `gantry media import`. */

/* An object that passed. Its file lies in the spool. */
struct media_object {
	char *file; /* its name on the disc */
	struct described d;
	uint64_t at, len;                     /* of the file */
	uint64_t warned[(CHECK_N + 63) / 64]; /* bits of enum inspect_check: warnings, with which it passed */
	int status;    /* of the C-STORE response, once it was sent; negative: MEDIA_UNSENT, or an enum err */
	char *comment; /* what was said of it; NULL: nothing */
};

#define MEDIA_UNSENT (-1000)

/* A file, and why something else became of it. */
struct media_line {
	char *file, *why;
	const char *check; /* of the inspection; NULL: it was not that. Static */
};

struct media_list {
	struct media_line *at;
	size_t n;
};

/* Why a file was not looked at. */
enum media_left {
	LEFT_PROGRAM, /* its name is one of a program, or of what starts by itself: not opened */
	LEFT_SEALED,  /* a Secure DICOM File */
	LEFT_OTHER,   /* not DICOM */
	LEFT_LINK,
	LEFT_SPECIAL,
	LEFT_KINDS,
};

/* Objects of one study of one patient. */
struct media_study {
	const struct described *of; /* any of its objects */
	size_t patient;             /* number of the patient, from 0 */
	size_t first;               /* its first object; the others follow */
	size_t objects, series;
	char modalities[64]; /* with spaces */
};

struct media {
	const char *source, *to, *note;
	const char *flow;         /* that was named; NULL: none */
	char by[65];              /* the flow by which they go; "": none, and they go as they are */
	bool deidentifies, signs; /* that flow, by the configuration that was read here */
	bool json, progress;
	unsigned seconds; /* that a file may take */
	struct sandbox *sandbox;
	struct scrap spool;
	struct media_object *objects;
	size_t n_objects;
	size_t *by_uid;  /* a hash table: indices of objects, from 1; 0: free */
	size_t n_by_uid; /* its size, a power of two */
	size_t repeated; /* files that were the same object again */
	struct media_list refused;
	struct media_list left[LEFT_KINDS];
	struct media_list names;   /* of all files there are */
	struct media_list listed;  /* by DICOMDIRs, and */
	struct media_list missing; /* those of them that are not there */
	struct media_list others;  /* those of them that are another object than is listed */
	size_t directories, unread;
	char broken[192]; /* why the disc could not be read to its end; "": it could */
	struct media_study *studies;
	size_t n_studies, n_patients;
	size_t n_sent, n_failed;
};

/* ERR_NO_MEMORY. check: NULL, or static storage. */
MUST_USE int media_add(struct media_list *l, const char *file, const char *check, const char *why);

void media_list_done(struct media_list *l);

/* The first of them, a line each. */
void media_show_names(const struct media_list *l, bool why);

/* The next of m->objects, without bytes. ERR_NO_MEMORY. */
MUST_USE int media_add_object(struct media *m, const char *name, const struct described *d);

/* Those marked in bad[m->n_objects] become refused, as why says. ERR_NO_MEMORY. */
MUST_USE int media_leave_out(struct media *m, const bool *bad, const char *why);

void media_done(struct media *m);

/*
 * Read the disc: a folder, or an image. What passes is in m->objects, in the order of the disc. ERR_TYPE: it is neither;
 * ERR_LIMIT: it is not what a disc is, and none of it is to be used; ERR_SYSTEM, ERR_NO_MEMORY. why has a sentence.
 */
MUST_USE int media_take(struct media *m, char *why, size_t cap);

/* One file of it, that has "DICM"; bytes are read from the start. ERR_SYSTEM, ERR_NO_MEMORY. */
MUST_USE int media_take_file(struct media *m, const char *name, const struct scrap *bytes);

/* Inspect a file. *ret_refused: by which check; NULL: by none. ERR_SYSTEM, ERR_NO_MEMORY. */
struct inspect_job;
MUST_USE int media_inspect(const struct media *m, const struct scrap *bytes, struct inspect_job *j,
	const struct inspect_check_row **ret_refused);

/* Of the others that were left alone, what DICOMDIRs list, and what is named as one, becomes refused. ERR_NO_MEMORY. */
MUST_USE int media_refuse_listed(struct media *m, const char *why);

/* Find what DICOMDIRs list and is not there: neither in m->names nor refused. ERR_NO_MEMORY. */
MUST_USE int media_compare(struct media *m);

/*
 * Find files that are another object than DICOMDIRs list: where m->names and m->listed have SOP Instance UIDs for their `why`, and these
 * differ. ERR_NO_MEMORY.
 */
MUST_USE int media_compare_objects(struct media *m);

/* Objects of a study that passed with this warning. */
size_t media_warned(const struct media *m, const struct media_study *s, enum inspect_check check);

/* Put objects in the order of patients, studies and series, and count those. ERR_NO_MEMORY. */
MUST_USE int media_sort(struct media *m);

/* Send m->objects through the door at this control socket. False: it could not be begun, and said why. */
bool media_send(struct media *m, const char *control);

/* "", or ", de-identified and signed, as flow research has it"; static storage, until the next call. */
const char *media_made(const struct media *m);

/* What is there, before it is sent; what became of it. */
void media_show(const struct media *m);
void media_show_sent(const struct media *m);
json_t *media_json(const struct media *m);

/* `gantry media seal`, `gantry media open`: argv[0] is that word. */
int media_seal(int argc, char **argv);
int media_open(int argc, char **argv);

/* What both are told by the same options: with what, and how strictly. Borrowed from the command line. */
struct media_with {
	const char *key, *cert, *config, *passphrase_file;
	bool incomplete, recorded;
};

/* Their rows, of a static struct media_with. */
#define MEDIA_WITH_ROWS(with)                                                                                \
	{"passphrase-file", "FILE", .text = &(with).passphrase_file}, {"key", "FILE", .text = &(with).key},  \
		{"cert", "FILE", .text = &(with).cert}, {"incomplete", .flag = &(with).incomplete},          \
		{"recorded", .flag = &(with).recorded},                                                      \
	{                                                                                                    \
		"config", "FILE", 'c', .text = &(with).config                                                \
	}

/*
 * Their passphrase: of a file, or asked for if there is none (NULL). False: they have been told why. The caller wipes it.
 */
#define MEDIA_PASSPHRASE 256
bool media_passphrase(const char *verb, const char *file, bool twice, char buf[MEDIA_PASSPHRASE]);

/* A small file of theirs, PEM mostly: *ret_bytes is the caller's to free. False: they have been told why. */
bool media_read_pem(const char *verb, const char *path, uint8_t **ret_bytes, size_t *ret_len);

/* A name made safe for a terminal; static storage, until the next call. */
const char *media_printed(const char *name);

/* Of LEFT_…: for JSON, and for people. Static storage. */
const char *media_left_name(enum media_left left);
const char *media_left_text(enum media_left left);

#endif
