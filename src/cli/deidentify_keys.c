/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/deidentify.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The secret that pseudonyms are made with, and certificates of those who may have the originals. */

#define CERT_MOST (64u * 1024)

int deidentify_make_key(const char *path)
{
	uint8_t key[PSEUDONYM_KEY];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		return deidentify_complain(
			path, errno == EEXIST ? "it is there already; a new key would make other pseudonyms"
					      : strerror(errno));
	}
	bool ok = RAND_bytes(key, sizeof(key)) == 1 && write(fd, key, sizeof(key)) == sizeof(key) &&
	          fsync(fd) == 0;
	OPENSSL_cleanse(key, sizeof(key));
	close(fd);
	if (!ok) {
		(void)unlink(path);
		return deidentify_complain(
			path, "the key could not be written: see whether the disk is full");
	}
	printf("%s: made. Who has it can tell which pseudonym is whose: keep it as the images themselves.\n",
		deidentify_printed(path));
	return EXIT_GOOD;
}

int deidentify_read_key(const char *path, struct deidentify_how *how)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		return deidentify_complain(
			path, errno == ENOENT ? "there is no such file; --new-key makes a key, once"
					      : strerror(errno));
	}
	const char *why =
		fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ? "it is no key of `gantry deidentify --new-key`"
		: st.st_size != PSEUDONYM_KEY
			? "it is no key of `gantry deidentify --new-key`, which has 32 bytes"
		: st.st_mode & (S_IRWXG | S_IRWXO)                   ? "others may read it: chmod 600"
		: read(fd, how->key, PSEUDONYM_KEY) != PSEUDONYM_KEY ? "it cannot be read"
		: !pseudonym_key_is_chance(how->key)
			? "it is no key of `gantry deidentify --new-key`: it is a text or a pattern, which can be guessed"
			: NULL;
	close(fd);
	return why ? deidentify_complain(path, why) : EXIT_GOOD;
}

int deidentify_read_recipients(const char *const *paths, struct deidentify_how *how)
{
	static uint8_t cms[DEIDENTIFY_ENCRYPTED];
	for (unsigned i = 0; i < how->n_recipients; i++) {
		uint8_t *pem = malloc(CERT_MOST);
		int fd = open(paths[i], O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		ssize_t n = fd < 0 || !pem ? -1 : read(fd, pem, CERT_MOST);
		char why[160];
		size_t len;
		snprintf(why, sizeof(why), "%s", n < 0 ? strerror(errno) : "it is too long");
		if (fd >= 0) {
			close(fd);
		}
		if (n < 0 || n == CERT_MOST) {
			free(pem);
			return deidentify_complain(paths[i], why);
		}
		how->recipients[i] = span_of(pem, (size_t)n);
		if (attributes_encrypt(span_str("tried"), &how->recipients[i], 1, cms, sizeof(cms), &len, why,
			    sizeof(why)) < 0) {
			how->n_recipients = i + 1;
			return deidentify_complain(paths[i], why);
		}
	}
	return EXIT_GOOD;
}

void deidentify_forget_keys(struct deidentify_how *how)
{
	OPENSSL_cleanse(how->key, sizeof(how->key));
	for (unsigned i = 0; i < ATTRIBUTES_RECIPIENTS_MOST; i++) {
		free((void *)(uintptr_t)how->recipients[i].ptr);
		how->recipients[i] = span_of(NULL, 0);
	}
}
