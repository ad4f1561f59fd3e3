/* SPDX-License-Identifier: Apache-2.0 */
#include "transform_object.h"

#include "keys/attributes.h"
#include "transform/originals.h"
#include "transform/restore.h"

#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Encrypted Attributes (PS3.15 E.1.1, E.1.2), against OpenSSL's program both ways. */
static char folder[] = "/tmp/gantry-encrypted-XXXXXX";
static struct originals originals;
static uint8_t cms[DEIDENTIFY_ENCRYPTED], plain[ATTRIBUTES_CONTENT_MOST];

/* openssl with arguments in one line; runs in the folder. Its exit status. */
static int openssl(const char *line)
{
	extern char **environ;
	char copy[400], *argv[40] = {(char *)(uintptr_t) "openssl"}, *rest = copy, *word;
	unsigned n = 1;
	int status = -1;
	pid_t pid;
	posix_spawn_file_actions_t actions;
	snprintf(copy, sizeof(copy), "%s", line);
	while ((word = strsep(&rest, " ")) && n + 1 < ARRAY_LEN(argv)) {
		argv[n++] = word;
	}
	argv[n] = NULL;
	assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
	assert_int_equal(posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", 1, 0), 0);
	assert_int_equal(posix_spawnp(&pid, "openssl", &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static struct span slurp(const char *name, uint8_t *buf, size_t cap)
{
	FILE *f = fopen(name, "rb");
	assert_non_null(f);
	size_t n = fread(buf, 1, cap, f);
	fclose(f);
	assert_true(n < cap);
	return span_of(buf, n);
}

static void spill(const char *name, struct span s)
{
	FILE *f = fopen(name, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(s.ptr, 1, s.len, f), s.len);
	assert_int_equal(fclose(f), 0);
}

static int make_keys(void **state)
{
	static const char *const lines[] = {
		"req -x509 -newkey rsa:2048 -nodes -keyout a.key -out a.pem -subj /CN=a -days 2",
		"req -x509 -newkey rsa:2048 -nodes -keyout b.key -out b.pem -subj /CN=b -days 2",
		"req -x509 -newkey rsa:1024 -nodes -keyout weak.key -out weak.pem -subj /CN=c -days 2",
		"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ec.key -out ec.pem -subj /CN=d -days 2"};
	if (!mkdtemp(folder) || chdir(folder) != 0) {
		return 1;
	}
	for (unsigned i = 0; i < ARRAY_LEN(lines); i++) {
		if (openssl(lines[i]) != 0) {
			return 1;
		}
	}
	return 0;
}

static int remove_keys(void **state)
{
	static const char *const names[] = {"a.key", "a.pem", "b.key", "b.pem", "weak.key", "weak.pem",
		"ec.key", "ec.pem", "cms.der", "plain", "out"};
	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		(void)unlink(names[i]);
	}
	return chdir("/") != 0 || rmdir(folder) != 0;
}

static size_t encrypt(struct span content)
{
	static uint8_t a[4096], b[4096];
	struct span to[2] = {slurp("a.pem", a, sizeof(a)), slurp("b.pem", b, sizeof(b))};
	char why[200] = "";
	size_t n = 0;
	assert_int_equal(attributes_encrypt(content, to, 2, cms, sizeof(cms), &n, why, sizeof(why)), 0);
	assert_true(n > content.len && memmem(cms, n, "Zebedee", 7) == NULL);
	return n;
}

/* ---- The whole way ---- */

static struct writer object(enum encoding e)
{
	struct writer w = begin(e, CLASS_CT);
	put_padded(&w, e, 0x00080020, "DA", "20240229");
	put_padded(&w, e, 0x00081030, "LO", "HEAD of Zebedee");
	put_patient(&w, e);
	put_series(&w, e);
	put_padded(&w, e, 0x00211022, "LO", "Zebedee");
	put_padded(&w, e, 0x04000564, "LO", "before"); /* behind where it will stand */
	return w;
}

static void check_data_set(struct span data_set)
{
	static struct made m;
	assert_true(data_set.len <= sizeof(m.bytes));
	memcpy(m.bytes, data_set.ptr, data_set.len);
	m.n = data_set.len;
	out_read(&out, &m, ENCODING_EXPLICIT_LE);
	assert_true(out.n > 8 && out.of[0].tag == 0x04000550 && out.of[0].is_sequence);
	assert_true(found_is(out_find(&out, 1, 0x00080005), "ISO_IR 100"));
	assert_true(found_is(out_find(&out, 1, 0x00100010), "Zebedee^Anna"));
	assert_true(found_is(out_find(&out, 1, 0x00100020), "4711"));
	assert_true(found_is(out_find(&out, 1, 0x00100030), "19500229"));
	assert_true(found_is(out_find(&out, 1, 0x00080020), "20240229"));
	const struct found *uid = out_find(&out, 1, 0x00080018);
	assert_true(uid && uid->value.len == 12 && memcmp(uid->value.ptr, "1.2.3.4.5.6", 12) == 0);
	assert_null(out_find(&out, 1, 0x00211022));
}

/* ---- And back (E.1.2) ---- */

static struct made restored;

static int take_restored(void *arg, struct span bytes)
{
	assert_true(bytes.len <= sizeof(restored.bytes) - restored.n);
	memcpy(restored.bytes + restored.n, bytes.ptr, bytes.len);
	restored.n += bytes.len;
	return 0;
}

/* What was at the top is there again, in order, and what was added is gone. `made` is the de-identified object. */
static void check_restored(enum encoding e, struct span originals_of)
{
	static struct restore r;
	struct restore_found found[RESTORE_FOUND];
	const struct restore_output to = {take_restored, NULL};
	unsigned n = 0;
	assert_int_equal(restore_find(span_of(made.bytes, made.n), e, found, &n), 0);
	assert_int_equal(n, 1);
	assert_true(span_eq(found[0].cms, out_find(&out, 1, 0x04000520)->value));
	assert_int_equal(restore_read(&r, originals_of, uid_trim(found[0].syntax)), 0);
	assert_true(span_eq(restore_instance(&r), span_str("1.2.3.4.5.6")));
	restored.n = 0;
	assert_int_equal(restore_merge(&r, span_of(made.bytes, made.n), e, &to), 0);
	out_read(&out, &restored, e);
	for (unsigned i = 1; i < out.n; i++) {
		assert_true(
			out.of[i].depth > 0 || out.of[i - 1].depth > 0 || out.of[i].tag > out.of[i - 1].tag);
	}
	assert_true(found_is(out_find(&out, 0, 0x00120062), "NO"));
	assert_null(out_find(&out, 0, 0x00120063));
	assert_null(out_find(&out, 0, 0x00120064));
	assert_null(out_find(&out, 0, 0x04000500));
	assert_true(found_is(out_find(&out, 0, 0x00100010), "Zebedee^Anna"));
	assert_true(found_is(out_find(&out, 0, 0x00100020), "4711"));
	assert_true(found_is(out_find(&out, 0, 0x00081030), "HEAD of Zebedee "));
	assert_true(found_is(out_find(&out, 0, 0x00080020), "20240229"));
	assert_null(out_find(&out, 0, 0x00211022));
}

static void test_no_originals(void **state)
{
	static struct restore r;
	struct restore_found found[RESTORE_FOUND];
	unsigned n = 77;
	struct writer w = object(ENCODING_EXPLICIT_LE);
	assert_int_equal(restore_find(writer_span_of(&w), ENCODING_EXPLICIT_LE, found, &n), ERR_MISSING);
	assert_int_equal(n, 77);
	assert_int_equal(restore_read(&r, writer_span_of(&w), span_str(ORIGINALS_SYNTAX)), ERR_MISSING);
	assert_true(restore_read(&r, span_str("what a wrong key gives"), span_str(ORIGINALS_SYNTAX)) < 0);
	assert_int_equal(restore_read(&r, writer_span_of(&w), span_str("1.2.3")), ERR_NOT_FOUND);
}

/* By the key of a file. */
static int decrypt(struct span sealed, struct span key, uint8_t *buf, size_t cap, size_t *ret_len)
{
	struct cms_opening *o = NULL;
	assert_int_equal(cms_opening_new(&o), 0);
	assert_int_equal(cms_opening_key(o, key, span_of(NULL, 0)), 0);
	int e = attributes_decrypt(sealed, o, buf, cap, ret_len);
	cms_opening_free(o);
	return e;
}

/* The same of the same, for the same people. */
static void check_mark(struct span data_set, uint8_t ret_mark[ORIGINALS_MARK])
{
	uint8_t other[ORIGINALS_MARK];
	assert_int_equal(originals_mark(&test_pseudonyms, data_set, span_str("a"), ret_mark), 0);
	assert_int_equal(originals_mark(&test_pseudonyms, data_set, span_str("a"), other), 0);
	assert_memory_equal(ret_mark, other, sizeof(other));
	assert_int_equal(originals_mark(&test_pseudonyms, data_set, span_str("b"), other), 0);
	assert_memory_not_equal(ret_mark, other, sizeof(other));
	struct span less = span_of(data_set.ptr, data_set.len - 1);
	assert_int_equal(originals_mark(&test_pseudonyms, less, span_str("a"), other), 0);
	assert_memory_not_equal(ret_mark, other, sizeof(other));
}

static void test_there_and_back(void **state)
{
	static uint8_t key[8192], mark[ORIGINALS_MARK];
	for (enum encoding e = ENCODING_IMPLICIT_LE; e <= ENCODING_EXPLICIT_BE; e++) {
		struct deidentify_rules rules = {0};
		struct deidentify_log log = {.original = originals_take, .arg = &originals};
		struct writer w = object(e);
		struct span data_set;
		originals_begin(&originals);
		deidentify_cut(&made, &rules, syntaxes[e], writer_span_of(&w), w.len, &log);
		assert_int_equal(made.result, DEIDENTIFY_END);
		assert_int_equal(originals_end(&originals, span_str("ISO_IR 100"), &data_set), 0);
		check_data_set(data_set);
		rules.encrypted = span_of(cms, encrypt(data_set));
		check_mark(data_set, mark);
		rules.mark = span_of(mark, sizeof(mark));
		deidentified(&made, &rules, e, writer_span_of(&w));
		out_read(&out, &made, e);
		assert_false(has("Zebedee"));
		const struct found *syntax = out_find(&out, 1, 0x04000510),
				   *content = out_find(&out, 1, 0x04000520);
		assert_true(
			syntax && content && content->path[0] == 0x04000500 && content->value.len % 2 == 0);
		assert_memory_equal(syntax->value.ptr, ORIGINALS_SYNTAX, sizeof(ORIGINALS_SYNTAX));
		const struct found *beside = out_find(&out, 1, TAG_MARK);
		assert_true(beside && beside->path[0] == 0x04000500 && span_eq(beside->value, rules.mark));
		size_t n = 0;
		assert_int_equal(
			decrypt(content->value, slurp("b.key", key, sizeof(key)), plain, sizeof(plain), &n),
			0);
		assert_true(span_eq(span_of(plain, n), data_set));
		check_restored(e, span_of(plain, n));
	}
}

static void test_nothing_to_encrypt(void **state)
{
	struct span data_set;
	originals_begin(&originals);
	assert_int_equal(originals_end(&originals, span_str(""), &data_set), ERR_MISSING);
}

static void test_too_long(void **state)
{
	struct deidentify_rules rules = {.encrypted = span_of(cms, DEIDENTIFY_ENCRYPTED + 1)};
	static struct deidentify t;
	assert_int_equal(deidentify_begin(&t, &rules, &test_pseudonyms,
				 span_str(syntaxes[ENCODING_EXPLICIT_LE]), NULL),
		ERR_LIMIT);
}

/* ---- With OpenSSL's program ---- */

static void test_openssl_decrypts(void **state)
{
	static const uint8_t content[] = "a data set of Zebedee\0\r\n\xFF";
	static uint8_t buf[4096];
	spill("cms.der", span_of(cms, encrypt(span_of(content, sizeof(content)))));
	assert_int_equal(
		openssl("cms -decrypt -binary -inform DER -in cms.der -inkey a.key -recip a.pem -out out"),
		0);
	assert_true(span_eq(slurp("out", buf, sizeof(buf)), span_of(content, sizeof(content))));
	assert_int_equal(
		openssl("cms -decrypt -binary -inform DER -in cms.der -inkey b.key -recip b.pem -out out"),
		0);
	assert_true(span_eq(slurp("out", buf, sizeof(buf)), span_of(content, sizeof(content))));
}

static void test_decrypts_openssl(void **state)
{
	static const char *const ciphers[] = {"aes128", "aes192", "aes256", "des3"};
	static uint8_t key[8192], der[8192];
	struct span content = span_str("a data set of Zebedee");
	spill("plain", content);
	for (unsigned i = 0; i < ARRAY_LEN(ciphers); i++) {
		char line[200];
		size_t n = 0;
		snprintf(line, sizeof(line),
			"cms -encrypt -binary -%s -outform DER -in plain -out cms.der a.pem b.pem",
			ciphers[i]);
		assert_int_equal(openssl(line), 0);
		assert_int_equal(decrypt(slurp("cms.der", der, sizeof(der)), slurp("a.key", key, sizeof(key)),
					 plain, sizeof(plain), &n),
			0);
		assert_true(span_eq(span_of(plain, n), content));
	}
}

/* ---- What is wrong ---- */

static void test_recipients_that_will_not_do(void **state)
{
	static const struct {
		const char *name;
		int e;
	} recipients[] = {{"weak.pem", ERR_UNSUPPORTED}, {"ec.pem", ERR_UNSUPPORTED}, {"a.key", ERR_VALUE}};
	static uint8_t pem[4096];
	size_t n = 77;
	char why[200];
	for (unsigned i = 0; i < ARRAY_LEN(recipients); i++) {
		struct span to = slurp(recipients[i].name, pem, sizeof(pem));
		why[0] = 0;
		assert_int_equal(
			attributes_encrypt(span_str("x"), &to, 1, cms, sizeof(cms), &n, why, sizeof(why)),
			recipients[i].e);
		assert_true(why[0] && n == 77);
	}
	struct span to = slurp("a.pem", pem, sizeof(pem));
	assert_int_equal(attributes_encrypt(span_str("x"), &to, 0, cms, sizeof(cms), &n, why, sizeof(why)),
		ERR_MISSING);
	assert_int_equal(
		attributes_encrypt(span_str("x"), &to, 1, cms, 100, &n, why, sizeof(why)), ERR_SPACE);
	struct span much = span_of(cms, ATTRIBUTES_CONTENT_MOST + 1);
	assert_int_equal(attributes_encrypt(much, &to, 1, cms, sizeof(cms), &n, why, sizeof(why)), ERR_LIMIT);
	assert_int_equal(n, 77);
}

/* Read once, they do without their PEM, and each encryption is another. */
static void test_recipients_that_are_kept(void **state)
{
	static uint8_t pem[4096], key[8192], again[DEIDENTIFY_ENCRYPTED];
	struct attributes_recipients *to = NULL, *none = NULL;
	char why[200] = "";
	size_t n = 0, m = 0, len = 0;
	struct span b = slurp("b.pem", pem, sizeof(pem));
	assert_int_equal(attributes_recipients_new(&b, 1, &to, why, sizeof(why)), 0);
	memset(pem, 'x', sizeof(pem));
	struct span content = span_str("a data set of Zebedee");
	assert_int_equal(attributes_encrypt_to(content, to, cms, sizeof(cms), &n, why, sizeof(why)), 0);
	assert_int_equal(attributes_encrypt_to(content, to, again, sizeof(again), &m, why, sizeof(why)), 0);
	assert_true(n != m || memcmp(cms, again, n) != 0);
	b = slurp("b.key", key, sizeof(key));
	assert_int_equal(decrypt(span_of(again, m), b, plain, sizeof(plain), &len), 0);
	assert_true(span_eq(span_of(plain, len), content));
	attributes_recipients_free(to);
	struct span two[] = {slurp("a.pem", pem, sizeof(pem)), slurp("ec.pem", key, sizeof(key))};
	assert_int_equal(attributes_recipients_new(two, 2, &none, why, sizeof(why)), ERR_UNSUPPORTED);
	assert_int_equal(attributes_recipients_new(two, 0, &none, why, sizeof(why)), ERR_MISSING);
	assert_int_equal(
		attributes_recipients_new(two, ATTRIBUTES_RECIPIENTS_MOST + 1, &none, why, sizeof(why)),
		ERR_LIMIT);
	assert_null(none);
	attributes_recipients_free(none);
}

static void test_what_is_not_ours(void **state)
{
	static uint8_t key[8192], der[DEIDENTIFY_ENCRYPTED];
	struct span content = span_str("a data set of Zebedee");
	size_t n = encrypt(content), len = 77;
	memcpy(der, cms, n);
	/* Another's key: refused, or, by chance, bytes that are not the content. */
	assert_int_equal(openssl("genrsa -out out 2048"), 0);
	int e = decrypt(span_of(der, n), slurp("out", key, sizeof(key)), plain, sizeof(plain), &len);
	assert_true(e == ERR_DENIED || (e == 0 && !span_eq(span_of(plain, len), content)));
	struct span a = slurp("a.key", key, sizeof(key));
	assert_int_equal(decrypt(span_of(der, n), a, plain, 5, &len), ERR_SPACE);
	assert_int_equal(decrypt(span_of(der, n - 1), a, plain, sizeof(plain), &len), ERR_VALUE);
	assert_int_equal(decrypt(span_str("nonsense"), a, plain, sizeof(plain), &len), ERR_VALUE);
	struct cms_opening *none = NULL;
	assert_int_equal(cms_opening_new(&none), 0);
	assert_int_equal(cms_opening_key(none, span_str("x"), span_of(NULL, 0)), ERR_VALUE);
	cms_opening_free(none);
	der[n] = 0; /* padding */
	assert_int_equal(decrypt(span_of(der, n + 1), a, plain, sizeof(plain), &len), 0);
	der[n] = 1;
	assert_int_equal(decrypt(span_of(der, n + 1), a, plain, sizeof(plain), &len), ERR_VALUE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_no_originals),
		cmocka_unit_test(test_nothing_to_encrypt),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_openssl_decrypts),
		cmocka_unit_test(test_decrypts_openssl),
		cmocka_unit_test(test_recipients_that_will_not_do),
		cmocka_unit_test(test_recipients_that_are_kept),
		cmocka_unit_test(test_what_is_not_ours),
	};
	return cmocka_run_group_tests(tests, make_keys, remove_keys);
}
