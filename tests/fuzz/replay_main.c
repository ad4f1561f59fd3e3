/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/*
 * A fuzz target as an ordinary test: each file of the folders named goes through it once, in an allocation of exactly
 * its size, so that a sanitizer sees the first byte read too far. Exit 1 if a folder or file cannot be read, or if
 * there was none.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	struct stat st;
	FILE *file = fopen(path, "rbe");
	if (!file || fstat(fileno(file), &st) < 0 || !S_ISREG(st.st_mode)) {
		perror(path);
		if (file) {
			fclose(file);
		}
		return -1;
	}
	size_t size = (size_t)st.st_size;
	uint8_t *data = malloc(size);
	int r = (data || size == 0) && fread(data, 1, size, file) == size ? 0 : -1;
	fclose(file);
	if (r == 0) {
		/* Said first: the last line is the file that crashed. */
		printf("%s\n", path);
		fflush(stdout);
		LLVMFuzzerTestOneInput(data, size);
	}
	free(data);
	return r;
}

/* How many files went through, or -1. */
static long replay_folder(const char *folder)
{
	DIR *dir = opendir(folder);
	if (!dir) {
		perror(folder);
		return -1;
	}
	long n = 0;
	const struct dirent *entry;
	while (n >= 0 && (entry = readdir(dir))) {
		char path[4096];
		if (entry->d_name[0] == '.') {
			continue;
		}
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		n = replay_file(path) < 0 ? -1 : n + 1;
	}
	closedir(dir);
	return n;
}

int main(int argc, char **argv)
{
	long sum = 0;
	for (int i = 1; i < argc; i++) {
		long n = replay_folder(argv[i]);
		if (n < 0) {
			return 1;
		}
		sum += n;
	}
	printf("%ld files\n", sum);
	return sum > 0 ? 0 : 1;
}
