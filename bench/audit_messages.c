/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/body.h"
#include "audit/xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * CPU time of reading an event's wire form, writing its message, and packing that, for each kind: audit_messages [COUNT]. The event is of
 * the size that practice has: both ends, a user, a patient, a study, two SOP classes, a query of 300 bytes.
 */

static double now_us(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static void die(const char *what, int e)
{
	fprintf(stderr, "audit_messages: %s: %s\n", what, err_str(e));
	exit(1);
}

int main(int argc, char **argv)
{
	static const char *const ae[] = {"GANTRY"};
	static const struct audit_source src = {.site = "Hospital",
		.id = "gantry1",
		.type = 4,
		.host = "gw.hospital.example",
		.address = "192.0.2.1",
		.ae = ae,
		.n_ae = 1,
		.process = 4711};
	static struct audit_event ev = {.time_ms = 1795640000007,
					  .association = 17,
					  .from = {"ct1", "CT1", "192.0.2.7",
						  "CN=ct1.hospital.example,O=Hospital,C=DE"},
					  .to = {"archive", "ARCHIVE", "192.0.2.8",
						  "CN=archive.hospital.example,O=Hospital,C=DE"},
					  .user = "jane",
					  .user_proved = true,
					  .patient_id = "PID0815",
					  .patient_issuer = "HOSPITAL",
					  .patient_name = "M\xc3\xbcller^Jane",
					  .study = "1.2.840.113619.2.55.3.604688119.971.1288767563.10",
					  .accession = {"A1234"},
					  .n_accession = 1,
					  .sop = {{"1.2.840.10008.5.1.4.1.1.2", 250},
						  {"1.2.840.10008.5.1.4.1.1.7", 1}},
					  .n_sop = 2,
					  .query_class = "1.2.840.10008.5.1.4.31",
					  .query_syntax = "1.2.840.10008.1.2.1"},
				  back;
	static uint8_t wire[AUDIT_EVENT_MOST], xml[AUDIT_XML_MOST], query[300], body[BODY_MOST];
	struct body_packer *packer = body_packer_new();
	long count = argc > 1 ? strtol(argv[1], NULL, 10) : 20000;
	if (!packer) {
		die("packing", ERR_NO_MEMORY);
	}
	ev.query = span_of(query, sizeof(query));
	for (int kind = AUDIT_START; kind < AUDIT_KIND_COUNT && count > 0; kind++) {
		size_t wire_len = 0, len = 0;
		size_t packed = 0;
		double spent[3] = {0};
		ev.kind = (enum audit_kind)kind;
		ev.alert = kind == AUDIT_ALERT ? ALERT_NODE_AUTHENTICATION : (enum audit_alert)0;
		int e = audit_event_write(&ev, wire, sizeof(wire), &wire_len);
		double began = now_us();
		for (long i = 0; e == 0 && i < count; i++) {
			e = audit_event_read(span_of(wire, wire_len), &back);
		}
		spent[0] = now_us() - began;
		began = now_us();
		for (long i = 0; e == 0 && kind != AUDIT_PROGRESS && i < count; i++) {
			e = audit_xml_write(&back, &src, xml, sizeof(xml), &len);
		}
		spent[1] = now_us() - began;
		began = now_us();
		for (long i = 0; e == 0 && kind != AUDIT_PROGRESS && i < count; i++) {
			e = body_write(
				packer, span_of(NULL, 0), span_of(xml, len), body, sizeof(body), &packed);
		}
		spent[2] = now_us() - began;
		if (e != 0) {
			die(audit_kind_name(ev.kind), e);
		}
		printf("%-14s wire %4zu bytes, read %5.2f us; message %5zu bytes, written %6.2f us, packed %5zu bytes, %6.2f us\n",
			audit_kind_name(ev.kind), wire_len, spent[0] / (double)count, len,
			spent[1] / (double)count, packed, spent[2] / (double)count);
	}
	body_packer_free(packer);
	return 0;
}
