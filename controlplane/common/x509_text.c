// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/common/x509.h"

const char *x509_strerror(enum x509_refusal refusal)
{
	static const char *const text[X509_N_REFUSALS] = {
		[X509_OK] = "the certificate is good",
		[X509_REFUSE_LENGTH] =
			"the certificate is empty or too long (a leaf has at most 900 "
			"bytes): use a shorter name",
		[X509_REFUSE_CHAIN_LENGTH] = "the chain must have one or two issuing certificates: "
					     "enrol again to fetch them from the hub",
		[X509_REFUSE_ENCODING] =
			"the certificate is not valid DER or has trailing bytes: it "
			"was damaged or altered, enrol again",
		[X509_REFUSE_VERSION] = "the certificate is not X.509 version 3: issue it with the "
					"hub's authority",
		[X509_REFUSE_SERIAL] =
			"the certificate's serial number is zero, negative or too long: "
			"issue it with the hub's authority",
		[X509_REFUSE_ALGORITHM] = "a key or signature in the chain is not Ed25519, or is a "
					  "weak key: issue it with the hub's authority",
		[X509_REFUSE_NO_SAN] = "the certificate has no subject alternative name (a common "
				       "name does not count): issue it with the hub's authority",
		[X509_REFUSE_SAN_COUNT] =
			"the certificate must have exactly one subject alternative "
			"name: issue it with the hub's authority",
		[X509_REFUSE_SAN_TYPE] =
			"the certificate's alternative name is not a DNS name: issue "
			"it with the hub's authority",
		[X509_REFUSE_SAN_SYNTAX] =
			"the certificate's name is not a lower-case DNS name: no "
			"capitals, wildcards or other bytes",
		[X509_REFUSE_NAME] =
			"the certificate belongs to another name than the expected one: "
			"compare the peer's name in the configuration with what the hub "
			"lists (postern hub gateways)",
		[X509_REFUSE_NO_EKU] =
			"the certificate has no extended key usage: issue it with the "
			"hub's authority",
		[X509_REFUSE_EKU] =
			"the certificate is for another role (gateway, hub) than the one "
			"it is used in: enrol that machine in the right role",
		[X509_REFUSE_KEY_USAGE] = "the certificate's key usage must be digital signature "
					  "alone: issue it with the hub's authority",
		[X509_REFUSE_LEAF_IS_CA] =
			"the certificate is an authority's and cannot stand for a "
			"gateway or hub",
		[X509_REFUSE_EXTENSION] = "the certificate has a doubled or an unknown critical "
					  "extension: issue it with the hub's authority",
		[X509_REFUSE_ISSUER_NOT_CA] = "the certificate was signed by one that is not an "
					      "authority: somebody may be forging certificates",
		[X509_REFUSE_UNCONSTRAINED] =
			"the issuing certificate is not limited to the network's "
			"names: make it with postern hub init",
		[X509_REFUSE_NAME_CONSTRAINT] =
			"the name lies outside of what the issuing certificate "
			"may sign: the name must end in the network's name",
		[X509_REFUSE_PATH_LENGTH] = "the chain is longer than its authorities allow",
		[X509_REFUSE_NOT_YET_VALID] =
			"the certificate is not valid yet: check the clocks of "
			"both machines",
		[X509_REFUSE_EXPIRED] =
			"the certificate is expired: its owner must enrol again; if it "
			"should not be, check this machine's clock",
		[X509_REFUSE_ISSUER_VALIDITY] =
			"the issuing or root certificate is expired or not "
			"valid yet: check the clock, or renew the issuing key "
			"on the hub",
		[X509_REFUSE_SELF_SIGNED] = "the certificate is self-signed: it proves nothing",
		[X509_REFUSE_NOT_OUR_ROOT] =
			"the chain does not lead to this network's root: the "
			"machine is enrolled in another network, enrol it here",
		[X509_REFUSE_SIGNATURE] = "a signature in the chain is wrong: the certificate was "
					  "damaged or forged",
		[X509_REFUSE_CHAIN] =
			"the chain fails path validation (RFC 5280): issue it with the "
			"hub's authority",
		[X509_REFUSE_RESOURCES] = "there is not enough memory to check the certificate",
	};

	if ((unsigned)refusal >= X509_N_REFUSALS || text[refusal] == NULL)
		return "unknown certificate error";
	return text[refusal];
}
