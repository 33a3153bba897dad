/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a process that runs gpg does about one that hangs: it leads a process
 * group and ends with it.
 */
#ifndef GATEWAY_GPG_GROUP_H
#define GATEWAY_GPG_GROUP_H

struct role;

/* Lead a process group; before the walls. */
void gpg_group_begin(struct role *r);
/* Let gpg and its agent end by SIGTERM, which this process outlives. */
void gpg_group_take_sigterm(void);
/* A gpg hangs: kill the group, this process included. Returns where there is
   no group of its own. */
void gpg_group_end(void);

#endif
