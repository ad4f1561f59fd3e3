/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/starter.h"
#include "keys/uid_make.h"
#include "base/writer.h"

#include <stdio.h>

static const char top[] =
	"# Gantry's configuration. `man gantry.yaml` explains every key, `gantry check` finds every mistake.\n"
	"# After a change: `systemctl reload gantry`, or SIGHUP to `gantry run`.\n"
	"# Relative paths start at the folder of this file.\n"
	"\n"
	"site: Starter\n"
	"mode: enforce        # observe: refuse nothing by rule, and record what would have been refused\n"
	"\n"
	"state: state         # what Gantry remembers: the audit trail, refusals for `gantry explain`\n"
	"run: run             # the socket that `gantry status` asks\n"
	"user: gantry         # what the parts that meet the network become when started as root\n"
	"\n"
	"log: { file: stderr, format: text, level: info }     # format: json is for machines\n"
	"\n"
	"# Who the gateway is, on both of its sides. Devices choose between the two kinds of certificate.\n"
	"# tls/ca.key signs new certificates: move it to a safe place that is not this machine.\n"
	"tls:\n"
	"  identities:\n"
	"    - { certificate: tls/gateway-ecdsa.pem, key: tls/gateway-ecdsa.key }\n"
	"    - { certificate: tls/gateway-rsa.pem, key: tls/gateway-rsa.key }\n"
	"  trust: [ tls/ca.pem ]        # authorities whose certificates peers may show\n"
	"\n"
	"# What passes is recorded before it passes. The records can be read by auditors alone: move audit/auditor.key and\n"
	"# audit/auditor.passphrase to the auditor, and audit/checkpoint.vkey and record.vkey to whoever verifies.\n"
	"audit:\n";

static const char rest[] =
	"  auditors: [ audit/auditor.pem ]\n"
	"  checkpoint-key: audit/checkpoint.key\n"
	"  record-key: audit/record.key\n"
	"  index-key: audit/index.key\n"
	"  unrecorded: hold             # what cannot be recorded waits, and is refused after half a minute\n"
	"\n"
	"# Where Gantry listens. Loopback only, to begin with: `address: \"*\"` is every address of this machine.\n"
	"listeners:\n"
	"  - { name: tls, address: 127.0.0.1, port: " STARTER_PORT_TLS ", transport: tls }\n"
	"  - { name: plain, address: 127.0.0.1, port: " STARTER_PORT_PLAIN ", transport: plain }\n"
	"\n"
	"# Who is known. A caller is a node only if all that the node's entry names is true of its connection.\n"
	"nodes:\n"
	"  archive:\n"
	"    ae: [ ARCHIVE ]\n"
	"    from: [ ]                  # it never calls; an empty list admits no one\n"
	"    address: [ folder:archive ]      # keeps DICOM files; a real archive is `pacs.hospital:11112`\n"
	"\n"
	"  # A scanner that speaks plain DICOM is known by its address and its AE title.\n"
	"  scanner:\n"
	"    ae: [ SCANNER ]\n"
	"    from: [ 127.0.0.1 ]\n"
	"    transport: plain\n"
	"\n"
	"  # A scanner with a certificate is known by the name in it as well.\n"
	"  scanner-tls:\n"
	"    ae: [ SCANNER_TLS ]\n"
	"    certificate: { san: [ scanner ] }\n"
	"    transport: tls\n"
	"\n"
	"# Who may do what. What no flow allows is refused; `gantry explain NUMBER` tells what would allow it.\n"
	"flows:\n"
	"  - name: scanners-to-archive\n"
	"    from: [ scanner, scanner-tls ]\n"
	"    to: archive\n"
	"    services: [ echo, store ]\n"
	"    inspect: yes                       # what has programs, scripts or traps in it is refused\n";

int starter_yaml(const char *origin, char *ret_text, size_t cap)
{
	int n = snprintf(ret_text, cap,
		"%s  origin: %s      # the journal's name in its checkpoints, for ever\n%s", top, origin,
		rest);
	return n > 0 && (size_t)n < cap ? 0 : ERR_SPACE;
}

/* An element in Explicit VR Little Endian with a 16-bit length (PS3.5 7.1.2), padded to even length. */
static void put_text(struct writer *w, uint16_t group, uint16_t element, const char *vr, const char *text)
{
	size_t len = strlen(text);
	writer_u16le(w, group);
	writer_u16le(w, element);
	writer_bytes(w, vr, 2);
	writer_u16le(w, (uint16_t)(len + len % 2));
	writer_bytes(w, text, len);
	writer_fill(w, memcmp(vr, "UI", 2) == 0 ? 0 : ' ', len % 2);
}

static void put_u16(struct writer *w, uint16_t group, uint16_t element, uint16_t value)
{
	writer_u16le(w, group);
	writer_u16le(w, element);
	writer_bytes(w, "US", 2);
	writer_u16le(w, 2);
	writer_u16le(w, value);
}

/* OB with its 32-bit length (PS3.5 7.1.2). */
static size_t open_bytes(struct writer *w, uint16_t group, uint16_t element)
{
	writer_u16le(w, group);
	writer_u16le(w, element);
	writer_bytes(w, "OB\0\0", 4);
	return writer_mark_u32le(w);
}

static const char sop_class[] = "1.2.840.10008.5.1.4.1.1.7"; /* Secondary Capture Image Storage */

/* PS3.10 7.1 */
static void put_meta(struct writer *w, const char *instance)
{
	writer_fill(w, 0, 128);
	writer_bytes(w, "DICM", 4);
	writer_u16le(w, 0x0002);
	writer_u16le(w, 0x0000);
	writer_bytes(w, "UL", 2);
	writer_u16le(w, 4);
	size_t group_length = writer_mark_u32le(w);
	size_t version = open_bytes(w, 0x0002, 0x0001);
	writer_bytes(w, "\0\1", 2);
	writer_fill_u32le(w, version);
	put_text(w, 0x0002, 0x0002, "UI", sop_class);
	put_text(w, 0x0002, 0x0003, "UI", instance);
	put_text(w, 0x0002, 0x0010, "UI", "1.2.840.10008.1.2.1");
	put_text(w, 0x0002, 0x0012, "UI", "2.25.279366171127236183284286110184087612043");
	writer_fill_u32le(w, group_length);
}

int starter_image(uint8_t *ret_bytes, size_t *ret_len)
{
	char instance[65], study[65], series[65];
	if (uid_make(instance) < 0 || uid_make(study) < 0 || uid_make(series) < 0) {
		return ERR_SYSTEM;
	}
	struct writer w = writer_of(ret_bytes, STARTER_IMAGE_CAP);
	put_meta(&w, instance);
	put_text(&w, 0x0008, 0x0016, "UI", sop_class);
	put_text(&w, 0x0008, 0x0018, "UI", instance);
	put_text(&w, 0x0008, 0x0020, "DA", "20260101");
	put_text(&w, 0x0008, 0x0030, "TM", "120000");
	put_text(&w, 0x0008, 0x0050, "SH", "");
	put_text(&w, 0x0008, 0x0060, "CS", "OT");
	put_text(&w, 0x0008, 0x0064, "CS", "WSD");
	put_text(&w, 0x0008, 0x0090, "PN", "");
	put_text(&w, 0x0010, 0x0010, "PN", "Trial^Image");
	put_text(&w, 0x0010, 0x0020, "LO", "TRIAL");
	put_text(&w, 0x0010, 0x0030, "DA", "");
	put_text(&w, 0x0010, 0x0040, "CS", "");
	put_text(&w, 0x0020, 0x000d, "UI", study);
	put_text(&w, 0x0020, 0x000e, "UI", series);
	put_text(&w, 0x0020, 0x0010, "SH", "1");
	put_text(&w, 0x0020, 0x0011, "IS", "1");
	put_text(&w, 0x0020, 0x0013, "IS", "1");
	put_u16(&w, 0x0028, 0x0002, 1);
	put_text(&w, 0x0028, 0x0004, "CS", "MONOCHROME2");
	put_u16(&w, 0x0028, 0x0010, 64);
	put_u16(&w, 0x0028, 0x0011, 64);
	put_u16(&w, 0x0028, 0x0100, 8);
	put_u16(&w, 0x0028, 0x0101, 8);
	put_u16(&w, 0x0028, 0x0102, 7);
	put_u16(&w, 0x0028, 0x0103, 0);
	size_t pixels = open_bytes(&w, 0x7fe0, 0x0010);
	for (unsigned i = 0; i < 64 * 64; i++) {
		writer_u8(&w, (uint8_t)((i % 64) * 2 + (i / 64) * 2));
	}
	writer_fill_u32le(&w, pixels);
	int r = writer_end(&w);
	if (r == 0) {
		*ret_len = w.len;
	}
	return r;
}
