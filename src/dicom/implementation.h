/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DICOM_IMPLEMENTATION_H
#define DICOM_IMPLEMENTATION_H

/* Who we are in A-ASSOCIATE and in file meta groups (PS3.7 D.3.3.2). The class is a UUID-derived UID (PS3.5 B.2). */
#define GANTRY_IMPLEMENTATION_CLASS   "2.25.1723673124109754901127401549758269631"
#define GANTRY_IMPLEMENTATION_VERSION "GANTRY_0_1"

#endif
