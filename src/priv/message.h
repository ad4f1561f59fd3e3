/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRIV_MESSAGE_H
#define PRIV_MESSAGE_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"
#include "policy/refusal.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Messages between roles, over SOCK_SEQPACKET pairs: one datagram a message, at most one descriptor with it.
 * Wire form: u8 version (MESSAGE_VERSION), u8 type, u32 generation, then the fields in network order, strings as u16
 * length + bytes. The receiver trusts nothing: it reads with the bounded reader, computes sizes itself, and a message
 * whose type is not permitted on that channel, or that has (or lacks) a descriptor against its table row, is ERR_PEER.
 *
 * Generations. Every site that the gate has served has a number, 1 for the first. Indices of nodes and flows mean
 * nothing without it, since a reload moves them. An association that was forked with a site and has taken no other
 * may leave generation 0 in what it sends. From the moment that it works with the site of a MSG_SITE it puts that
 * message's generation into everything it sends; it never goes back to an older one (ERR_PEER).
 */
#define MESSAGE_VERSION 1

/* Who may send a type on which channel: the table in message.c has one row a type. */
enum message_from {
	FROM_SUPERVISOR = 0x01, /* to the gate, the lookup, the store, the key holder, the forwarder */
	FROM_GATE_UP = 0x02,    /* gate to supervisor */
	FROM_GATE_DOWN = 0x04,  /* gate to association */
	FROM_ASSOCIATION = 0x08,
	FROM_GATE_LOOKUP = 0x10,
	FROM_LOOKUP = 0x20,
	FROM_GATE_STORE = 0x40,
	FROM_STORE = 0x80,
	FROM_KEYS = 0x100,
	FROM_GATE_KEYS = 0x200,
	FROM_JOB = 0x400, /* a child of the lookup */
	FROM_GATE_AUDITOR = 0x800,
	FROM_FORWARD = 0x1000,
	FROM_COURIER = 0x2000, /* a child of the forwarder */
	FROM_TELLER = 0x4000,  /* whoever tells the auditor what happened, on a channel of its own */
	FROM_AUDITOR = 0x8000,
	FROM_AUDITOR_GATE = 0x10000, /* auditor to gate */
	FROM_HOLDER = 0x20000,       /* an association, to the store, on a channel of its own */
	FROM_STORE_GATE = 0x40000,   /* store to gate */
	FROM_GATE_ALONE =
		0x80000, /* gate to key holder: what the forwarder, which is FROM_GATE_KEYS too, may not */
};

enum message_type {
	/* supervisor -> roles */
	MSG_SITE = 1, /* fd: sealed memfd with site_pack(); also gate -> association after a reload */
	MSG_LISTENER, /* fd: listening socket; number: listener index in the site sent before */
	MSG_CHANNEL,  /* fd: channel to another role; number: enum role_id */
	MSG_LEDGER,   /* fd: refusals.jsonl, O_APPEND | O_RDWR */
	MSG_CONTROL,  /* fd: listening AF_UNIX socket of `gantry status` */
	MSG_DOOR,     /* fd: listening AF_UNIX socket of the local door (net/door.h) */
	MSG_LOG, /* fd: where log lines go from now on; number: how, see MSG_LOG_HOW. Also gate -> association */
	MSG_GO, /* all of the above has been sent: serve with it. After a reload it replaces what was there */
	MSG_STOP, /* finish; said again: now. Also gate -> association: after the current message */
	MSG_KEPT, /* a reload was refused. text: the first reason; number: when, wall ms */
	MSG_KEYS, /* fd: channel to the key holder. number 0: of the site in use; 1: of the MSG_SITE that comes next */
	/*
	 * To the lookup, before MSG_SITE. fd: memfd; number: enum user_file, or USER_FILES for the record of what was proved
	 * by something that is good once (gateway/once.h).
	 */
	MSG_FILE,
	/* gate -> supervisor */
	/*
	 * Also key holder -> supervisor. number 0: serving the site of the last MSG_GO; else it cannot be served: the gate
	 * says 1, the key holder 1 + the index of the identity at fault (or their number: of none), and text why.
	 */
	MSG_READY,
	MSG_CUT,         /* number: associations that were cut, because the time for stopping was over */
	MSG_LEDGER_FULL, /* rotate refusals.jsonl and send MSG_LEDGER */
	/* association -> gate, each answered by the message named */
	MSG_ADMIT,      /* struct msg_admit: the real address from a PROXY header -> MSG_VERDICT */
	MSG_ASSOCIATED, /* struct msg_associated, once for each flow of the route -> MSG_COUNTS of that flow */
	MSG_CONNECT,    /* struct msg_connect -> MSG_CONNECTED */
	MSG_REFUSAL, /* struct refusal -> MSG_NUMBER: its number, new or that of the identical one before */
	MSG_OBJECT,  /* struct msg_object: an object begins -> MSG_COUNTS */
	MSG_CHAIN, /* bytes: a peer's certificates (keys/ocsp.h); also gate -> lookup, number: who asks -> MSG_STANDING */
	/*
	 * bytes: u8 type, u16 length and primary field, u16 length and secondary field of a user identity (PS3.7 D.3.3.7);
	 * also gate -> lookup, number: who asks -> MSG_USER. A secret: message_wipe() when it has been sent or read.
	 */
	MSG_WHO,
	MSG_PROGRESS, /* struct msg_progress; no answer; at most one a second and one at the end */
	MSG_AUDIT,    /* a channel to the auditor is wanted -> MSG_TELL */
	MSG_HOLD,     /* room for an object that is held is wanted -> MSG_HELD */
	/* gate -> association */
	MSG_VERDICT,   /* number: enum rule, RULE_NONE to go on */
	MSG_COUNTS,    /* struct msg_counts */
	MSG_CONNECTED, /* struct msg_connected, fd when number is 0 */
	MSG_NUMBER,    /* number */
	/*
	 * What its authority says of a certificate. Lookup -> gate, number: who asked; gate -> association; a job -> lookup,
	 * number: until when it holds, s. text: why not good.
	 */
	MSG_STANDING,
	/* gate <-> lookup */
	MSG_RESOLVE,   /* text: host name */
	MSG_ADDRESSES, /* struct msg_addresses */
	/* gate -> store */
	MSG_FOLDER, /* text: absolute folder; number: enum folder flags 0; fd: stream socket on which the archive answers */
	/*
	 * Who that is. Lookup -> gate, number: who asked; gate -> association; a job -> lookup. text: why it is not proved.
	 * bytes: the server response for the caller (PS3.7 D.3.3.7.2), may be empty.
	 */
	MSG_USER,
	MSG_STAPLE, /* also lookup -> gate. bytes: SHA-256 of our certificate's file, OCSP response; number: its end, s */
	MSG_LIST, /* a job -> lookup. fd: memfd of a revocation list that was fetched; number: its next update, s */
	/* gate, courier -> key holder; gate -> auditor */
	MSG_CLIENT, /* struct msg_client, fd: its channel (keys/holder.h, or for MSG_EVENT) */
	/* gate -> association */
	MSG_TELL, /* number 0, fd: its channel to the auditor; else there is none now */
	/*
	 * Gate -> auditor. number: which of the lines (gateway/audit_line.h), fd: its end; or MSG_LINE_TABLE, fd: the memfd of
	 * their table.
	 */
	MSG_LINE,
	/*
	 * On a line to the auditor. number: MSG_TOLD_ALL, who has it tells nothing more, if all that it told is recorded;
	 * MSG_TOLD_GONE, from the gate: who had it is gone.
	 */
	MSG_TOLD,
	/*
	 * Teller -> auditor. bytes: what happened (audit/event.h). number: MSG_EVENT_NEW, or the record of the AUDIT_BEGIN that it
	 * goes on with. Each but AUDIT_PROGRESS is answered by MSG_RECORDED, in order.
	 */
	MSG_EVENT,
	MSG_LAST_EVENT, /* the same on a line, and MSG_TOLD_ALL with it */
	MSG_SPOOL, /* supervisor -> forwarder, auditor. fd: number 0, the spool's folder; 1, a memfd with its key */
	MSG_RECORDED, /* auditor -> teller. number: the record, which is durable; or an enum err: it could not be made */
	MSG_COURIER, /* struct msg_courier: a courier -> forwarder -> gate, each few seconds */
	MSG_OPERATOR, /* gate -> key holder. fd: the channel of a process for a client of the control socket (keys/holder.h) */
	MSG_JOURNAL, /* struct msg_journal: auditor -> gate, when something in it has changed, at most one a second */
	/* gate -> association */
	MSG_HELD, /* number 0, fd: its channel to the store, for one object; else an enum err */
	/* gate -> store */
	/* text: absolute folder; number: bytes that all held objects may take; client.association: whose; fd: its channel */
	MSG_HOLDER,
	/* association -> store, on such a channel. Who closes it gives the room back. */
	MSG_ROOM, /* number: bytes wanted in all -> MSG_ROOMED */
	/*
	 * store -> association. number 0, fd: a file without a name, with that room; 1: it has it now; ERR_AGAIN: others have it, and another
	 * MSG_ROOMED comes when they have given some back; or another enum err
	 */
	MSG_ROOMED,
	/*
	 * Association -> gate -> auditor; no answer. number: MSG_UNRECORDED_OF: so many events of an enum audit_kind passed, or were
	 * lost, without a record.
	 */
	MSG_UNRECORDED,
	MSG_KEEP, /* association -> gate: the quarantine is wanted for one object -> MSG_KEEPER */
	/*
	 * gate -> association. number 0, fd: stream socket to who keeps it (archive/keeper.h); ERR_AGAIN: too soon after the last; else
	 * there is none now.
	 */
	MSG_KEEPER,
	MSG_KEEPING,    /* gate -> store. struct msg_keeping; fd: the other end of MSG_KEEPER's socket */
	MSG_QUARANTINE, /* supervisor -> store. fd: number 0, the quarantine's folder; 1, a memfd with its key */
	MSG_QUARANTINED, /* struct msg_quarantined: store -> gate, when something in it has changed */
	MSG_SCAN,        /* association -> gate: an object is to be scanned for viruses -> MSG_SCANNER */
	MSG_SCANNING, /* gate -> lookup. number: who asks; fd: a stream socket for the job (antivirus/scanner.h) */
	MSG_SCANNER, /* gate -> association. number 0, fd: the other end of that; else there is none */
	MSG_ANTIVIRUS, /* struct msg_antivirus: a job -> lookup -> gate, when something has changed, at most one a second */
	MSG_CLEAN, /* association -> gate: an object's pixels are to be cleaned. number: which of others' decoders are needed, MSG_CLEAN_…; 0 -> MSG_CLEANER */
	MSG_CLEANING, /* gate -> lookup. number: MSG_CLEANING_OF who asks, of which node (0: of none), and that; fd: a stream socket for the job (pixels/cleaner.h) */
	MSG_CLEANER,  /* gate -> association. number 0, fd: the other end of that; else there is none */
	MSG_BOOK,     /* association -> gate: a channel to the book of names is wanted -> MSG_BOOKED */
	MSG_BOOKED, /* gate -> association. number 0, fd: its channel (archive/bookkeeper.h); else it may not have one, or there is none now */
	MSG_BOOKING,     /* gate -> store. number: BOOKING (archive/bookkeeper.h); fd: the other end */
	MSG_BOOK_FOLDER, /* supervisor -> store. fd: the book's folder; number: BOOK_LIMITS */
	MSG_ROOM_NOW, /* association -> store: as MSG_ROOM, but it does not wait for room that others have */
	MSG_TYPE_COUNT,
};

/* MSG_LOG's number: the format in bit 0, the least level above bit 7. */
#define MSG_LOG_HOW(json, level)   ((int64_t)(level) << 8 | ((json) ? 1 : 0))
#define MSG_LOG_JSON(number)       (((number)&1) != 0)
#define MSG_LOG_LEVEL(number)      ((number) >> 8 & 0xff)

#define MSG_UNRECORDED_MOST        UINT32_MAX
#define MSG_UNRECORDED_OF(n, kind) ((int64_t)(n) << 8 | (int64_t)(kind))
#define MSG_UNRECORDED_KIND(m)     ((unsigned)((m)&0xff))
#define MSG_UNRECORDED_COUNT(m)    ((m) >> 8) /* 1 to MSG_UNRECORDED_MOST */

/* What decodes: others' codecs, and others' for videos beside them. */
#define MSG_CLEAN_CODEC                 1
#define MSG_CLEAN_VIDEO                 2
#define MSG_CLEANING_OF(id, node, what) ((int64_t)(id) << 18 | (int64_t)(node) << 2 | ((int64_t)(what)&3))
#define MSG_CLEANING_ID(m)              ((m) >> 18)
#define MSG_CLEANING_NODE(m)            ((uint16_t)((m) >> 2))
#define MSG_CLEANING_CODEC(m)           (((m)&MSG_CLEAN_CODEC) != 0)
#define MSG_CLEANING_VIDEO(m)           (((m)&MSG_CLEAN_VIDEO) != 0)

struct msg_admit {
	struct in6_addr ip;
	uint16_t port;
};

#define MSG_EVENT_NEW (-1)

/* MSG_LINE */
#define MSG_LINE_TABLE (-1)
#define MSG_LINES_MOST 64

/* MSG_TOLD */
#define MSG_TOLD_GONE 0
#define MSG_TOLD_ALL  1

/* Whose channel that is: whose sessions it may keep and find, whose doings it may tell. */
struct msg_client {
	struct in6_addr ip; /* of its caller; all zero: the gate itself */
	uint64_t association;
};

#define MSG_CERTIFICATE 72 /* "sha256:" and hexadecimal (audit/event.h); "": it showed none */

struct msg_associated {
	int32_t from, to,
		flow; /* indices of the site the association works with; from -1 unknown, flow: first of the route */
	char calling[17], called[17];
	bool tls;
	char tls_version[16], suite[64];
	char subject[256];
	char certificate[MSG_CERTIFICATE], serial[64], issuer[256]; /* as struct msg_keeping */
};

struct msg_connect {
	int32_t node; /* index */
	int32_t address; /* try from this address of the node on; the gate tries the next ones itself until one connects */
	struct in6_addr source; /* the caller's, for nodes with source: caller */
	uint16_t source_port;   /* 0: any */
};

struct msg_connected {
	int32_t result;  /* 0, or an enum err */
	int32_t address; /* which one answered */
	bool is_folder;  /* the descriptor leads to the store role: no TLS, no PROXY header */
	char text[128];  /* "10.1.1.7:11112", or why none could be reached, for people */
};

struct msg_object {
	int32_t flow;
	uint64_t bytes;   /* of objects finished since the last message, on this flow */
	uint32_t objects; /* beginning with this message: 0 or 1 */
};

struct msg_counts {
	uint32_t at_once, last_minute;     /* associations of the flow, this one included */
	uint64_t objects_hour, bytes_hour; /* of the flow, what was just reported included */
};

enum progress_state { PROGRESS_NEGOTIATING, PROGRESS_IDLE, PROGRESS_IN_MESSAGE, PROGRESS_CLOSING };

struct msg_standing {
	uint8_t state;    /* enum standing_state */
	uint32_t again_s; /* ask again after this */
};

struct msg_user {
	bool proved;
	char name[256];
	char groups[1024]; /* separated by commas */
	/* Of a job alone. */
	bool next; /* not proved: the file does not know the name, others may */
	uint8_t once[32];
	int64_t once_until_s; /* not 0: a proof that is good once, known by `once`, and would be good until then */
};

struct msg_progress {
	uint64_t messages, objects, bytes_in, bytes_out; /* since the start of the association */
	uint64_t remade;                                 /* of the objects, those that were de-identified */
	uint32_t refusals, tolerated;
	uint8_t state; /* enum progress_state */
};

/* How a repository or a witness is served. */
enum courier_state { COURIER_IDLE, COURIER_SENDING, COURIER_AWAY, COURIER_STATES };

#define MSG_COURIERS_MOST 16
struct msg_courier {
	uint8_t index, total; /* of those that the site has */
	bool witness;
	uint8_t state;                                  /* enum courier_state */
	char name[65];                                  /* of gantry.yaml, or a witness's own */
	char address[256];                              /* in use, or tried last */
	uint64_t waiting, bytes;                        /* in the spool */
	uint64_t delivered, resent, lost, cut, damaged; /* entries, since the forwarder started */
	int64_t delivered_ms, failed_ms;                /* wall; 0: never */
	char error[512];                                /* of failed_ms */
};

/* How the journal is. */
struct msg_journal {
	bool failing;           /* the last attempt to make records durable failed */
	int64_t since_ms;       /* wall: it is as it is since then */
	uint64_t records;       /* in the journal, durable */
	uint64_t open;          /* transfers that have begun and not ended */
	uint64_t vouched;       /* records under the last checkpoint */
	int64_t signed_ms;      /* wall: when that was made; 0: there is none */
	uint64_t unsent;        /* messages that the spool had no room for, since the auditor started */
	char why[128];          /* failing: what failed */
	char unsigned_why[128]; /* why no new checkpoint can be made; "": nothing is wrong with them */
	char uncopied_why[128]; /* why they are not in `checkpoint-file`; "": they are, or are not to be */
	char cold_why[256];     /* why older segments could not go to the cold folder; "": they could */
};

/*
 * How much the quarantine may hold; and what the gate knows itself of who brings an object there. The names are those with which
 * the association was counted, before it had read any object; refusal: the last number that it was given.
 */
struct msg_keeping {
	uint64_t most_bytes, most_objects;
	uint64_t association, refusal;
	struct in6_addr ip;    /* the caller's */
	char flow[65];         /* "": it may use more than one, or none */
	char from[65], to[65]; /* nodes; "" unknown */
	char calling[17];      /* the caller's AE title */
	char subject[256];     /* of its certificate */
	char certificate[MSG_CERTIFICATE], serial[64], issuer[256]; /* its fingerprint; its number, of whom */
};

/* How the quarantine is. */
struct msg_quarantined {
	uint64_t objects, bytes, released; /* in it; of all its files; that were released */
	int64_t oldest_ms;                 /* wall: when the oldest object came first; 0: none, or unknown */
	uint64_t not_kept;                 /* objects, since the store role started */
	int64_t not_kept_ms;               /* wall: the last of them; 0: none */
	char why[64];                      /* of not_kept_ms */
};

/* How the virus scanner is. */
struct msg_antivirus {
	bool good; /* it was asked last and finds what it must */
	uint8_t verdict; /* enum scan_verdict: of a job that scanned one object; SCAN_PENDING: of one that tried the scanner */
	int64_t since_ms;                             /* wall: it is as it is since then */
	uint64_t most;                                /* bytes of one file that it was seen to look at */
	uint64_t scanned, found, partly, not_scanned; /* objects, since the lookup started */
	char version[128];
	char why[160]; /* not good; or `most` is less than `max-size`; of one object: the name found, or why not */
};

#define MSG_ADDRESSES_MOST 16
struct msg_addresses {
	char host[256];
	uint32_t n; /* 0: not found */
	struct in6_addr ip[MSG_ADDRESSES_MOST];
};

/* Of the union a message has what its type has; the rest is not set when one is received. */
struct message {
	enum message_type type;
	int fd;              /* -1: none. Owned by the receiver. */
	uint32_t generation; /* of the site that indices refer to; see above */
	int64_t number;
	struct span
		bytes; /* MSG_CHAIN, MSG_STAPLE, MSG_WHO, MSG_USER, MSG_EVENT, MSG_LAST_EVENT. Received: borrowed until the next message_recv() */
	union {
		struct msg_admit admit;
		struct msg_client client;
		struct msg_associated associated;
		struct msg_connect connect;
		struct msg_connected connected;
		struct msg_object object;
		struct msg_counts counts;
		struct msg_progress progress;
		struct msg_standing standing;
		struct msg_user user;
		struct msg_addresses addresses;
		struct msg_courier courier;
		struct msg_journal journal;
		struct msg_keeping keeping;
		struct msg_quarantined quarantined;
		struct msg_antivirus antivirus;
		struct refusal refusal;
	};
	char text
		[4096]; /* MSG_RESOLVE, MSG_FOLDER, MSG_KEPT, MSG_READY, MSG_STANDING, MSG_USER; "" otherwise */
};

/*
 * Send. m->fd is passed along and stays the sender's. ERR_AGAIN when the channel is full, ERR_CLOSED, ERR_SYSTEM.
 * Never blocks on a non-blocking channel.
 */
MUST_USE int message_send(int channel, const struct message *m);

/*
 * Receive one message. permitted: the enum message_from bits of who sits at the other end.
 * ERR_AGAIN on an empty non-blocking channel, ERR_CLOSED, ERR_PEER when the other end broke the protocol (the
 * caller closes the channel and says so), ERR_SYSTEM.
 */
MUST_USE int message_recv(int channel, unsigned permitted, struct message *ret_message);

/*
 * The pure parts, for the fuzzer. Writing: ERR_TYPE, ERR_VALUE (a descriptor against the table), ERR_SPACE. Reading:
 * ERR_PEER (version, permission, descriptor), ERR_TRUNCATED, ERR_TRAILING, ERR_LENGTH (a text over its array),
 * ERR_VALUE; *ret_message is untouched then. ret_message->fd is always -1: the caller has the descriptor.
 */
MUST_USE int message_write(const struct message *m, uint8_t *buf, size_t cap, size_t *ret_len);
/* The same into scratch: *m is touched on failure too. */
MUST_USE int message_read_into(struct span bytes, unsigned permitted, bool has_fd, struct message *m);
MUST_USE int message_read(struct span bytes, unsigned permitted, bool has_fd, struct message *ret_message);

/* So many bytes at the beginning of a message of that type are set, and its text. */
size_t message_extent(enum message_type t);

/*
 * For a process that forks others to serve other peers: what messages leave in memory is not inherited (message_keep()
 * in the one that forks, message_forget() in the forked one).
 */
void message_keep(void);

/* What the last message sent or received has left in this process: for those that carry secrets. */
void message_wipe(void);

void message_forget(void);

const char *message_name(enum message_type t);

#endif
