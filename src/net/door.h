/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_DOOR_H
#define NET_DOOR_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"
#include "base/writer.h"

/*
 * What a program on this machine says before it speaks DICOM to the gateway through its local door (run/door): what it has
 * come for, and where to. Wire form: "gantry-door\3", u8 why, u8 makes, then texts as u16 length and bytes.
 */
#define DOOR_MOST 1024 /* the longest header */

enum door_why {
	DOOR_IMPORT = 1, /* objects of a disc, a stick, a folder: inspected, and recorded as an import */
	DOOR_RELEASE, /* an object out of the quarantine, which two people have vouched for: not inspected */
};

/* What the flow makes of objects. */
#define DOOR_DEIDENTIFIES 1u
#define DOOR_SIGNS        2u

struct door {
	enum door_why why;
	/* Who sends has been told that objects are made so: where they would not be, as another configuration runs, none is taken */
	unsigned makes;
	char to[65];   /* the node's name in gantry.yaml */
	char user[65]; /* who it is, by the program's word */
	/* The flow's name, by which a released object came, or by which what is imported is to go; "": none */
	char flow[65];
	char note[257]; /* for the log and the audit trail; UTF-8 without control characters */
};

/* At most DOOR_MOST bytes. */
void door_write(struct writer *w, const struct door *d);

/* ERR_AGAIN: it is the beginning of one. ERR_TYPE: it is none. ERR_VALUE, ERR_LENGTH. *ret_used: its bytes. */
MUST_USE int door_read(struct span bytes, struct door *ret_door, size_t *ret_used);

/* "import"; static storage. */
const char *door_why_name(enum door_why why);

#endif
