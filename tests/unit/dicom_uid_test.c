/* SPDX-License-Identifier: Apache-2.0 */
#include "net_bytes.h"

#include "dicom/service.h"
#include "dicom/tag.h"
#include "dicom/uid.h"

/* UIDs, tags and services: the tables made from data/. */

static void finds_each_uid(void **state)
{
	size_t n;
	const struct uid_entry *e = uid_entries(&n);
	assert_true(n > 450);
	for (size_t i = 0; i < n; i++) {
		assert_ptr_equal(uid_find(span_str(e[i].uid)), &e[i]);
		assert_true(uid_valid(span_str(e[i].uid)));
		if (i > 0) {
			assert_true(strcmp(e[i - 1].uid, e[i].uid) < 0);
		}
		if (e[i].keyword[0]) {
			assert_string_equal(uid_by_keyword(e[i].keyword)->keyword, e[i].keyword);
		}
	}
}

static void knows_some_uids(void **state)
{
	const struct uid_entry *ct = uid_by_keyword("CTImageStorage");
	assert_non_null(ct);
	assert_string_equal(ct->uid, "1.2.840.10008.5.1.4.1.1.2");
	assert_int_equal(ct->kind, UID_SOP_CLASS);
	assert_false(ct->retired);
	assert_int_equal(uid_find(span_str("1.2.840.10008.1.2.2"))->kind, UID_TRANSFER_SYNTAX);
	assert_true(uid_find(span_str("1.2.840.10008.1.2.2"))->retired);
	assert_int_equal(uid_find(span_str("1.2.840.10008.3.1.1.1"))->kind, UID_APPLICATION_CONTEXT);
	assert_int_equal(uid_by_keyword("BasicGrayscalePrintManagementMeta")->kind, UID_META_SOP_CLASS);
	assert_int_equal(uid_find(span_str("1.2.840.10008.1.20.1.1"))->kind, UID_WELL_KNOWN_INSTANCE);
	assert_string_equal(uid_name(span_str("1.2.840.10008.1.1")), "Verification SOP Class");
	assert_string_equal(uid_name(span_str("1.2.3")), "");
	assert_null(uid_find(span_str("1.2.840.10008.1.")));
	assert_null(uid_find(SPAN_LITERAL("1.2.840.10008.1.1\0")));
	assert_null(uid_find((struct span){0}));
	assert_null(uid_by_keyword("ctimagestorage"));
	assert_null(uid_by_keyword(""));
}

/* PS3.5 9.1 */
static void uid_grammar(void **state)
{
	static const char *const good[] = {"1", "0", "1.2", "1.0.2",
		"2.25.340282366920938463463374607431768211455",
		"1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.7.8.9.0.1.22"};
	static const char *const bad[] = {"", ".", "1.", ".1", "1..2", "01", "1.02", "1.2a", "1,2", " 1",
		"1 ", "1.00", "1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.7.8.9.0.1.222"};
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct span s = exact(good[i], strlen(good[i]));
		assert_true(uid_valid(s));
		exact_free(s);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct span s = exact(bad[i], strlen(bad[i]));
		assert_false(uid_valid(s));
		exact_free(s);
	}
	assert_int_equal(strlen(good[5]), 64);
	assert_false(uid_valid(SPAN_LITERAL("1.2\0")));
}

static void uid_padding(void **state)
{
	assert_span(uid_trim(SPAN_LITERAL("1.2\0")), "1.2");
	assert_span(uid_trim(SPAN_LITERAL("1.2  ")), "1.2");
	assert_int_equal(uid_trim(SPAN_LITERAL("1.2\0\0")).len, 4);
	assert_span(uid_trim(SPAN_LITERAL("1.2")), "1.2");
	assert_int_equal(uid_trim((struct span){0}).len, 0);
}

static void tags(void **state)
{
	size_t n;
	uint32_t tag = 7;
	const struct tag_entry *e = tag_entries(&n);
	assert_true(n > 5000);
	for (size_t i = 0; i < n; i++) {
		assert_ptr_equal(tag_find(e[i].tag), &e[i]);
		assert_true(i == 0 || e[i - 1].tag < e[i].tag);
		if (e[i].keyword[0]) {
			assert_int_equal(tag_by_keyword(e[i].keyword, &tag), 0);
			assert_string_equal(tag_keyword(tag), e[i].keyword);
		}
	}
	assert_int_equal(tag_by_keyword("PatientID", &tag), 0);
	assert_int_equal(tag, 0x00100020);
	assert_string_equal(tag_find(0x00100010)->vr, "PN");
	assert_string_equal(tag_find(0x00280106)->vr, "US");
	assert_string_equal(tag_keyword(0x00110011), "");
	tag = 7;
	assert_int_equal(tag_by_keyword("patientid", &tag), ERR_NOT_FOUND);
	assert_int_equal(tag_by_keyword("", &tag), ERR_NOT_FOUND);
	assert_int_equal(tag, 7);
}

static unsigned services_of(const char *keyword)
{
	const struct uid_entry *e = uid_by_keyword(keyword);
	assert_non_null(e);
	return service_of_sop_class(span_str(e->uid));
}

/* By a rule of its own, for most of them, so that a slip in data/services.tsv shows. */
static unsigned expected_of(const char *keyword)
{
	static const struct {
		const char *ending;
		enum service service;
	} endings[] = {{"InformationModelFind", SERVICE_FIND}, {"Move", SERVICE_MOVE}, {"Get", SERVICE_GET},
		{"ImageStorage", SERVICE_STORE}, {"SRStorage", SERVICE_STORE},
		{"ForPresentation", SERVICE_STORE}, {"ForProcessing", SERVICE_STORE},
		{"Meta", SERVICE_N_SERVICES}};
	if (strstr(keyword, "Worklist")) {
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
		size_t n = strlen(keyword), m = strlen(endings[i].ending);
		if (n >= m && strcmp(keyword + n - m, endings[i].ending) == 0) {
			return SERVICE_BIT(endings[i].service);
		}
	}
	return 0;
}

static void each_sop_class_has_a_service(void **state)
{
	size_t n, without = 0, ruled = 0;
	const struct uid_entry *e = uid_entries(&n);
	for (size_t i = 0; i < n; i++) {
		unsigned mask = service_of_sop_class(span_str(e[i].uid));
		bool sop = e[i].kind == UID_SOP_CLASS || e[i].kind == UID_META_SOP_CLASS;
		if (!sop) {
			assert_int_equal(mask, 0);
			continue;
		}
		without += mask == 0;
		unsigned expected = expected_of(e[i].keyword);
		if (expected) {
			assert_int_equal(mask, expected);
			ruled++;
		}
		/* Storage in a name means C-STORE, but for these. */
		if (strstr(e[i].keyword, "Storage") && !strstr(e[i].keyword, "Commitment") &&
			!strstr(e[i].keyword, "Directory")) {
			assert_int_equal(mask, SERVICE_BIT(SERVICE_STORE));
		}
	}
	assert_int_equal(without, 5); /* Media Storage Directory, and the four of real-time communication */
	assert_true(ruled > 100);
}

static void services(void **state)
{
	assert_int_equal(services_of("Verification"), SERVICE_BIT(SERVICE_ECHO));
	assert_int_equal(services_of("HangingProtocolStorage"), SERVICE_BIT(SERVICE_STORE));
	assert_int_equal(services_of("StandaloneCurveStorage"), SERVICE_BIT(SERVICE_STORE));
	assert_int_equal(services_of("MediaStorageDirectoryStorage"), 0);
	assert_int_equal(services_of("CompositeInstanceRootRetrieveGet"), SERVICE_BIT(SERVICE_GET));
	assert_int_equal(services_of("RepositoryQuery"), SERVICE_BIT(SERVICE_FIND));
	assert_int_equal(services_of("ModalityWorklistInformationModelFind"), SERVICE_BIT(SERVICE_WORKLIST));
	assert_int_equal(
		services_of("ModalityPerformedProcedureStepNotification"), SERVICE_BIT(SERVICE_MPPS));
	assert_int_equal(services_of("StorageCommitmentPushModel"), SERVICE_BIT(SERVICE_COMMIT));
	assert_int_equal(services_of("UnifiedProcedureStepQuery"), SERVICE_BIT(SERVICE_N_SERVICES));
	assert_int_equal(services_of("RTConventionalMachineVerification"), SERVICE_BIT(SERVICE_N_SERVICES));
	assert_int_equal(service_of_sop_class(span_str("1.3.12.2.1107.5.9.1")), 0);
	assert_int_equal(service_of_sop_class((struct span){0}), 0);
}

static void service_names(void **state)
{
	for (unsigned i = 0; i < SERVICE_COUNT; i++) {
		assert_int_equal(service_by_name(service_name((enum service)i)), i);
	}
	assert_string_equal(service_name(SERVICE_N_SERVICES), "n-services");
	assert_string_equal(service_name(SERVICE_COUNT), "");
	assert_int_equal(service_by_name("Store"), SERVICE_COUNT);
	assert_int_equal(service_by_name(""), SERVICE_COUNT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_each_uid),
		cmocka_unit_test(knows_some_uids),
		cmocka_unit_test(uid_grammar),
		cmocka_unit_test(uid_padding),
		cmocka_unit_test(tags),
		cmocka_unit_test(each_sop_class_has_a_service),
		cmocka_unit_test(services),
		cmocka_unit_test(service_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
