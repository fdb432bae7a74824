// Debian's libsqlite3-dev, and wrappers of what Swift cannot call: sqlite3_db_config is variadic, and SQLITE_TRANSIENT
// is a cast. Also the calls of the system that the store needs beside it.
#ifndef CSQLITE_H
#define CSQLITE_H

#include <sqlite3.h>
#include <stdint.h>

/// With `keeps` 1, closing leaves the files as they are. By default the last connection checkpoints and removes the
/// WAL.
int csqlite_keep_wal_on_close(sqlite3 *connection, int keeps);

/// Refuses SQL that could damage the file: writable_schema, journal_mode=OFF, writes to shadow tables.
int csqlite_be_defensive(sqlite3 *connection);

/// The WAL up to its last commit.
typedef struct {
    uint32_t frames;
    /// In bytes.
    uint32_t page_size;
    /// Two words each, as they stand in the index.
    uint64_t salt;
    /// The last frame's, which covers all frames before it.
    uint64_t checksum;
} csqlite_wal;

/// Reads it from the index of the WAL, which all connections share; exact while the caller holds the write lock. SQLite
/// has no call that returns it; the format of the index is documented (sqlite.org/walformat.html, section 2.1).
int csqlite_wal_of(sqlite3 *connection, csqlite_wal *wal);

/// Whether a WAL, open as `file`, and the index of it that `connection` uses have these frames, so that a recovery and
/// a checkpoint find them all: 1 or 0, or -1 and `errno` if the file cannot be read. SQLite has no call that checks a
/// WAL in use. The frames of `verified`, if they are of the same WAL, are not read again; it becomes `wal` if the
/// answer is 1.
int csqlite_wal_is_whole(sqlite3 *connection, int file, const csqlite_wal *wal, csqlite_wal *verified);

/// rename(2) that replaces nothing: EEXIST if `to` exists, EINVAL if the file system does not support this.
int csqlite_rename_new(const char *from, const char *to);

/// Copies `text`; NULL binds an empty string.
int csqlite_bind_text(sqlite3_stmt *statement, int index, const char *text, int length);

/// Copies `bytes`; NULL binds an empty blob.
int csqlite_bind_blob(sqlite3_stmt *statement, int index, const void *bytes, int length);

#endif
