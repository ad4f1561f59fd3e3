/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/disc_page.h"

static const char page[] =
	"This disc has medical images for you. They are encrypted: every file but\r\n"
	"this one is a Secure DICOM File (DICOM PS3.10 7.4, PS3.15 D.1).\r\n"
	"\r\n"
	"It opens with %s.\r\n"
	"\r\n"
	"With Gantry (the disc is at /media/cdrom; OUT is a folder that is made):\r\n"
	"\r\n"
	"  gantry media open%s /media/cdrom OUT\r\n"
	"\r\n"
	"With any program for DICOM media that knows this profile.\r\n"
	"\r\n"
	"With OpenSSL, file by file:\r\n"
	"\r\n"
	"%s"
	"  (printf '\\060\\200\\006\\011\\052\\206\\110\\206\\367\\015\\001\\007\\00%u\\240\\200'; \\\r\n"
	"   cat inner; printf '\\000\\000\\000\\000') > whole\r\n"
	"  openssl cms %s -in whole -inform DER \\\r\n"
	"    -binary -out F0000000.dcm\r\n"
	"\r\n"
	"The last command also says whether the file is as it was made%s.\r\n"
	"DICOMDIR has the list of files, and opens in the same way.\r\n";

static const char by_key[] = "  openssl cms -decrypt -inform DER -in D0000000/F0000000 \\\r\n"
			     "    -binary -inkey your-key.pem -out inner\r\n";
static const char by_passphrase[] = "  openssl cms -decrypt -inform DER -in D0000000/F0000000 \\\r\n"
				    "    -binary -pwri_password 'THE PASSPHRASE' -out inner\r\n";

void disc_page_write(const struct disc_page *p, FILE *to)
{
	char both[sizeof(by_key) + sizeof(by_passphrase) + 16];
	snprintf(both, sizeof(both), "%s%s%s", p->by_key ? by_key : "",
		p->by_key && p->by_passphrase ? "or\r\n" : "", p->by_passphrase ? by_passphrase : "");
	fprintf(to, page,
		!p->by_passphrase ? "the private key of your certificate"
		: !p->by_key      ? "a passphrase, which you get in another way"
				  : "the private key of your certificate, or a passphrase",
		!p->by_passphrase ? " --key your-key.pem"
		: p->by_key       ? " [--key your-key.pem]"
				  : "",
		both, p->is_signed ? 2u : 5u,
		p->is_signed ? "-verify -CAfile authority.pem -purpose any" : "-digest_verify",
		p->is_signed ? ",\r\nand by whom" : "");
}

const char disc_page_mail[] = "This message has medical images for you, as DICOM files: DICOMDIR has the\r\n"
			      "list of them. It is encrypted and signed (S/MIME, DICOM PS3.15 B.8).\r\n"
			      "\r\n"
			      "With Gantry (OUT is a folder that is made):\r\n"
			      "\r\n"
			      "  gantry media open --key your-key.pem message.eml OUT\r\n";
