/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/body.h"
#include "audit/pack.h"
#include "base/reader.h"
#include "base/writer.h"

#include <stdlib.h>
#include <zlib.h>

#define VERSION 1

/* Bytes that most messages have. It is part of the format: other words are another version. */
static const char dictionary[] =
	"<ParticipantObjectDetail type=\"\" value=\"\"/><EventOutcomeDescription></EventOutcomeDescription>"
	"<ParticipantObjectQuery></ParticipantObjectQuery>originalText=\"Application Activity\" originalText=\"Query\" "
	"originalText=\"Security Alert\" originalText=\"Patient Record\" originalText=\"User Authentication\" "
	"ParticipantObjectTypeCodeRole=\"24\" ParticipantObjectTypeCodeRole=\"13\" EventOutcomeIndicator=\"8\" "
	"EventOutcomeIndicator=\"4\" EventActionCode=\"R\" EventActionCode=\"C\" EventActionCode=\"E\" "
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<AuditMessage><EventIdentification EventActionCode=\"\" EventDateTime=\"20"
	"\" EventOutcomeIndicator=\"0\"><EventID csd-code=\"1101\" codeSystemName=\"DCM\" originalText=\"Begin Transferring "
	"DICOM Instances\"/><EventID csd-code=\"110104\" codeSystemName=\"DCM\" originalText=\"DICOM Instances Transferred\"/>"
	"</EventIdentification><ActiveParticipant UserID=\"\" AlternativeUserID=\"AETITLES=\" UserName=\"\" "
	"UserIsRequestor=\"false\" NetworkAccessPointID=\"\" NetworkAccessPointTypeCode=\"2\"><RoleIDCode csd-code=\"110153\" "
	"codeSystemName=\"DCM\" originalText=\"Source Role ID\"/></ActiveParticipant><ActiveParticipant UserID=\"\" "
	"UserIsRequestor=\"true\"><RoleIDCode csd-code=\"110152\" codeSystemName=\"DCM\" originalText=\"Destination Role "
	"ID\"/></ActiveParticipant><AuditSourceIdentification AuditEnterpriseSiteID=\"\" AuditSourceID=\"\">"
	"<AuditSourceTypeCode csd-code=\"4\"/></AuditSourceIdentification><ParticipantObjectIdentification "
	"ParticipantObjectID=\"1.2.840.\" ParticipantObjectTypeCode=\"2\" ParticipantObjectTypeCodeRole=\"3\">"
	"<ParticipantObjectIDTypeCode csd-code=\"110180\" codeSystemName=\"DCM\" originalText=\"Study Instance UID\"/>"
	"<ParticipantObjectName></ParticipantObjectName><ParticipantObjectDescription><Accession Number=\"\"/>"
	"<SOPClass UID=\"1.2.840.10008.5.1.4.1.1.\" NumberOfInstances=\"\"/></ParticipantObjectDescription>"
	"</ParticipantObjectIdentification><ParticipantObjectIdentification ParticipantObjectID=\"\" "
	"ParticipantObjectTypeCode=\"1\" ParticipantObjectTypeCodeRole=\"1\"><ParticipantObjectIDTypeCode csd-code=\"2\" "
	"codeSystemName=\"RFC-3881\" originalText=\"Patient Number\"/><ParticipantObjectName></ParticipantObjectName>"
	"</ParticipantObjectIdentification></AuditMessage>";

struct body_packer {
	z_stream z;
	struct pack *pack;
};

struct body_packer *body_packer_new(void)
{
	struct body_packer *p = calloc(1, sizeof(*p));
	if (!p) {
		return NULL;
	}
	p->pack = pack_new(span_of((const uint8_t *)dictionary, sizeof(dictionary) - 1));
	/* For messages that are longer than most, by the query in them. */
	if (!p->pack || deflateInit2(&p->z, 1, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
		pack_free(p->pack);
		free(p);
		return NULL;
	}
	return p;
}

void body_packer_free(struct body_packer *p)
{
	if (p) {
		(void)deflateEnd(&p->z);
		pack_free(p->pack);
		free(p);
	}
}

static int deflate_to(z_stream *z, struct span from, uint8_t *to, size_t cap, size_t *ret_len)
{
	(void)deflateReset(z);
	(void)deflateSetDictionary(z, (const Bytef *)dictionary, sizeof(dictionary) - 1);
	z->next_in = (z_const Bytef *)(uintptr_t)from.ptr;
	z->avail_in = (uInt)from.len;
	z->next_out = to;
	z->avail_out = (uInt)cap;
	if (deflate(z, Z_FINISH) != Z_STREAM_END) {
		return ERR_SPACE;
	}
	*ret_len = z->total_out;
	return 0;
}

int body_write(
	struct body_packer *p, struct span event, struct span xml, uint8_t *buf, size_t cap, size_t *ret_len)
{
	struct writer w = writer_of(buf, cap);
	size_t len;
	writer_u8(&w, VERSION);
	writer_u32be(&w, (uint32_t)event.len);
	writer_span(&w, event);
	writer_u32be(&w, (uint32_t)xml.len);
	int e = writer_end(&w);
	bool is_short = xml.len <= PACK_TEXT_MOST;
	e = e < 0      ? e
	    : is_short ? pack_deflate(p->pack, xml, buf + w.len, cap - w.len, &len)
	               : deflate_to(&p->z, xml, buf + w.len, cap - w.len, &len);
	if (e == 0) {
		*ret_len = w.len + len;
	}
	return e;
}

static int inflate_to(struct span from, uint8_t *to, size_t wanted)
{
	z_stream z = {0};
	uint8_t more = 0;
	if (inflateInit2(&z, -15) != Z_OK) {
		return ERR_NO_MEMORY;
	}
	(void)inflateSetDictionary(&z, (const Bytef *)dictionary, sizeof(dictionary) - 1);
	z.next_in = (z_const Bytef *)(uintptr_t)from.ptr;
	z.avail_in = (uInt)from.len;
	z.next_out = wanted ? to : &more;
	z.avail_out = (uInt)(wanted ? wanted : 1);
	int r = inflate(&z, Z_FINISH);
	bool whole = r == Z_STREAM_END && z.total_out == wanted && z.avail_in == 0;
	(void)inflateEnd(&z);
	return whole ? 0 : ERR_VALUE;
}

static int read_event(struct reader *r, struct span *ret_event)
{
	uint8_t version;
	uint32_t n;
	int e = reader_u8(r, &version);
	if (e == 0 && version != VERSION) {
		return ERR_UNSUPPORTED;
	}
	e = e == 0 ? reader_u32be(r, &n) : e;
	return e == 0 ? reader_bytes(r, n, ret_event) : e;
}

int body_event(struct span body, struct span *ret_event)
{
	struct reader r = reader_of(body);
	return read_event(&r, ret_event);
}

int body_read(struct span body, struct span *ret_event, uint8_t *xml, size_t cap, size_t *ret_xml_len)
{
	struct reader r = reader_of(body);
	uint32_t xml_len;
	struct span event, packed;
	int e = read_event(&r, &event);
	e = e == 0 ? reader_u32be(&r, &xml_len) : e;
	e = e == 0 ? reader_bytes(&r, reader_left(&r), &packed) : e;
	if (e == 0 && xml_len > cap) {
		return ERR_SPACE;
	}
	e = e == 0 ? inflate_to(packed, xml, xml_len) : e;
	if (e == 0) {
		*ret_event = event;
		*ret_xml_len = xml_len;
	}
	return e;
}
