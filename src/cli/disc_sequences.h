/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_DISC_SEQUENCES_H
#define CLI_DISC_SEQUENCES_H

#include "base/writer.h"
#include "dicom/dataset.h"

/*
 * Sequences of an object that its record in a DICOMDIR has (PS3.3 F.5, PS3.11 D.3.3.1), copied while it streams past: into explicit VR
 * little endian, text and UIDs alone. Nothing is allocated.
 */
enum disc_sequence {
	DISC_SERIES,     /* Referenced Series, of presentation states */
	DISC_IMAGES,     /* Referenced Image, of images */
	DISC_EVIDENCE,   /* Referenced Image Evidence, of spectra */
	DISC_TITLE,      /* Concept Name Code, of documents: the code, if it is one (PS3.3 8.8) */
	DISC_CONTENT,    /* Content, of documents: what modifies their title */
	DISC_BLENDING,   /* Blending, of presentation states */
	DISC_HANGING,    /* Hanging Protocol Definition */
	DISC_USERS,      /* Hanging Protocol User Identification Code */
	DISC_PROCEDURES, /* Procedure Type Code, of assemblies of implants */
	DISC_SEQUENCES,
};

#define DISC_SEQUENCE_MOST (512u * 1024) /* a longer one is left away: some 4000 references */
#define DISC_VALUE_MOST    1024

struct disc_copier {
	uint8_t bytes[DISC_SEQUENCES][DISC_SEQUENCE_MOST];
	size_t len[DISC_SEQUENCES]; /* with the head; 0: there is none */
	char verified[32];          /* the latest Verification DateTime; "" */
	/* ---- Its own ---- */
	struct writer w;
	unsigned in;   /* enum disc_sequence; DISC_SEQUENCES: none, and one more: Verifying Observer */
	size_t item;   /* where the item of the first level begins in w */
	bool wanted;   /* what this item says; of Content: it modifies the title */
	bool known;    /* … and that has been said */
	bool apart;    /* in a sequence of it that is left out */
	bool waits;    /* for a value that was asked for */
	unsigned code; /* of the title: which parts it has */
	char vr[3];
	uint32_t tag;
	uint8_t value[DISC_VALUE_MOST];
};

void disc_copier_begin(struct disc_copier *c);

/* Which one has this tag. DISC_SEQUENCES: none. */
unsigned disc_sequence_of(uint32_t tag);

/* Each event of the object's data set, in their order. True: it was the copier's. */
bool disc_copier_take(struct disc_copier *c, struct dataset *d, int event);

#endif
