// The commit of this build, in a C target because Package.swift can pass a value only to those.
#ifndef CBUILD_H
#define CBUILD_H

/// The commit, with `-dirty` if files differed from it, or `unknown` outside a checkout. Lives as long as the process.
const char *cbuild_revision(void);

#endif
