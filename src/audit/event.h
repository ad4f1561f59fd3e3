/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_EVENT_H
#define AUDIT_EVENT_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * What happened, as the processes that saw it tell it to the auditor, which makes of it a message of PS3.15 A.5 and a
 * record of the journal. All text is UTF-8 without control characters; "" is what nobody knows.
 */

enum audit_kind {
	AUDIT_START = 1,   /* Application Activity, start: PS3.15 A.5.3.1 */
	AUDIT_STOP,        /* the same, stop */
	AUDIT_BEGIN,       /* Begin Transferring DICOM Instances, one patient and study: A.5.3.3 */
	AUDIT_TRANSFERRED, /* DICOM Instances Transferred, the same when it is over: A.5.3.7 */
	AUDIT_PROGRESS,    /* no message: how far a transfer is; see struct audit_event.sop */
	AUDIT_INTERRUPTED, /* Application Activity: a transfer that nobody ended, found when the journal was opened */
	AUDIT_QUERY,         /* Query: A.5.3.10 */
	AUDIT_PATIENT_SHOWN, /* Patient Record, read: A.5.3.14. A patient in the answer to a query or a worklist */
	AUDIT_ALERT,         /* Security Alert: A.5.3.11 */
	AUDIT_ATTACHED,      /* Network Entry, attach: A.5.3.9 */
	AUDIT_DETACHED,      /* the same, detach */
	AUDIT_LOGIN,         /* User Authentication, login: A.5.3.12 */
	AUDIT_LOG_USED,      /* Audit Log Used: A.5.3.2 */
	AUDIT_IMPORT,        /* Data Import: A.5.3.5 */
	AUDIT_EXPORT,        /* Data Export: A.5.3.4 */
	AUDIT_KIND_COUNT,
};

enum audit_outcome { /* EventOutcomeIndicator, PS3.15 A.5.2 */
	AUDIT_SUCCESS = 0,
	AUDIT_MINOR = 4,
	AUDIT_SERIOUS = 8,
	AUDIT_MAJOR = 12,
};

/* Types of AUDIT_ALERT: code values of DCM, CID 403. */
enum audit_alert {
	ALERT_NODE_AUTHENTICATION = 110126,
	ALERT_NETWORK_CONFIGURATION = 110128,
	ALERT_SECURITY_CONFIGURATION = 110129,
	ALERT_SOFTWARE_CONFIGURATION = 110131,
	ALERT_RESTRICTED_FUNCTION = 110132,
	ALERT_RECORDING_STOPPED = 110133,
	ALERT_RECORDING_STARTED = 110134,
};

/*
 * A serial number: its bytes as two small hexadecimal digits each, without leading bytes of zero, at most 31 of them (RFC 5280 4.1.2.2 has 20).
 */
#define AUDIT_SERIAL 64

/* One end of what happened. */
struct audit_party {
	char node[65];     /* of gantry.yaml; "" a stranger */
	char ae[17];       /* its AE title */
	char address[46];  /* IP */
	char subject[257]; /* of its certificate; more than one may have it */
	char serial
		[AUDIT_SERIAL]; /* of its certificate, hexadecimal as AUDIT_SERIAL has it; "": none was shown, or it was not recorded */
	char issuer[257]; /* of its certificate, whose serial number that is */
};

/* Of the certificate that an end showed: SHA-256 of its DER. */
#define AUDIT_FINGERPRINT 32
struct audit_fingerprint {
	bool known;
	uint8_t at[AUDIT_FINGERPRINT];
};

/* "sha256:" and hexadecimal, as pins of gantry.yaml have it; "" where none is known. */
#define AUDIT_FINGERPRINT_TEXT (7 + 2 * AUDIT_FINGERPRINT + 1)
void audit_fingerprint_text(const struct audit_fingerprint *f, char ret_text[AUDIT_FINGERPRINT_TEXT]);

/*
 * A serial number as people and other programs write it (any case, with colons or spaces between bytes, leading zeros) in the form above.
 * false: it is none, and *ret_serial is untouched.
 */
bool audit_serial_set(const char *text, char ret_serial[AUDIT_SERIAL]);

/* DICOM's longest: LO 64 characters, PN three groups of 64; in UTF-8. */
#define AUDIT_ID_MOST   257
#define AUDIT_NAME_MOST 1025

/* Classes that are told apart in one transfer; what is more is counted with the last. */
#define AUDIT_CLASSES    16
#define AUDIT_ACCESSIONS 8

struct audit_class {
	char uid[65];
	uint32_t instances;
};

struct audit_event {
	/* Values first, then texts: audit_event_clear() depends on it. */
	enum audit_kind kind;
	enum audit_outcome outcome;
	enum audit_alert alert; /* AUDIT_ALERT */
	int64_t time_ms;        /* wall; the auditor's own clock, when it heard of it */
	uint64_t
		association; /* number within a run of the gateway; 0: none. The gate's word, not the association's */
	uint64_t refusal; /* number of the refusal behind it; 0: none */
	uint64_t times;   /* AUDIT_ALERT: how often since the last record of the same; 0 and 1: once */
	uint64_t failed;  /* AUDIT_TRANSFERRED: instances that were not taken */
	bool to_caller; /* instances go from `to` to `from` (C-GET); otherwise, and for all else, from `from` to `to` */
	bool by_to; /* `to` asked for what happened: a request of the called side */
	bool user_proved;
	bool anonymized; /* the instances went on de-identified; what stands here is what they were */
	bool encrypted; /* they are, where they went to or came from: on a medium that only its recipient reads */
	bool no_fingerprints; /* read from the record of a gateway that recorded subjects alone: that none is known says nothing */
	struct audit_fingerprint from_certificate, to_certificate;
	unsigned n_accession, n_sop;
	struct span query;       /* AUDIT_QUERY: the identifier as it came; borrowed */
	struct audit_party from; /* who called; the caller of an association */
	struct audit_party to;   /* whom it called */
	char user[257];          /* of the caller; with `user_proved` false only what it claims */
	char patient_id[AUDIT_ID_MOST], patient_issuer[AUDIT_ID_MOST], patient_name[AUDIT_NAME_MOST];
	char study[65];        /* Study Instance UID */
	char query_class[65];  /* AUDIT_QUERY: SOP class, */
	char query_syntax[65]; /* transfer syntax */
	char text[512];        /* a sentence: EventOutcomeDescription, or what was done */
	char object[257];      /* what it was done to: a file, a node, a refusal's rule */
	char accession[AUDIT_ACCESSIONS][AUDIT_ID_MOST]; /* n_accession of them */
	struct audit_class sop[AUDIT_CLASSES]; /* n_sop; AUDIT_BEGIN: none or the first; AUDIT_PROGRESS,
						  _TRANSFERRED: passed on */
};

/*
 * An event is large, and most of it empty: these three touch what is used of it. Cleared, all its texts are "", its lists have
 * nothing in them, and what is behind is as it was, so that a text is set with its NUL, and a class with its number. A copy's
 * query is the same bytes. Wiped, nothing of it can be found: of its texts as they are now, and its lists.
 */
void audit_event_clear(struct audit_event *ev);
void audit_event_copy(struct audit_event *to, const struct audit_event *from);
void audit_event_wipe(struct audit_event *ev);

/*
 * Is it one that can be written and read? 0; ERR_VALUE: an issuer without a serial number, a kind, outcome, alert (one with AUDIT_ALERT, 0 with all else),
 * count, time (1970 to 9999) or text out of range, control characters (C0, DEL, C1), U+FFFE, U+FFFF, not UTF-8, a text
 * without its NUL; ERR_LENGTH: a query over LIMIT_IDENTIFIER.
 */
MUST_USE int audit_event_check(const struct audit_event *ev);

/* One text by the same rules. */
MUST_USE int audit_text_check(const char *text, size_t cap);

/*
 * Set a text of cap bytes from bytes of a peer: what may not stand in one becomes U+FFFD, spaces at both ends are left
 * out, and what does not fit is cut at the end of a character.
 */
void audit_text_set(char *to, size_t cap, struct span bytes);

/*
 * PS3.15 A.5.2, EventOutcomeIndicator: what succeeded in part is two messages, "not a single message with mixed results".
 * True for a transfer of which instances were passed on and others failed: *ev then tells of the former and succeeded,
 * *ret_failed of the latter, with the outcome, refusal and sentence that *ev had. Otherwise false, and both are untouched.
 */
bool audit_event_split(struct audit_event *ev, struct audit_event *ret_failed);

/*
 * Wire form, between processes and in records: fixed order, strings as u16 length and bytes, the query with a u32; then u8, the
 * fingerprints that are known (1: of from, 2: of to) and whose serial number and issuer are (4, 8), those fingerprints, and for each end
 * serial number and issuer. Records of before fingerprints end with the query, and of before serial numbers have no such flag. Writing fails with
 * what audit_event_check() says, or ERR_SPACE. Reading fails with ERR_TRUNCATED, ERR_TRAILING, ERR_VALUE (as above, and
 * unknown flags), ERR_LENGTH (a text or query longer than its place). *ret_event is untouched then; its query borrows bytes.
 */
MUST_USE int audit_event_write(const struct audit_event *ev, uint8_t *buf, size_t cap, size_t *ret_len);
MUST_USE int audit_event_read(struct span bytes, struct audit_event *ret_event);
/* The same into one that need not be clear, and *ev is touched on failure too, when it is to be overwritten as a whole. */
MUST_USE int audit_event_read_into(struct span bytes, struct audit_event *ev);

/* What audit_event_write() writes at most, but for the query: every text at its longest. */
#define AUDIT_EVENT_MOST 7936

/* "begin", "transferred"; "unknown" for what is no kind. Static storage. */
const char *audit_kind_name(enum audit_kind k);

#endif
