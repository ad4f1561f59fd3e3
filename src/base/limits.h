/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#include <stdint.h>

/*
 * Every limit that is ours and not the standard's, each with its unit and its reason.
 * What a site may want to change has a key in gantry.yaml and only its default or its ceiling here.
 */

/* A line of the log, in bytes; at most PIPE_BUF's 4096 would be atomic on a pipe, longer ones are cut. */
#define LIMIT_LOG_LINE 4096

/* The largest PDU that is held whole: A-ASSOCIATE-RQ and -AC. 128 contexts with 30 transfer syntaxes each fit. */
#define LIMIT_ASSOCIATE_PDU (256u * 1024)

/* Presentation contexts have odd identifiers 1..255 (PS3.8 9.3.2.2). */
#define LIMIT_CONTEXTS 128

/* Transfer syntaxes proposed for one context. The standard has about 60. */
#define LIMIT_TRANSFER_SYNTAXES 64

/* Role selections, extended negotiations: one a SOP class proposed, as they cannot be more. */
#define LIMIT_ROLES               128
#define LIMIT_EXTENDED            128
#define LIMIT_COMMON_EXTENDED     128
#define LIMIT_RELATED_SOP_CLASSES 32

/* A command set, reassembled. Real ones are under 1 KiB; offending-element and attribute lists make them longer. */
#define LIMIT_COMMAND_SET (16u * 1024)

/* An identifier (query keys) that is held whole because a query guard must read it. */
#define LIMIT_IDENTIFIER (64u * 1024)

/* A message whose names are replaced, held whole: storage commitment of some 25,000 instances. */
#define LIMIT_RENAMED (4u << 20)

/* Operations outstanding at once in one direction, whatever the window negotiated (PS3.7 D.3.3.3). */
#define LIMIT_OUTSTANDING 256

/* Nesting of sequences. DCMTK has the same. */
#define LIMIT_SEQUENCE_DEPTH 64

/* The maximum PDU we announce by default, and the most that can be configured. Bytes after the 6-byte header. */
#define DEFAULT_MAX_PDU (128u * 1024)
#define LIMIT_MAX_PDU   (1024u * 1024)
#define LIMIT_MIN_PDU   4096u /* the least a site may set; PS3.8 allows less, nobody uses it */

/* How many bytes over the announced maximum a node may send that is marked `tolerate: [ pdu-overrun ]`. */
#define LIMIT_PDU_OVERRUN 64u

/* A peer that takes less than this in a PDU is refused: heads would outweigh what they carry. Bytes after the head. */
#define LIMIT_LEAST_PDU 128u

/* The relay's read buffer, one a direction, in bytes. */
#define RELAY_BUFFER (128u * 1024)

/* Associations: in all, and from one address, unless the site says otherwise. */
#define DEFAULT_ASSOCIATIONS             1000
#define DEFAULT_ASSOCIATIONS_PER_ADDRESS 100

/* Times in seconds, unless the site says otherwise. `gantry check --defaults` prints them. */
#define DEFAULT_ARTIM_S     30   /* PS3.8 9.1.5: waiting for A-ASSOCIATE-RQ, and for the peer to close */
#define DEFAULT_NEGOTIATE_S 30   /* from accept until the association is answered */
#define DEFAULT_CONNECT_S   10   /* one address of a node */
#define DEFAULT_IDLE_S      3600 /* between messages */
#define DEFAULT_MESSAGE_S   60   /* silence in the middle of a message, or a peer that takes no bytes */
#define DEFAULT_RESPONSE_S  600  /* a request waits for its (next) response */
#define DEFAULT_STOP_S      30   /* SIGTERM: what associations get to finish */
#define DEFAULT_LOOKUP_S    60   /* host names are looked up again */

/* A message between roles, in bytes, descriptors apart. */
#define LIMIT_ROLE_MESSAGE (72u * 1024) /* a SAML assertion of 64 KiB must fit */

/* What a caller's user identity is answered (PS3.7 D.3.3.7.2): an AP-REP has some 150 bytes, a SAML response some 500. */
#define LIMIT_USER_RESPONSE 1024

/* gantry.yaml and each file it names. */
#define LIMIT_CONFIG_FILE (1024u * 1024)

/* A site's rules of what is burned in where (pixels/rules.h). */
#define LIMIT_PIXEL_RULES (256u * 1024)

/*
 * An object whose pixels a process of the gateway's cleans, in bytes, and what becomes of it: both are held in memory, beside what
 * decoders need.
 */
#define LIMIT_CLEANED (1ull << 30)

/* Files of a folder, and members of an image of a disc, folders included. A full DVD of one-slice files has under 20 000. */
#define LIMIT_MEMBERS 200000

/* Folders below a folder that is walked. ISO 9660 allows 8, PS3.10 8.2 as many for a File ID. */
#define LIMIT_FOLDER_DEPTH 32

/* The name of a member, its path below the disc's root, in bytes. */
#define LIMIT_MEMBER_NAME 1024

/*
 * What an image of a disc, or a compressed mail, unpacks to, in bytes: each member, all of them, and how many times the image's own size, which is
 * not looked at below LIMIT_UNPACKED_FREE. Pictures that are all black deflate to a thousandth; a disc of them there is not.
 */
#define LIMIT_MEMBER_BYTES   (8ull << 30)
#define LIMIT_UNPACKED       (128ull << 30)
#define LIMIT_UNPACKED_RATIO 100u
#define LIMIT_UNPACKED_FREE  (256ull << 20)

/* For something of that size. */
static inline uint64_t limit_unpacked(uint64_t size)
{
	uint64_t most =
		size > LIMIT_UNPACKED / LIMIT_UNPACKED_RATIO ? LIMIT_UNPACKED : size * LIMIT_UNPACKED_RATIO;
	return most < LIMIT_UNPACKED_FREE ? LIMIT_UNPACKED_FREE : most;
}

/* A peer whose association processes crash this often within this many seconds is held off as long. */
#define LIMIT_CRASHES      3
#define LIMIT_CRASH_WINDOW 600

#endif
