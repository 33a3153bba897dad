/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Certificates of CAs that came along with those of people: kept so that a
 * path can be found later, believed in nothing.
 */
#ifndef KEYSTORE_ISSUER_H
#define KEYSTORE_ISSUER_H

#include "keystore/store.h"

struct arena;

enum { KS_PER_NAME_MAX = 8 }; /* CA certificates of one name that are kept */

/* Is it a proposal of this kind: a CA certificate that stands for nobody? */
bool ks_is_issuer(const struct ks_record *r);
/* Keep it as a candidate, whatever it claims to be worth; one that is there
   stays as it is. *added: it was not there. It reads and then writes: call it
   between ks_begin() and ks_commit(). ERR_PERMISSION: a source that only an
   administrator has; ERR_LIMIT: enough of that name are here. */
enum err ks_issuer_keep(
    struct ks_store *s, const struct ks_record *r, bool *added) MUST_CHECK;

#endif
