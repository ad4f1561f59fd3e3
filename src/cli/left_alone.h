/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_LEFT_ALONE_H
#define CLI_LEFT_ALONE_H

#include <stdbool.h>

/*
 * Files of a patient's disc that are not even opened, by their name: what starts by itself, and what could be started. A
 * DICOM file that has such a name is left alone too: no maker of discs gives it one (PS3.10 8.2 allows no dot).
 */
bool left_alone(const char *path);

#endif
