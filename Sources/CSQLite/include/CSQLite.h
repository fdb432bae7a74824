// SQLite, and shims for what Swift cannot call: sqlite3_db_config is variadic,
// SQLITE_TRANSIENT is a cast, and glibc hides renameat2 from Swift.
#ifndef CSQLITE_H
#define CSQLITE_H

#include <sqlite3.h>

/// Makes closing leave the files as they are: by default the last connection
/// checkpoints and removes the WAL.
int csqlite_keep_wal_on_close(sqlite3 *connection, int keeps);

/// Refuses SQL that could damage the file: writable_schema, journal_mode=OFF,
/// writes to shadow tables.
int csqlite_be_defensive(sqlite3 *connection);

/// The end of the WAL's last commit, in bytes, by the index of the WAL, which
/// all connections share. Bytes behind it are no commit while the caller holds
/// the write lock. SQLite has no other call for it but a checkpoint; the index
/// is a documented format (sqlite.org/walformat.html, section 2.1).
int csqlite_wal_end(sqlite3 *connection, sqlite3_int64 *end);

/// rename(2) that replaces nothing: EEXIST if `to` exists, EINVAL if the file
/// system cannot do that.
int csqlite_rename_new(const char *from, const char *to);

/// `text` is copied; NULL is the empty text.
int csqlite_bind_text(sqlite3_stmt *statement, int index, const char *text,
                      int length);

/// `bytes` is copied; NULL is the empty blob.
int csqlite_bind_blob(sqlite3_stmt *statement, int index, const void *bytes,
                      int length);

#endif
