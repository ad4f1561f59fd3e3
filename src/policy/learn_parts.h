/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_LEARN_PARTS_H
#define POLICY_LEARN_PARTS_H

#include "policy/learn.h"
#include "policy/region.h"

#include <stdio.h>

/* What learn.c gathers and learn_write.c writes. */

/* A set of words in the order they came. */
struct words {
	const char **at;
	unsigned n, cap;
};

struct person {
	const char *name;
	int node; /* index in the site; -1: not there */
	bool tls, calls, called;
	bool more_from, more_certificate; /* a node of the site that must admit more */
	struct words ae, from, san, spki;
};

struct pair {
	unsigned from, to;
	unsigned services; /* SERVICE_BIT */
	struct words sop_classes, transfer_syntaxes, called;
	struct words destinations; /* names of nodes */
	bool missing;              /* the site lacks something of it */
};

struct learn {
	struct region *region;
	const struct site *site;
	unsigned flags;
	struct person *people;
	struct pair *pairs;
	unsigned n_people, n_pairs;
};

/* Add a word that is not there yet; false: no memory. "" is not added. */
bool words_add(struct region *r, struct words *w, const char *s);

/* A word of YAML, in quotes where it must be. */
void yaml_word(FILE *f, const char *s);

/* "10.1.1.0/24", or the host name. buf has 64 bytes or more; longer host names are returned as they are. */
const char *network_text(const struct network *n, char buf[64]);

/* "sha256:<hex>" */
#define PIN_TEXT 72
const char *pin_text(const struct spki_pin *pin, char buf[PIN_TEXT]);

#endif
