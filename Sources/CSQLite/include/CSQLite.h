// Debian's libsqlite3-dev, and wrappers of what Swift cannot call: sqlite3_db_config is variadic, and SQLITE_TRANSIENT
// is a cast. Also the calls of the system that the store needs beside it.
#ifndef CSQLITE_H
#define CSQLITE_H

#include <sqlite3.h>

/// With `keeps` 1, closing leaves the files as they are. By default the last connection checkpoints and removes the
/// WAL.
int csqlite_keep_wal_on_close(sqlite3 *connection, int keeps);

/// Refuses SQL that could damage the file: writable_schema, journal_mode=OFF, writes to shadow tables.
int csqlite_be_defensive(sqlite3 *connection);

/// The end of the WAL's last commit, in bytes, from the index of the WAL, which all connections share. While the caller
/// holds the write lock, bytes after it belong to no commit. SQLite has no call that returns it without a checkpoint;
/// the format of the index is documented (sqlite.org/walformat.html, section 2.1).
int csqlite_wal_end(sqlite3 *connection, sqlite3_int64 *end);

/// rename(2) that replaces nothing: EEXIST if `to` exists, EINVAL if the file system does not support this.
int csqlite_rename_new(const char *from, const char *to);

/// Copies `text`; NULL binds an empty string.
int csqlite_bind_text(sqlite3_stmt *statement, int index, const char *text, int length);

/// Copies `bytes`; NULL binds an empty blob.
int csqlite_bind_blob(sqlite3_stmt *statement, int index, const void *bytes, int length);

#endif
