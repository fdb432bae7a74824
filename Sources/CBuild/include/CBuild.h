// What this build was made from: a C target, because only C targets can be
// given a value by the manifest.
#ifndef CBUILD_H
#define CBUILD_H

/// The commit, `-dirty` where files differed from it, or `unknown` outside a
/// checkout; lent for ever.
const char *cbuild_revision(void);

#endif
