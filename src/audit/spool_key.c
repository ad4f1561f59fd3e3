/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <unistd.h>

static int load(const char *path, uint8_t ret_key[SPOOL_KEY_LEN])
{
	uint8_t bytes[SPOOL_KEY_LEN + 1];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		return errno == ENOENT ? ERR_NOT_FOUND : ERR_SYSTEM;
	}
	ssize_t n = read(fd, bytes, sizeof(bytes));
	int e = n < 0 ? ERR_SYSTEM : n != SPOOL_KEY_LEN ? ERR_VALUE : 0;
	close(fd);
	if (e == 0) {
		memcpy(ret_key, bytes, SPOOL_KEY_LEN);
	}
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return e;
}

/* Under another name first: a key that is only half there would be taken for damage. */
static int make(const char *path, uint8_t ret_key[SPOOL_KEY_LEN])
{
	char fresh[4096];
	int n = snprintf(fresh, sizeof(fresh), "%s.new", path);
	if (n < 0 || (size_t)n >= sizeof(fresh) || RAND_priv_bytes(ret_key, SPOOL_KEY_LEN) != 1) {
		errno = ENAMETOOLONG;
		return ERR_SYSTEM;
	}
	(void)unlink(fresh);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		return ERR_SYSTEM;
	}
	bool ok = write(fd, ret_key, SPOOL_KEY_LEN) == SPOOL_KEY_LEN && fsync(fd) == 0 &&
	          rename(fresh, path) == 0;
	int kept = errno;
	close(fd);
	if (!ok) {
		(void)unlink(fresh);
		errno = kept;
	}
	return ok ? 0 : ERR_SYSTEM;
}

int spool_key(const char *path, uint8_t ret_key[SPOOL_KEY_LEN])
{
	uint8_t key[SPOOL_KEY_LEN];
	int e = load(path, key);
	e = e == ERR_NOT_FOUND ? make(path, key) : e;
	if (e == 0) {
		memcpy(ret_key, key, sizeof(key));
	}
	OPENSSL_cleanse(key, sizeof(key));
	return e;
}
