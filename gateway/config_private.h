/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of the configuration share among themselves.
 */
#ifndef GATEWAY_CONFIG_PRIVATE_H
#define GATEWAY_CONFIG_PRIVATE_H

#include "gateway/conf.h"

struct config_file;
struct config_option;
struct config_section;

/* Add a finding; beyond the number kept it is only counted. */
void conf_find(struct conf_findings *f, enum conf_level level, unsigned line,
    const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Bring the findings into the order of their lines. */
void conf_findings_sort(struct conf_findings *f);

/* The option with this name; NULL if it is not there. s may be NULL. */
const struct config_option *config_find_option(
    const struct config_section *s, const char *name);
/* Add what the options do not fulfil together, and fill in what follows from
   them. For a configuration whose single options are all right. */
void config_check(
    struct conf *conf, const struct config_file *file, struct conf_findings *f);

#endif
